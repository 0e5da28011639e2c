# python3 examples/pyzmq/pipeline.py --role worker --tasks tcp://127.0.0.1:5557 --results tcp://127.0.0.1:5558
"""Ventilator, workers, sink: PUSH and PULL. Each part may be the one of `pipeline.rs`."""

import collections
import struct

import zmq

import parts


def ventilator(context, args, _):
    """Sends 1 to --count."""
    with context.socket(zmq.PUSH) as tasks:
        tasks.bind(args.tasks)
        for task in range(1, args.count + 1):
            tasks.send(struct.pack("<I", task))


def worker(context, args, number):
    """Squares tasks until it is stopped."""
    with context.socket(zmq.PULL) as tasks, context.socket(zmq.PUSH) as results:
        tasks.connect(args.tasks)
        results.connect(args.results)
        while True:
            (task,) = struct.unpack("<I", tasks.recv())
            results.send_multipart([struct.pack("<I", number), struct.pack("<Q", task * task)])


def sink(context, args, _):
    """Takes --count results; reports how many came from each worker, and their sum."""
    with context.socket(zmq.PULL) as results:
        results.bind(args.results)
        total, shares = 0, collections.Counter()
        for _ in range(args.count):
            number, square = results.recv_multipart()
            shares[struct.unpack("<I", number)[0]] += 1
            total += struct.unpack("<Q", square)[0]
    lines = [f"worker {number}: {tasks} tasks" for number, tasks in sorted(shares.items())]
    return "\n".join([*lines, f"total {total} of {args.count} results"])


parts.play(
    {"ventilator": ventilator, "worker": worker, "sink": sink},
    {"--count": 10000, "--workers": 2, "--tasks": "tcp://127.0.0.1:5557", "--results": "tcp://127.0.0.1:5558"},
    copies={"worker": "workers"},
)
