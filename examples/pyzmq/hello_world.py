# python3 examples/pyzmq/hello_world.py --role server --endpoint tcp://127.0.0.1:5555 --count 10
"""Hello world: REQ asks, REP answers. Either part may be the one of `hello_world.rs`."""

import zmq

import parts


def server(context, args, _):
    """Answers --count requests."""
    with context.socket(zmq.REP) as socket:
        socket.bind(args.endpoint)
        hellos = 0
        for _ in range(args.count):
            hellos += socket.recv() == b"Hello"
            socket.send(b"World")
    return f"server: {hellos} times Hello"


def client(context, args, _):
    """Asks --count times."""
    with context.socket(zmq.REQ) as socket:
        socket.connect(args.endpoint)
        worlds = 0
        for _ in range(args.count):
            socket.send(b"Hello")
            worlds += socket.recv() == b"World"
    return f"client: {worlds} times World"


parts.play({"server": server, "client": client}, {"--count": 10, "--endpoint": "tcp://127.0.0.1:5555"})
