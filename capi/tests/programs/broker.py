# python3 broker.py --role broker --kind poller --frontend tcp://127.0.0.1:5559 --backend tcp://127.0.0.1:5560 ...
"""Clients, a broker, workers: REQ, ROUTER, DEALER, REP. The broker forwards with a Poller, or with zmq.proxy in a thread
that the end of its context ends."""

import argparse
import faulthandler
import signal
import threading

import zmq

parser = argparse.ArgumentParser()
parser.add_argument("--role", choices=["broker", "worker", "client"], required=True)
parser.add_argument("--kind", choices=["poller", "proxy"], default="poller")
parser.add_argument("--count", type=int, default=100)
parser.add_argument("--clients", type=int, default=3)
parser.add_argument("--workers", type=int, default=2)
for name, default in [("frontend", 5559), ("backend", 5560), ("reports", 5561), ("orders", 5562)]:
    parser.add_argument(f"--{name}", default=f"tcp://127.0.0.1:{default}")
args = parser.parse_args()
# Tells where it is, and ends whatever is waiting.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(60)


def forward_by_poller(context, frontend, backend):
    poller = zmq.Poller()
    poller.register(frontend, zmq.POLLIN)
    poller.register(backend, zmq.POLLIN)
    while True:
        events = dict(poller.poll())
        if frontend in events:
            backend.send_multipart(frontend.recv_multipart())
        if backend in events:
            frontend.send_multipart(backend.recv_multipart())


def forward(context):
    with context.socket(zmq.ROUTER) as frontend, context.socket(zmq.DEALER) as backend:
        frontend.linger = backend.linger = 0
        frontend.bind(args.frontend)
        backend.bind(args.backend)
        try:
            if args.kind == "proxy":
                zmq.proxy(frontend, backend)
            else:
                forward_by_poller(context, frontend, backend)
        except zmq.ContextTerminated:
            return


def broker():
    """Forwards until all clients have reported, tells the workers, and ends its context with the forwarder in it."""
    context = zmq.Context()
    forwarder = threading.Thread(target=forward, args=(context,))
    forwarder.start()
    reports, orders = context.socket(zmq.PULL), context.socket(zmq.PUB)
    # Who reports that it ended has got its order.
    orders.linger = 0
    reports.bind(args.reports)
    orders.bind(args.orders)
    for _ in range(args.clients):
        assert reports.recv() == b"client"
    left = args.workers
    while left:
        # A worker that was late to subscribe gets the next.
        orders.send(b"END")
        if reports.poll(20):
            assert reports.recv() == b"worker"
            left -= 1
    reports.close()
    orders.close()
    context.term()
    forwarder.join(10)
    assert not forwarder.is_alive()
    print("broker ended")


def worker():
    """Shouts back, until it is told to end."""
    with zmq.Context() as context:
        served, orders, reports = context.socket(zmq.REP), context.socket(zmq.SUB), context.socket(zmq.PUSH)
        served.connect(args.backend)
        orders.connect(args.orders)
        orders.subscribe(b"END")
        reports.connect(args.reports)
        poller = zmq.Poller()
        poller.register(served, zmq.POLLIN)
        poller.register(orders, zmq.POLLIN)
        while True:
            events = dict(poller.poll())
            if served in events:
                served.send_multipart([part.upper() for part in served.recv_multipart()])
            if orders in events:
                break
        reports.send(b"worker")
        for socket in (served, orders, reports):
            socket.close()


def client(number, context, failures):
    """Asks --count times and checks that each reply is to what it asked."""
    try:
        with context.socket(zmq.REQ) as socket:
            socket.connect(args.frontend)
            for request in range(args.count):
                parts = [b"client", str(number).encode(), str(request).encode(), b"x" * (request * 7 % 300), b""]
                socket.send_multipart(parts)
                assert socket.recv_multipart() == [part.upper() for part in parts]
        with context.socket(zmq.PUSH) as socket:
            socket.connect(args.reports)
            socket.send(b"client")
    except BaseException as failure:
        failures.append(failure)


def clients():
    failures = []
    with zmq.Context() as context:
        threads = [threading.Thread(target=client, args=(n, context, failures)) for n in range(args.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures, failures
    print(f"{args.clients} clients, {args.count} replies each")


def workers():
    threads = [threading.Thread(target=worker) for _ in range(args.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{args.workers} workers ended")


{"broker": broker, "worker": workers, "client": clients}[args.role]()
