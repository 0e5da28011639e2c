"""A real ZeroMQ peer, driven over its standard input and output: a command a line, an answer a line, both JSON.

    {"op": "socket", "kind": "PULL", "options": [["RCVHWM", 10]]}       -> {"ok": 0}
    {"op": "bind", "socket": 0, "endpoint": "tcp://127.0.0.1:*"}        -> {"ok": "tcp://127.0.0.1:40123"}
    {"op": "recv", "socket": 0, "ms": 1000}                             -> {"ok": [{"hex": "6869"}]}, or {"ok": null}

What goes wrong is {"error": "..."}. The process ends when its input does; sockets that are open then drop what they hold.

A frame is {"hex": "..."}, or {"size": n, "seed": s} if it is `pattern(n, s)`: so large ones cost nothing to tell.
"""

import faulthandler
import functools
import itertools
import json
import struct
import sys
import time

import zmq

CONTEXT = zmq.Context()
CONTEXT.set(zmq.MAX_SOCKETS, 10_000)
SOCKETS = {}
MONITORS = {}
NUMBERS = itertools.count()

# What a pattern is made of.
BLOCK = bytes(range(256)) * 4
# Shorter frames are told as they are.
PATTERN_MIN = 64
# A socket's address may be held a moment longer by one that is closing.
BIND_PATIENCE_S = 10


@functools.lru_cache(maxsize=4)
def pattern(size, seed):
    """So many bytes: blocks that begin with a 32-bit number, little end first, which counts up from `seed`."""
    data = bytearray(BLOCK * ((size + len(BLOCK) - 1) // len(BLOCK)))
    for index in range(0, len(data), len(BLOCK)):
        struct.pack_into("<I", data, index, seed + index // len(BLOCK))
    return bytes(data[:size])


def to_bytes(frame):
    return bytes.fromhex(frame["hex"]) if "hex" in frame else pattern(frame["size"], frame["seed"])


def to_frame(data):
    if len(data) >= PATTERN_MIN:
        (seed,) = struct.unpack_from("<I", data)
        if seed < 1 << 31 and pattern(len(data), seed) == data:
            return {"size": len(data), "seed": seed}
    return {"hex": data.hex()}


def to_value(value):
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value


def send(socket, frames, ms):
    socket.sndtimeo = ms
    try:
        socket.send_multipart(frames)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:
            return False
        raise
    return True


def recv(socket, ms):
    socket.rcvtimeo = ms
    try:
        return socket.recv_multipart()
    except zmq.Again:
        return None


def op_version():
    return {"pyzmq": zmq.pyzmq_version(), "libzmq": zmq.zmq_version(), "python": sys.version.split()[0]}


def op_socket(kind, options):
    number = next(NUMBERS)
    socket = CONTEXT.socket(getattr(zmq, kind))
    for name, value in options:
        socket.set(getattr(zmq, name), to_value(value))
    SOCKETS[number] = socket
    # Named by number: pyzmq's own way names it by a descriptor, which another socket may have had.
    socket.monitor(f"inproc://monitor-{number}", zmq.EVENT_ALL)
    MONITORS[number] = CONTEXT.socket(zmq.PAIR)
    MONITORS[number].connect(f"inproc://monitor-{number}")
    return number


def op_set(socket, name, value):
    SOCKETS[socket].set(getattr(zmq, name), to_value(value))


def op_bind(socket, endpoint):
    deadline = time.monotonic() + BIND_PATIENCE_S
    while True:
        try:
            SOCKETS[socket].bind(endpoint)
            return SOCKETS[socket].get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE or time.monotonic() > deadline:
                raise
        time.sleep(0.002)


def op_unbind(socket, endpoint):
    SOCKETS[socket].unbind(endpoint)


def op_connect(socket, endpoint):
    SOCKETS[socket].connect(endpoint)


def op_disconnect(socket, endpoint):
    SOCKETS[socket].disconnect(endpoint)


def op_send(socket, frames, ms):
    return send(SOCKETS[socket], [to_bytes(frame) for frame in frames], ms)


def op_recv(socket, ms):
    frames = recv(SOCKETS[socket], ms)
    return None if frames is None else [to_frame(frame) for frame in frames]


def op_send_numbers(socket, before, first, count, size, ms):
    """Sends messages that say their number, each within `ms`, until one is not taken. Says how many were."""
    before = [to_bytes(frame) for frame in before]
    padding = bytes(max(0, size - 8))
    for number in range(first, first + count):
        if not send(SOCKETS[socket], before + [struct.pack("<Q", number) + padding], ms):
            return number - first
    return count


def op_recv_numbers(socket, before, count, ms):
    """Takes messages that say their number, each within `ms`, until none comes. Says which, as [first, how many]."""
    runs = []
    for _ in range(count):
        frames = recv(SOCKETS[socket], ms)
        if frames is None:
            break
        if len(frames) != before + 1:
            raise ValueError(f"a message of {len(frames)} frames, not {before + 1}")
        (number,) = struct.unpack_from("<Q", frames[-1])
        if runs and number == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return runs


def op_nudge(socket):
    """Lets the socket do what libzmq does only when its application calls in."""
    SOCKETS[socket].get(zmq.EVENTS)


def op_event(socket, ms):
    frames = recv(MONITORS[socket], ms)
    if frames is None:
        return None
    event, value = struct.unpack("=HI", frames[0])
    return {"event": event, "value": value, "endpoint": frames[1].decode()}


def op_close(socket, linger):
    """Closes a socket; it keeps its own time to linger if none is given."""
    # First: its last word, to a monitor that is closed already, would never end.
    SOCKETS[socket].monitor(None, 0)
    SOCKETS.pop(socket).close(linger)
    MONITORS.pop(socket).close(0)


def op_end():
    """Ends the context, as a program that leaves does: waits for what lingers."""
    CONTEXT.term()


def main():
    # Who gives up waiting for an answer aborts us: then this says what we were at.
    faulthandler.enable()
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"ok": globals()["op_" + command.pop("op")](**command)}
        except Exception as error:  # whatever it is, it is for the test to say
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    CONTEXT.destroy(linger=0)


if __name__ == "__main__":
    main()
