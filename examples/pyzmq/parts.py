"""The parts of an example: flags, a time limit, and as many threads as there are copies of the part."""

import argparse
import signal
import threading

import zmq


def play(parts, flags, copies=None):
    """Plays the part that --role names.

    `parts` maps a role to a function of (context, args, number), which returns its report or None; `flags` maps a flag
    to its default; `copies` maps a role to the flag that says how many of it there are.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--role", choices=list(parts), required=True)
    parser.add_argument("--seconds", type=int, default=60, help="how long it may take")
    for name, default in flags.items():
        parser.add_argument(name, type=type(default), default=default)
    args = parser.parse_args()
    # Nobody catches it: it ends whatever is waiting.
    signal.alarm(args.seconds)

    flag = (copies or {}).get(args.role)
    count = vars(args)[flag] if flag else 1
    reports = [None] * count

    def run(number):
        reports[number] = parts[args.role](context, args, number)

    # Leaving waits until what was sent is delivered: pyzmq's sockets linger for ever.
    with zmq.Context() as context:
        # No mark for receivers: over ipc:// libzmq does not read to the end what a sender has left behind that is gone,
        # if it had stopped reading at its mark.
        context.setsockopt(zmq.RCVHWM, 0)
        threads = [threading.Thread(target=run, args=(number,)) for number in range(1, count)]
        for thread in threads:
            thread.start()
        run(0)
        for thread in threads:
            thread.join()
    for report in reports:
        if report:
            print(report)
