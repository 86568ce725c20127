"""Threads that wait with and without a time-out; a wait that is over early or answers wrongly is bad."""
import os
import queue
import select
import threading
import time


def tick(name, n):
    os.write(1, f"tick {name} {n}\n".encode())


def loop(name, step):
    n = 0
    while True:
        n += 1
        step(n)
        tick(name, n)


never = threading.Event()


def event(n):
    began = time.monotonic()
    if never.wait(0.05):
        print("bad: the event is set")
    if time.monotonic() - began < 0.049:
        print("bad: Event.wait() was over after", time.monotonic() - began)


turn = threading.Condition()
turns = 0


def give_turns():
    global turns
    while True:
        time.sleep(0.02)
        with turn:
            turns += 1
            turn.notify_all()


def condition(n):
    with turn:
        if not turn.wait_for(lambda: turns >= n, 60):
            print("bad: no turn")


items = queue.Queue(3)


def put():
    n = 0
    while True:
        n += 1
        items.put(n)
        time.sleep(0.02)


def get(n):
    got = items.get(timeout=60)
    if got != n:
        print("bad queue", got, n)


held = threading.Lock()
held.acquire()


def lock(n):
    began = time.monotonic()
    if held.acquire(timeout=0.05):
        print("bad: a held lock was given")
    if time.monotonic() - began < 0.049:
        print("bad: Lock.acquire() was over after", time.monotonic() - began)


pipe = os.pipe()


def selecting(n):
    began = time.monotonic()
    if select.select([pipe[0]], [], [], 0.05)[0]:
        print("bad: an empty pipe is readable")
    if time.monotonic() - began < 0.049:
        print("bad: select() was over after", time.monotonic() - began)


for target in (give_turns, put):
    threading.Thread(target=target).start()
for name, step in (("event", event), ("condition", condition), ("queue", get), ("lock", lock)):
    threading.Thread(target=loop, args=(name, step)).start()
loop("select", selecting)
