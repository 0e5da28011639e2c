# python3 awkward.py --role all --endpoint ipc:///tmp/awkward --count 200
"""What programs do to a library: signals in blocked calls, forks with a context inherited, sockets left to the garbage
collector, zero-copy frames that outlive what they came from, many tasks that wait on one socket."""

import argparse
import asyncio
import faulthandler
import gc
import multiprocessing
import os
import signal
import threading
import time
import warnings

import zmq
import zmq.asyncio

parser = argparse.ArgumentParser()
parser.add_argument("--role", choices=["all"], default="all")
parser.add_argument("--count", type=int, default=200)
parser.add_argument("--endpoint", default="tcp://127.0.0.1:5573")
args = parser.parse_args()
# Tells where it is, and ends whatever is waiting.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(120)


def interrupted(action, what):
    """Ctrl-C ends a call that blocks."""
    is_expected = True

    def handle(*_):
        nonlocal is_expected
        if is_expected:
            is_expected = False
            raise KeyboardInterrupt

    def interrupt():
        # More than once: as with any library, one that comes just before the call does not end it.
        while is_expected:
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    before = signal.signal(signal.SIGINT, handle)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        action()
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError(f"{what} was not interrupted")
    thread.join()
    signal.signal(signal.SIGINT, before)


def interrupts():
    with zmq.Context() as context:
        with context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
            pull.bind(args.endpoint)
            interrupted(pull.recv, "recv")
            interrupted(pull.poll, "poll")
            interrupted(lambda: push.send(b"nobody takes it"), "send")
            with context.socket(zmq.REP) as rep:
                interrupted(lambda: zmq.proxy(rep, rep), "proxy")
            # All goes on.
            push.connect(args.endpoint)
            push.send(b"after it")
            assert pull.recv() == b"after it"


def forks():
    """Children that only have it, children that make one of their own, and the parent's goes on."""
    context = zmq.Context()
    left, right = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    left.bind(args.endpoint)
    right.connect(args.endpoint)
    left.send(b"before")
    assert right.recv() == b"before"

    def child():
        nonlocal context, left, right
        left.close()
        right.close()
        with zmq.Context() as own:
            with own.socket(zmq.PAIR) as one, own.socket(zmq.PAIR) as two:
                two.bind("inproc://child")
                one.connect("inproc://child")
                one.send(b"x" * 100_000, copy=False)
                assert two.recv() == b"x" * 100_000
                port = two.bind_to_random_port("tcp://127.0.0.1")
                with own.socket(zmq.PAIR) as three:
                    three.linger = 0
                    three.connect(f"tcp://127.0.0.1:{port}")
        # The parent's: dropped, as at the end of any process.
        del context, left, right
        gc.collect()

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=child) for _ in range(3)] + [fork.Process(target=int)]
    for process in children:
        process.start()
    for process in children:
        process.join(20)
        assert process.exitcode == 0, process.exitcode
    left.send(b"after")
    assert right.recv() == b"after"
    right.close()
    left.close()
    context.term()


def forks_amid_traffic():
    """Children that begin while other threads are in calls."""
    context = zmq.Context()
    ended = threading.Event()

    def carry():
        with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
            push.linger = 0
            pull.bind_to_random_port("tcp://127.0.0.1")
            push.connect(pull.last_endpoint)
            while not ended.is_set():
                push.send(b"x" * 100, copy=False)
                pull.recv(copy=False)

    def child():
        signal.alarm(20)
        with zmq.Context() as own, own.socket(zmq.PAIR) as one, own.socket(zmq.PAIR) as two:
            one.bind_to_random_port("tcp://127.0.0.1")
            two.connect(one.last_endpoint)
            one.send(b"hello")
            return two.recv() == b"hello"

    threads = [threading.Thread(target=carry) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(args.count // 20):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if child() else 1)
        assert os.waitpid(pid, 0)[1] == 0
    ended.set()
    for thread in threads:
        thread.join()
    context.term()


def garbage():
    warnings.simplefilter("ignore", ResourceWarning)
    context = zmq.Context()
    for number in range(args.count):
        sockets = [context.socket(kind) for kind in (zmq.PUSH, zmq.PULL, zmq.ROUTER, zmq.SUB)]
        sockets[1].bind_to_random_port("tcp://127.0.0.1")
        sockets[0].linger = 0
        sockets[0].connect(sockets[1].last_endpoint)
        sockets[0].send(b"gone", copy=False)
        sockets.append(sockets)
        del sockets
        if number % 20 == 0:
            gc.collect()
    gc.collect()
    # With sockets that nobody closes.
    left = zmq.Context()
    left.socket(zmq.PUB).bind("inproc://left")
    del left
    gc.collect()
    context.term()


def frames():
    """Frames that were received live longer than their socket and context; what was sent is let go of when all of it is."""
    context = zmq.Context()
    push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    push.copy_threshold = 0
    pull.bind(args.endpoint)
    push.connect(args.endpoint)
    sent = [bytes([number % 256]) * (number * number) for number in range(args.count)]
    trackers = [push.send(data, copy=False, track=True) for data in sent]
    received = [pull.recv(copy=False) for _ in sent]
    for tracker in trackers:
        tracker.wait(10)
    # More than its mark is dropped with it, none of it twice, and nothing waits for the collector.
    with context.socket(zmq.PUSH) as full:
        full.copy_threshold = full.linger = full.sndhwm = 0
        full.connect("inproc://nobody")
        dropped = [full.send(bytes(50), copy=False, track=True) for _ in range(5000)]
    with context.socket(zmq.PUSH) as sender:
        sender.copy_threshold = sender.sndhwm = 0
        with context.socket(zmq.PULL) as receiver:
            receiver.rcvhwm = 0
            receiver.bind("inproc://leaves")
            sender.connect("inproc://leaves")
            dropped += [sender.send(bytes(50), copy=False, track=True) for _ in range(5000)]
            # And half a message, whose other half never comes.
            dropped.append(sender.send(bytes(50), zmq.SNDMORE, copy=False, track=True))
        sender.linger = 0
    pull.close()
    push.close()
    context.term()
    for tracker in dropped:
        tracker.wait(10)
    assert [frame.bytes for frame in received] == sent


def tasks():
    """Many tasks on one socket: each gets a message of its own."""

    async def all_of_them():
        context = zmq.asyncio.Context()
        push, pull = context.socket(zmq.PUSH), context.socket(zmq.PULL)
        pull.bind(args.endpoint)
        push.connect(args.endpoint)
        waiting = [pull.recv() for _ in range(5 * args.count)]
        await asyncio.sleep(0)
        for task in waiting[::5]:
            task.cancel()
        left = [task for number, task in enumerate(waiting) if number % 5]
        await asyncio.gather(*(push.send(str(number).encode()) for number in range(len(left))))
        assert [int(text) for text in await asyncio.wait_for(asyncio.gather(*left), 20)] == list(range(len(left)))
        push.close()
        pull.close()
        context.term()

    asyncio.run(all_of_them())


for part in (interrupts, forks, forks_amid_traffic, garbage, frames, tasks):
    part()
    print(part.__name__, flush=True)
