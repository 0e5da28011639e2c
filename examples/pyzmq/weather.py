# python3 examples/pyzmq/weather.py --role client --endpoint tcp://127.0.0.1:5556 --count 20000
"""Weather updates: PUB and SUB. Either part may be the one of `weather.rs`."""

import zmq

import parts

UPDATES = 5
PLACES = 100


def server(context, args, _):
    """Publishes --count updates, "zip temperature humidity", of --zip and its neighbours in turn."""
    # An XPUB hears of its subscribers, and this one waits for those that are full.
    with context.socket(zmq.XPUB) as socket:
        socket.setsockopt(zmq.XPUB_NODROP, 1)
        socket.bind(args.endpoint)
        socket.recv()
        for update in range(args.count):
            place, temperature = args.zip + update % PLACES, 10 + update // PLACES
            socket.send_string(f"{place} {temperature} {40 + update % 20}")
        socket.send_string(f"{args.zip} END")
    return f"server: {args.count} updates"


def client(context, args, _):
    """Averages five updates of --zip."""
    with context.socket(zmq.SUB) as socket:
        socket.setsockopt_string(zmq.SUBSCRIBE, f"{args.zip} ")
        socket.connect(args.endpoint)
        total = 0
        for number in range(UPDATES):
            place, temperature, *_ = socket.recv_string().split(" ")
            if temperature == "END":
                raise SystemExit(f"only {number} updates of {args.zip}, {UPDATES} are needed")
            assert place == str(args.zip), place
            total += int(temperature)
    return f"client: average temperature of {args.zip} is {total // UPDATES}"


parts.play(
    {"server": server, "client": client}, {"--count": 20000, "--zip": 10001, "--endpoint": "tcp://127.0.0.1:5556"}
)
