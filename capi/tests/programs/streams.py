# python3 streams.py --role publisher --updates tcp://127.0.0.1:5571 --ready tcp://127.0.0.1:5572 --count 2000
"""asyncio: one publisher, and subscribers in one loop that use `async` Pollers, timeouts and cancelled receives."""

import argparse
import asyncio
import faulthandler
import signal

import zmq
import zmq.asyncio

parser = argparse.ArgumentParser()
parser.add_argument("--role", choices=["publisher", "subscriber"], required=True)
parser.add_argument("--count", type=int, default=2000)
parser.add_argument("--subscribers", type=int, default=5)
parser.add_argument("--updates", default="tcp://127.0.0.1:5571")
parser.add_argument("--ready", default="tcp://127.0.0.1:5572")
args = parser.parse_args()
# Tells where it is, and ends whatever is waiting.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(60)


async def publisher():
    context = zmq.asyncio.Context()
    updates, ready = context.socket(zmq.PUB), context.socket(zmq.REP)
    updates.sndhwm = 0
    updates.bind(args.updates)
    ready.bind(args.ready)
    left = args.subscribers
    while left:
        # Who has one of these is subscribed.
        await updates.send_multipart([b"hello", b""])
        if await ready.poll(5):
            assert await ready.recv() == b"ready"
            await ready.send(b"")
            left -= 1
    for number in range(args.count):
        await updates.send_multipart([b"even" if number % 2 == 0 else b"odd", str(number).encode()])
    await updates.send_multipart([b"end", b""])
    print(f"publisher: {args.count} updates to {args.subscribers} subscribers")
    updates.close()
    ready.close()
    context.term()


async def subscriber():
    context = zmq.asyncio.Context()

    async def subscribe(number):
        topic = [b"even", b"odd"][number % 2]
        with context.socket(zmq.SUB) as updates, context.socket(zmq.REQ) as ready:
            updates.rcvhwm = 0
            updates.connect(args.updates)
            ready.connect(args.ready)
            for prefix in (b"hello", topic, b"end"):
                updates.subscribe(prefix)
            await updates.recv_multipart()
            await ready.send(b"ready")
            await ready.recv()
            # What was given up may not have taken a message with it; what was there at once is had, and not given up.
            given_up = updates.recv_multipart()
            at_once = None if given_up.cancel() else given_up.result()
            poller = zmq.asyncio.Poller()
            poller.register(updates, zmq.POLLIN)
            expected = number % 2
            while True:
                if at_once:
                    (prefix, text), at_once = at_once, None
                elif await poller.poll(10):
                    prefix, text = await asyncio.wait_for(updates.recv_multipart(), 5)
                else:
                    continue
                if prefix == b"end":
                    break
                if prefix == topic:
                    assert int(text) == expected, (text, expected)
                    expected += 2
            assert expected == args.count + number % 2

    await asyncio.gather(*(subscribe(number) for number in range(args.subscribers)))
    print(f"subscriber: {args.subscribers} times the updates of one kind, in order")
    context.term()


asyncio.run(asyncio.wait_for({"publisher": publisher, "subscriber": subscriber}[args.role](), 60))
