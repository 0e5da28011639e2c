"""The works of `ringway-perf capi` by plain pyzmq: a message there and back, or as many as go one way.

Started by `ringway-perf`, which decides whose libzmq is underneath; nothing here knows. Speaks the lines of a child
process: it is told or tells `bound ENDPOINT`, tells `done RESULT`, and ends when told `end`.
"""

import argparse
import asyncio
import json
import os
import sys
import threading
import time

KINDS = {
    "pair": ("PAIR", "PAIR"),
    "push-pull": ("PUSH", "PULL"),
    "pub-sub": ("XPUB", "SUB"),
    "req-rep": ("REQ", "REP"),
    "dealer-router": ("DEALER", "ROUTER"),
}

# What a sender says last.
STOP = b""

# Of a round trip, before what counts: as a share of the time.
WARMUP_SHARE = 4

# Messages between two looks at the clock, one way.
STRETCH = 256


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def hear(word):
    """Waits for a line that begins with `word` and gives the rest."""
    line = sys.stdin.readline().rstrip("\n")
    if line.partition(" ")[0] != word:
        raise SystemExit(f"'{line}' instead of '{word}'")
    return line.partition(" ")[2]


def pin(cpu):
    """This thread, and those it starts from now on."""
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})


def open_socket(context, kind, asked):
    import zmq

    socket = context.socket(getattr(zmq, kind))
    socket.set(zmq.SNDHWM, asked.hwm)
    socket.set(zmq.RCVHWM, asked.hwm)
    if kind == "XPUB":
        socket.set(zmq.XPUB_NODROP, 1)
        socket.set(zmq.XPUB_VERBOSE, 1)
    if kind == "ROUTER":
        socket.set(zmq.ROUTER_MANDATORY, 1)
    return socket


def bind(context, asked):
    import zmq

    socket = open_socket(context, KINDS[asked.pattern][1], asked)
    if asked.pattern == "pub-sub":
        socket.subscribe(b"")
    socket.bind(
        {
            "inproc": "inproc://perf",
            "tcp": "tcp://127.0.0.1:*",
            "ipc": f"ipc://@ringway-perf-py-{os.getpid()}",
        }[asked.transport]
    )
    return socket, socket.get(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()


def connect(context, endpoint, asked):
    socket = open_socket(context, KINDS[asked.pattern][0], asked)
    socket.connect(endpoint)
    return socket


def receiver(socket, asked):
    """How a message is waited for and received."""
    import zmq

    if asked.calls == "poller":
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)

        def polled(receive):
            def call():
                poller.poll()
                return receive(zmq.NOBLOCK)

            return call

        return polled(socket.recv), polled(socket.recv_multipart)
    return socket.recv, socket.recv_multipart


def percentiles(times_ns, elapsed_s):
    times_ns.sort()
    count = len(times_ns)
    if not count:
        raise SystemExit("not one round trip in time")

    def at(share):
        return times_ns[min(count - 1, int(share * count))]

    return {
        "count": count,
        "p50_ns": at(0.5),
        "p90_ns": at(0.9),
        "p99_ns": at(0.99),
        "p999_ns": at(0.999),
        "p9999_ns": at(0.9999),
        "max_ns": times_ns[-1],
        "mean_ns": sum(times_ns) / count,
        "rate_per_s": count / elapsed_s,
    }


def check(message, asked):
    if len(message) != asked.size:
        raise SystemExit(f"a message of {len(message)} bytes instead of {asked.size}")


def ping(socket, asked):
    now_ns = time.perf_counter_ns
    recv, _ = receiver(socket, asked)
    send, payload, times_ns = socket.send, bytes(asked.size), []

    def trips(limit_s, record):
        end_ns = now_ns() + int(limit_s * 1e9)
        start_ns = now_ns()
        while start_ns < end_ns:
            send(payload)
            message = recv()
            done_ns = now_ns()
            record(done_ns - start_ns)
            check(message, asked)
            start_ns = now_ns()

    trips(asked.seconds / WARMUP_SHARE, lambda _: None)
    begin = time.perf_counter()
    trips(asked.seconds, times_ns.append)
    elapsed_s = time.perf_counter() - begin
    send(STOP)
    recv()
    return percentiles(times_ns, elapsed_s)


def pong(socket, asked):
    recv, recv_multipart = receiver(socket, asked)
    if asked.pattern == "dealer-router":
        while True:
            message = recv_multipart()
            socket.send_multipart(message)
            if message[-1] == STOP:
                return {}
    send = socket.send
    while True:
        message = recv()
        send(message)
        if message == STOP:
            return {}


def stream(socket, asked):
    if asked.pattern == "pub-sub":
        socket.recv()
    send, payload, sent = socket.send, bytes(asked.size), 0
    end = time.perf_counter() + asked.seconds
    while time.perf_counter() < end:
        for _ in range(STRETCH):
            send(payload)
        sent += STRETCH
    send(STOP)
    return {"sent": sent}


def drain(socket, asked):
    recv, _ = receiver(socket, asked)
    check(recv(), asked)
    # The first is there: the clock runs from here.
    received, begin = 1, time.perf_counter()
    while True:
        message = recv()
        if message == STOP:
            break
        check(message, asked)
        received += 1
    elapsed_s = time.perf_counter() - begin
    return {"received": received, "msgs_per_s": (received - 1) / elapsed_s}


async def ping_later(socket, asked):
    now_ns = time.perf_counter_ns
    payload, times_ns = bytes(asked.size), []

    async def trips(limit_s, record):
        end_ns = now_ns() + int(limit_s * 1e9)
        start_ns = now_ns()
        while start_ns < end_ns:
            await socket.send(payload)
            message = await socket.recv()
            done_ns = now_ns()
            record(done_ns - start_ns)
            check(message, asked)
            start_ns = now_ns()

    await trips(asked.seconds / WARMUP_SHARE, lambda _: None)
    begin = time.perf_counter()
    await trips(asked.seconds, times_ns.append)
    elapsed_s = time.perf_counter() - begin
    await socket.send(STOP)
    await socket.recv()
    return percentiles(times_ns, elapsed_s)


async def pong_later(socket, asked):
    while True:
        message = await socket.recv_multipart()
        await socket.send_multipart(message)
        if message[-1] == STOP:
            return {}


async def stream_later(socket, asked):
    if asked.pattern == "pub-sub":
        await socket.recv()
    payload, sent = bytes(asked.size), 0
    end = time.perf_counter() + asked.seconds
    while time.perf_counter() < end:
        for _ in range(STRETCH):
            await socket.send(payload)
        sent += STRETCH
    await socket.send(STOP)
    return {"sent": sent}


async def drain_later(socket, asked):
    check(await socket.recv(), asked)
    received, begin = 1, time.perf_counter()
    while True:
        message = await socket.recv()
        if message == STOP:
            break
        check(message, asked)
        received += 1
    elapsed_s = time.perf_counter() - begin
    return {"received": received, "msgs_per_s": (received - 1) / elapsed_s}


PARTS = {
    ("round-trip", "near"): (ping, ping_later),
    ("round-trip", "far"): (pong, pong_later),
    ("one-way", "near"): (stream, stream_later),
    ("one-way", "far"): (drain, drain_later),
}


def half(context, side, asked, endpoints):
    """Opens one side's socket, does its part, and gives the socket back open."""
    plain, later = PARTS[asked.work, side]

    def opened():
        if side == "near":
            return connect(context, endpoints.hear(), asked)
        socket, endpoint = bind(context, asked)
        endpoints.tell(endpoint)
        return socket

    if asked.calls == "asyncio":

        async def run():
            socket = opened()
            return await later(socket, asked), socket

        return asyncio.run(run())
    socket = opened()
    return plain(socket, asked), socket


class Lines:
    """Endpoints between processes."""

    @staticmethod
    def tell(endpoint):
        say(f"bound {endpoint}")

    @staticmethod
    def hear():
        return hear("bound")


class Handed:
    """Endpoints between two threads."""

    def __init__(self):
        self.there, self.endpoint = threading.Event(), None

    def tell(self, endpoint):
        self.endpoint = endpoint
        self.there.set()

    def hear(self):
        self.there.wait()
        return self.endpoint


def both(context, asked):
    """Both sides, a thread each."""
    endpoints, seen, sockets = Handed(), {}, []

    def run():
        try:
            pin(asked.far_cpu)
            result, socket = half(context, "far", asked, endpoints)
            seen.update(result)
            sockets.append(socket)
        except BaseException as error:
            # Nothing will come that this thread's other half waits for.
            print(f"far side: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)

    far = threading.Thread(target=run)
    far.start()
    pin(asked.near_cpu)
    result, socket = half(context, "near", asked, endpoints)
    far.join()
    return {**seen, **result}, [*sockets, socket]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", choices=["near", "far", "both"], required=True)
    parser.add_argument("--work", choices=["round-trip", "one-way"], required=True)
    parser.add_argument("--transport", choices=["inproc", "tcp", "ipc"], required=True)
    parser.add_argument("--pattern", choices=KINDS, required=True)
    parser.add_argument("--calls", choices=["recv", "poller", "asyncio"], required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--hwm", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--near-cpu", type=int, required=True)
    parser.add_argument("--far-cpu", type=int, required=True)
    parser.add_argument("--underneath", default="", help="fails unless this library is in the process")
    asked = parser.parse_args()

    # Before a thread of the library's is started.
    if asked.side != "both":
        pin(asked.near_cpu if asked.side == "near" else asked.far_cpu)
    import zmq
    import zmq.asyncio

    if asked.underneath:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            if os.path.realpath(asked.underneath) not in maps.read():
                raise SystemExit(f"{asked.underneath} is not in this process: LD_PRELOAD had no effect")
    context = zmq.asyncio.Context() if asked.calls == "asyncio" else zmq.Context()
    if asked.side == "both":
        result, sockets = both(context, asked)
    else:
        result, socket = half(context, asked.side, asked, Lines)
        sockets = [socket]
    result["version"] = f"{zmq.zmq_version()}, pyzmq {zmq.pyzmq_version()}"
    say("done " + json.dumps(result))
    hear("end")
    # What is queued still goes out: linger is endless by default.
    for socket in sockets:
        socket.close()
    context.term()


if __name__ == "__main__":
    main()
