# python3 examples/pyzmq/two_sources.py --role reader --tasks tcp://127.0.0.1:5557 --weather tcp://127.0.0.1:5556
"""One thread, two sources, one poller. Each part may be the one of `two_sources.rs`."""

import struct

import zmq

import parts


def ventilator(context, args, _):
    """Hands out --count tasks."""
    with context.socket(zmq.PUSH) as tasks:
        tasks.bind(args.tasks)
        for task in range(args.count):
            tasks.send(struct.pack("<I", task))


def station(context, args, _):
    """Publishes --count updates of each of two places, once somebody wants them."""
    with context.socket(zmq.XPUB) as weather:
        weather.setsockopt(zmq.XPUB_NODROP, 1)
        weather.bind(args.weather)
        weather.recv()
        for hour in range(args.count):
            weather.send_string(f"10001 {hour}")
            weather.send_string(f"10002 {hour}")


def reader(context, args, _):
    """Takes all tasks, and all updates of one place, as they come."""
    with context.socket(zmq.PULL) as tasks, context.socket(zmq.SUB) as weather:
        weather.setsockopt(zmq.SUBSCRIBE, b"10001 ")
        tasks.connect(args.tasks)
        weather.connect(args.weather)
        poller = zmq.Poller()
        poller.register(tasks, zmq.POLLIN)
        poller.register(weather, zmq.POLLIN)
        done = seen = 0
        while done < args.count or seen < args.count:
            for socket, _ in poller.poll():
                socket.recv()
                if socket is tasks:
                    done += 1
                else:
                    seen += 1
    return f"reader: {done} tasks and {seen} updates through one poller"


parts.play(
    {"ventilator": ventilator, "station": station, "reader": reader},
    {"--count": 1000, "--tasks": "tcp://127.0.0.1:5557", "--weather": "tcp://127.0.0.1:5556"},
)
