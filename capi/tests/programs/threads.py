# python3 threads.py --role all --count 1000 --endpoint inproc://steps
"""PAIR between threads: a chain of them that signal each other; sockets that are handed from thread to thread; a context
that ends while threads wait in it."""

import argparse
import faulthandler
import signal
import threading
import time

import zmq

parser = argparse.ArgumentParser()
parser.add_argument("--role", choices=["all"], default="all")
parser.add_argument("--count", type=int, default=1000)
parser.add_argument("--endpoint", default="inproc://steps")
args = parser.parse_args()
# Tells where it is, and ends whatever is waiting.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(60)

context = zmq.Context()


def step(number):
    """Passes on what comes from the step before."""
    with context.socket(zmq.PAIR) as previous, context.socket(zmq.PAIR) as following:
        previous.connect(f"{args.endpoint}-{number}")
        following.bind(f"{args.endpoint}-{number + 1}")
        for _ in range(args.count):
            following.send_multipart(previous.recv_multipart(copy=False))


def chain():
    first, last = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    first.bind(f"{args.endpoint}-0")
    # To an address that is not bound yet.
    last.connect(f"{args.endpoint}-5")
    steps = [threading.Thread(target=step, args=(number,)) for number in range(5)]
    for thread in steps:
        thread.start()

    def feed():
        for number in range(args.count):
            first.send_multipart([str(number).encode(), b"x" * (number % 100), b""])

    feeder = threading.Thread(target=feed)
    feeder.start()
    for number in range(args.count):
        assert last.recv_multipart() == [str(number).encode(), b"x" * (number % 100), b""]
    for thread in [feeder, *steps]:
        thread.join()
    first.close()
    last.close()


def hand_over():
    """A socket that each of ten threads uses, one after the other."""
    left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    right.bind("inproc://handed")
    left.connect("inproc://handed")
    for number in range(10):
        user = threading.Thread(target=lambda: left.send(str(number).encode()))
        user.start()
        user.join()
        assert right.recv() == str(number).encode()
    left.close()
    right.close()


def end_while_waiting():
    ended = []

    def wait(kind, action):
        with context.socket(kind) as socket:
            socket.linger = 0
            socket.bind_to_random_port("tcp://127.0.0.1")
            waiting.release()
            try:
                action(socket)
            except zmq.ContextTerminated:
                ended.append(kind)

    waiting = threading.Semaphore(0)
    actions = [
        (zmq.PULL, lambda socket: socket.recv()),
        (zmq.PUSH, lambda socket: socket.send(b"nobody takes it")),
        (zmq.ROUTER, lambda socket: socket.poll()),
        (zmq.REP, lambda socket: zmq.proxy(socket, socket)),
    ]
    threads = [threading.Thread(target=wait, args=action) for action in actions]
    for thread in threads:
        thread.start()
        waiting.acquire()
    time.sleep(0.1)
    context.term()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert len(ended) == len(actions), ended


chain()
hand_over()
end_while_waiting()
print("all ended")
