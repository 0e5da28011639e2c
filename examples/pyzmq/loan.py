# python3 examples/pyzmq/loan.py --role viewer --pictures tcp://127.0.0.1:5557
"""A camera and a viewer: PUSH and PULL. Each part may be the one of `loan.rs`; here nothing is lent."""

import struct

import zmq

import parts

POINTS = 996


def camera(context, args, _):
    """Sends --count pictures."""
    with context.socket(zmq.PUSH) as pictures:
        pictures.connect(args.pictures)
        for number in range(args.count):
            pictures.send(struct.pack("<I", number) + bytes([number % 256]) * POINTS)


def viewer(context, args, _):
    """Looks at them."""
    with context.socket(zmq.PULL) as pictures:
        pictures.bind(args.pictures)
        for number in range(args.count):
            assert pictures.recv() == struct.pack("<I", number) + bytes([number % 256]) * POINTS, number
    return f"viewer: {args.count} pictures, all of them whole"


parts.play({"camera": camera, "viewer": viewer}, {"--count": 10000, "--pictures": "tcp://127.0.0.1:5557"})
