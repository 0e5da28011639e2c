# python3 examples/pyzmq/broker.py --role broker --frontend tcp://127.0.0.1:5559 --backend tcp://127.0.0.1:5560
"""Clients, a broker, workers: REQ, ROUTER, DEALER, REP. Each part may be the one of `broker.rs`."""

import zmq

import parts


def broker(context, args, _):
    """Passes requests on to the workers in turn, and replies back to who asked, until it is stopped."""
    with context.socket(zmq.ROUTER) as frontend, context.socket(zmq.DEALER) as backend:
        frontend.bind(args.frontend)
        backend.bind(args.backend)
        zmq.proxy(frontend, backend)


def worker(context, args, _):
    """Shouts back, until it is stopped."""
    with context.socket(zmq.REP) as socket:
        socket.connect(args.backend)
        while True:
            socket.send(socket.recv().upper())


def client(context, args, number):
    """Asks --count times, and checks that each reply is to what it asked."""
    with context.socket(zmq.REQ) as socket:
        socket.connect(args.frontend)
        for request in range(args.count):
            text = f"client {number}, request {request}"
            socket.send_string(text)
            reply = socket.recv_string()
            assert reply == text.upper(), reply
    return f"client {number}: {args.count} replies"


parts.play(
    {"broker": broker, "worker": worker, "client": client},
    {
        "--count": 1000,
        "--clients": 3,
        "--workers": 2,
        "--frontend": "tcp://127.0.0.1:5559",
        "--backend": "tcp://127.0.0.1:5560",
    },
    copies={"worker": "workers", "client": "clients"},
)
