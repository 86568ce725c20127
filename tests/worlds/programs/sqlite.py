"""A writer that commits with fsync and a reader in another process, which locks for it."""
import os
import signal
import sqlite3
import sys
import time


def tick(name, n):
    os.write(1, f"tick {name} {n}\n".encode())


def connect():
    db = sqlite3.connect("data.db", timeout=60, isolation_level=None)
    db.execute("pragma synchronous = full")
    return db


def write(over):
    db = connect()
    n = 0
    plain = os.open("plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    while not over():
        n += 1
        db.execute("begin immediate")
        db.execute("insert into line values (?, ?)", (n, "x" * (n % 500)))
        db.execute("update total set n = n + 1")
        db.execute("commit")
        os.write(plain, b"%d\n" % n)
        os.fsync(plain)
        tick("commit", n)
        time.sleep(0.01)
    if db.execute("pragma integrity_check").fetchone() != ("ok",):
        print("bad database")
    with open("plain") as f:
        if f.read().split() != [str(x + 1) for x in range(n)]:
            print("bad file")
    print("whole")


def read():
    db = connect()
    n = 0
    while True:
        n += 1
        lines, total = db.execute("select (select count(*) from line), n from total").fetchone()
        if lines != total:
            print("bad: a commit in two parts", lines, total)
        tick("read", n)
        time.sleep(0.02)


ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
first = connect()
first.execute("create table line (n integer primary key, text text)")
first.execute("create table total (n integer)")
first.execute("insert into total values (0)")
first.close()
child = os.fork()
if child == 0:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    read()
write(lambda: ended)
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)
