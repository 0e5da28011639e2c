# python3 examples/pyzmq/forwarder.py --role forwarder --frontend tcp://127.0.0.1:5559 --backend tcp://127.0.0.1:5560
"""Publishers and subscribers that know one address each: XSUB and XPUB. Each part may be the one of `forwarder.rs`."""

import zmq

import parts


def forwarder(context, args, _):
    """Passes messages on one way and subscriptions the other, until it is stopped."""
    with context.socket(zmq.XSUB) as frontend, context.socket(zmq.XPUB) as backend:
        backend.setsockopt(zmq.XPUB_NODROP, 1)
        frontend.bind(args.frontend)
        backend.bind(args.backend)
        zmq.proxy(frontend, backend)


def subscriber(context, args, number):
    """Receives --count messages of each publisher, all of the topic it subscribed to."""
    topic = b"%d " % number
    expected = args.count * args.publishers
    with context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, topic)
        socket.connect(args.backend)
        for _ in range(expected):
            message = socket.recv()
            assert message.startswith(topic), message
    return f"subscriber {number}: {expected} messages"


def publisher(context, args, number):
    """Publishes --count messages to each topic once all are wanted, and as many to one that nobody wants."""
    with context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.connect(args.frontend)
        wanted = set()
        while len(wanted) < args.subscribers:
            wanted.add(socket.recv())
        for message in range(args.count):
            for topic in range(args.subscribers):
                socket.send_string(f"{topic} {message}")
            socket.send_string(f"nobody {message}")
    return f"publisher {number}: {args.count * args.subscribers} messages wanted, {args.count} not sent"


parts.play(
    {"forwarder": forwarder, "subscriber": subscriber, "publisher": publisher},
    {
        "--count": 1000,
        "--publishers": 2,
        "--subscribers": 3,
        "--frontend": "tcp://127.0.0.1:5559",
        "--backend": "tcp://127.0.0.1:5560",
    },
    copies={"subscriber": "subscribers", "publisher": "publishers"},
)
