# python3 examples/pyzmq/coordination.py --role publisher --updates tcp://127.0.0.1:5561 --ready tcp://127.0.0.1:5562
"""Subscribers report that they are ready, and only then the publisher begins. Either part may be `coordination.rs`."""

import struct

import zmq

import parts


def publisher(context, args, _):
    """Publishes --count updates and the end, once all subscribers are ready."""
    with context.socket(zmq.XPUB) as updates, context.socket(zmq.REP) as ready:
        # Tells of every subscriber, though all want the same; and waits for those that are full.
        updates.setsockopt(zmq.XPUB_VERBOSE, 1)
        updates.setsockopt(zmq.XPUB_NODROP, 1)
        updates.bind(args.updates)
        ready.bind(args.ready)
        for _ in range(args.subscribers):
            ready.recv()
            ready.send(b"noted")
        # A report may overtake the subscription, which comes by another connection.
        for _ in range(args.subscribers):
            updates.recv()
        for update in range(args.count):
            updates.send(struct.pack("<I", update))
        updates.send(b"END")
    return f"publisher: {args.count} updates and the end, to {args.subscribers} subscribers that were ready"


def subscriber(context, args, number):
    """Reports for duty, then receives updates until the end, in order and without a gap."""
    with context.socket(zmq.SUB) as updates, context.socket(zmq.REQ) as ready:
        updates.setsockopt(zmq.SUBSCRIBE, b"")
        updates.connect(args.updates)
        ready.connect(args.ready)
        ready.send(b"ready")
        ready.recv()
        due = 0
        while (update := updates.recv()) != b"END":
            assert update == struct.pack("<I", due), (update, due)
            due += 1
    return f"subscriber {number}: {due} updates and the end"


parts.play(
    {"publisher": publisher, "subscriber": subscriber},
    {"--count": 10000, "--subscribers": 5, "--updates": "tcp://127.0.0.1:5561", "--ready": "tcp://127.0.0.1:5562"},
    copies={"subscriber": "subscribers"},
)
