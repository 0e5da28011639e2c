# python3 examples/pyzmq/clean_stop.py --role worker --tasks tcp://127.0.0.1:5557 --results tcp://127.0.0.1:5558
"""A pipeline that stops and loses nothing that was accepted. Either part may be the one of `clean_stop.rs`."""

import signal

import zmq

import parts


def source(context, args, _):
    """Sends tasks until SIGINT, SIGTERM or --count, takes all the results, and draws up the balance."""
    reason = None

    def stop(number, _):
        nonlocal reason
        reason = signal.Signals(number).name

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    accepted = done = 0
    with context.socket(zmq.PUSH) as tasks, context.socket(zmq.PULL) as results:
        tasks.bind(args.tasks)
        results.bind(args.results)
        print("ready", flush=True)
        poller = zmq.Poller()
        poller.register(tasks, zmq.POLLOUT)
        poller.register(results, zmq.POLLIN)
        while reason is None or done < accepted:
            for socket, _ in poller.poll(100):
                if socket is results:
                    results.recv()
                    done += 1
                elif reason is None and accepted == args.count > 0:
                    reason = "its count"
                elif reason is None:
                    tasks.send(accepted.to_bytes(8, "little"))
                    accepted += 1
            if reason is not None and tasks in poller:
                poller.unregister(tasks)
    return f"stopped by {reason}\naccepted {accepted} = done {done} + lost {accepted - done}"


def worker(context, args, _):
    """Works until it is stopped."""
    with context.socket(zmq.PULL) as tasks, context.socket(zmq.PUSH) as results:
        tasks.connect(args.tasks)
        results.connect(args.results)
        while True:
            results.send(tasks.recv())


parts.play(
    {"source": source, "worker": worker},
    {"--count": 0, "--workers": 2, "--tasks": "tcp://127.0.0.1:5557", "--results": "tcp://127.0.0.1:5558"},
    copies={"worker": "workers"},
)
