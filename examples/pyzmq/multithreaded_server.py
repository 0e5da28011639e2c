# python3 examples/pyzmq/multithreaded_server.py --role server --endpoint tcp://127.0.0.1:5555 --threads 4
"""One address, several threads behind it. Either part may be the one of `multithreaded_server.rs`."""

import struct
import threading

import zmq

import parts


def square(context):
    """Squares numbers, until it is stopped."""
    with context.socket(zmq.REP) as socket:
        socket.connect("inproc://threads")
        while True:
            (number,) = struct.unpack("<I", socket.recv())
            socket.send(struct.pack("<Q", number * number))


def server(context, args, _):
    """A ROUTER in front, a DEALER behind, and --threads threads, until it is stopped."""
    with context.socket(zmq.ROUTER) as frontend, context.socket(zmq.DEALER) as backend:
        frontend.bind(args.endpoint)
        backend.bind("inproc://threads")
        for _ in range(args.threads):
            threading.Thread(target=square, args=(context,), daemon=True).start()
        zmq.proxy(frontend, backend)


def client(context, args, _):
    """Has 1 to --count squared, and adds the squares up."""
    with context.socket(zmq.REQ) as socket:
        socket.connect(args.endpoint)
        total = 0
        for number in range(1, args.count + 1):
            socket.send(struct.pack("<I", number))
            total += struct.unpack("<Q", socket.recv())[0]
    return f"client: the squares of 1 to {args.count} add up to {total}"


parts.play(
    {"server": server, "client": client}, {"--count": 1000, "--threads": 4, "--endpoint": "tcp://127.0.0.1:5555"}
)
