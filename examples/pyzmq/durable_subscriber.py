# python3 examples/pyzmq/durable_subscriber.py --role publisher --endpoint tcp://127.0.0.1:5563 --count 2000
"""A numbered stream with replay: DEALER and ROUTER. Either part may be the one of `durable_subscriber.rs`."""

import pathlib
import struct

import zmq

import parts

WINDOW = 100


def subscriber(context, args, _):
    """Takes the numbers up to --count, each once and none missing, and dies --restarts times meanwhile."""
    state = pathlib.Path(args.state) if args.state else None
    position = int(state.read_text()) if state and state.exists() else 0
    report = []
    for life in range(args.restarts + 1):
        until = args.count * (life + 1) // (args.restarts + 1)
        how = "numbers" if life == 0 else "restarted, numbers"
        report.append(f"life {life}: {how} {position}..{max(until, position)}")
        with context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.ROUTING_ID, b"reader")
            socket.connect(args.endpoint)
            socket.send_multipart([b"from", struct.pack("<I", position)])
            while position < until:
                if socket.recv_multipart()[0] != struct.pack("<I", position):
                    # Sent to an earlier life. What is due comes again.
                    continue
                position += 1
                if state:
                    state.write_text(str(position))
                socket.send_multipart([b"taken", struct.pack("<I", position)])
    return "\n".join(report)


def publisher(context, args, _):
    """Sends the subscriber what it has not taken, and keeps a window of it, until it is stopped."""
    base, sent, events = 0, 0, []
    with context.socket(zmq.ROUTER) as socket:
        # Who comes back takes its name over, though the end of its last life may not have been heard of.
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        socket.bind(args.endpoint)
        while True:
            name, word, number = socket.recv_multipart()
            (number,) = struct.unpack("<I", number)
            if word == b"from":
                if number > base + len(events):
                    base, events = number, []
                sent = number
            # What was taken is forgotten.
            while base < number and events:
                events.pop(0)
                base += 1
            while len(events) < WINDOW and base + len(events) < args.count:
                events.append(b"event %d" % (base + len(events)))
            for place in range(sent - base, len(events)):
                socket.send_multipart([name, struct.pack("<I", base + place), events[place]])
            sent = base + len(events)


parts.play(
    {"subscriber": subscriber, "publisher": publisher},
    {"--count": 2000, "--restarts": 3, "--endpoint": "tcp://127.0.0.1:5563", "--state": ""},
)
