# python3 tasks.py --role server --endpoint tcp://127.0.0.1:5570 --count 20 --tasks 50
"""asyncio: a ROUTER that answers each request in a task of its own, and as many REQ clients as --tasks, all in one loop."""

import argparse
import asyncio
import faulthandler
import signal

import zmq
import zmq.asyncio

parser = argparse.ArgumentParser()
parser.add_argument("--role", choices=["server", "client"], required=True)
parser.add_argument("--count", type=int, default=20)
parser.add_argument("--tasks", type=int, default=50)
parser.add_argument("--endpoint", default="tcp://127.0.0.1:5570")
args = parser.parse_args()
# Tells where it is, and ends whatever is waiting.
faulthandler.register(signal.SIGALRM, chain=True)
signal.alarm(60)


async def server():
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.ROUTER)
    socket.bind(args.endpoint)
    writing = asyncio.Lock()

    async def answer(sender, empty, number):
        # Some take longer, so that replies are in another order than requests.
        await asyncio.sleep(0.001 * (int(number) % 3))
        async with writing:
            await socket.send_multipart([sender, empty, str(int(number) ** 2).encode()])

    answers = [asyncio.create_task(answer(*await socket.recv_multipart())) for _ in range(args.count * args.tasks)]
    await asyncio.gather(*answers)
    print(f"server: {len(answers)} requests")
    socket.close()
    context.term()


async def client():
    context = zmq.asyncio.Context()

    async def ask(first):
        with context.socket(zmq.REQ) as socket:
            socket.connect(args.endpoint)
            for number in range(first, first + args.count):
                await socket.send_string(str(number))
                assert int(await socket.recv_string()) == number**2

    async def tick():
        # The loop is free while all of them wait.
        ticks = 0
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(ask(100 * task) for task in range(args.tasks)))
    ticking.cancel()
    print(f"client: {args.tasks} tasks, {args.count} replies each")
    context.term()


asyncio.run(asyncio.wait_for({"server": server, "client": client}[args.role](), 60))
