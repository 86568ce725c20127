"""multiprocessing: what it shares are pipes, semaphores in /dev/shm and memory."""
import multiprocessing as mp
import os
import sys
import threading
import time


def tick(name, n):
    os.write(1, f"tick {name} {n}\n".encode())


def square(x):
    time.sleep(0.005)
    return x * x, os.getpid()


def produce(queue):
    n = 0
    while True:
        n += 1
        queue.put((n, "x" * (n % 1000)))
        time.sleep(0.01)


def locked(lock, total, name, done):
    n = 0
    while True:
        with lock:
            before = total.value
            time.sleep(0.002)
            if total.value != before:
                print("bad: not alone under the lock")
            total.value = before + 1
        n += 1
        tick(name, n)
        time.sleep(0.01)


def consume(queue):
    n = 0
    while True:
        got, text = queue.get(timeout=60)
        n += 1
        if got != n or len(text) != n % 1000:
            print("bad queue", got, n)
        tick("queue", n)


def pooling(pool):
    n = 0
    while True:
        n += 1
        got = pool.map(square, range(8))
        if [g[0] for g in got] != [x * x for x in range(8)]:
            print("bad pool", got)
        tick("pool", n)


if __name__ == "__main__":
    mp.set_start_method("fork")
    pool = mp.Pool(3)
    queue, lock, total = mp.Queue(), mp.Lock(), mp.RawValue("q", 0)
    mp.Process(target=produce, args=(queue,)).start()
    for i in range(2):
        mp.Process(target=locked, args=(lock, total, f"lock{i}", None)).start()
    threading.Thread(target=consume, args=(queue,)).start()
    pooling(pool)
