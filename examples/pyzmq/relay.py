# python3 examples/pyzmq/relay.py --role second --second tcp://127.0.0.1:5557 --third tcp://127.0.0.1:5558
"""Three in a row that signal each other: PAIR. Each part may be the one of `relay.rs`."""

import struct

import zmq

import parts


def first(context, args, _):
    """Signals --count times."""
    with context.socket(zmq.PAIR) as following:
        following.connect(args.second)
        for number in range(args.count):
            following.send(struct.pack("<I", number))


def second(context, args, _):
    """Passes every signal on as it came."""
    with context.socket(zmq.PAIR) as previous, context.socket(zmq.PAIR) as following:
        previous.bind(args.second)
        following.connect(args.third)
        for _ in range(args.count):
            following.send(previous.recv())


def third(context, args, _):
    """Checks them."""
    with context.socket(zmq.PAIR) as previous:
        previous.bind(args.third)
        for number in range(args.count):
            assert previous.recv() == struct.pack("<I", number), number
    return f"{args.count} signals through 3 parts, all in order"


parts.play(
    {"first": first, "second": second, "third": third},
    {"--count": 1000, "--second": "tcp://127.0.0.1:5557", "--third": "tcp://127.0.0.1:5558"},
)
