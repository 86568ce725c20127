"""asyncio: an epoll loop with pipes, sockets, a child watcher and timers."""
import asyncio
import os
import sys


def tick(name, n):
    os.write(1, f"tick {name} {n}\n".encode())


async def through_cat():
    cat = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE,
                                               stdout=asyncio.subprocess.PIPE)
    n = 0
    while True:
        n += 1
        cat.stdin.write(b"%d\n" % n)
        await cat.stdin.drain()
        got = await asyncio.wait_for(cat.stdout.readline(), 60)
        if got != b"%d\n" % n:
            print("bad cat", got, n)
        tick("cat", n)
        await asyncio.sleep(0.02)


async def answer(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()


async def through_stream():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    n = 0
    while True:
        n += 1
        writer.write(b"n%d\n" % n)
        got = await reader.readline()
        if got != b"N%d\n" % n:
            print("bad stream", got, n)
        tick("stream", n)
        await asyncio.sleep(0.02)


async def timers():
    loop = asyncio.get_running_loop()
    n = 0
    while True:
        n += 1
        asked = loop.time() + 0.03
        await asyncio.sleep(0.03)
        if loop.time() < asked - 0.001:
            print("bad timer: early by", asked - loop.time())
        tick("timer", n)


async def short_lived():
    n = 0
    while True:
        n += 1
        child = await asyncio.create_subprocess_shell("sleep 0.03; exit 5")
        if await child.wait() != 5:
            print("bad status", child.returncode)
        tick("short", n)


async def main():
    await asyncio.gather(through_cat(), through_stream(), timers(), short_lived())

asyncio.run(main())
