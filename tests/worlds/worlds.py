"""The worlds, each with the title of what it shows."""
import os
import re
import shutil
import socket
import subprocess

from world import PROGRAMS, PYTHON, Failed, Skipped, Terminal, until

ALL = []


def world(title):
    def keep(function):
        ALL.append((title, function))
        return function
    return keep


def need(*commands):
    for c in commands:
        if not shutil.which(c):
            raise Skipped(f"no {c}")


def program(name):
    return os.path.join(PROGRAMS, name)


# --- redis ---

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@world("redis: writes a dump while it is under load")
def redis(w):
    need("redis-server", "redis-benchmark", "redis-cli")
    port = str(free_port())

    def ask(*words):  # from outside: the connection is over before any checkpoint
        return subprocess.run(["redis-cli", "-p", port, *words], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60).stdout.decode()

    def info(key):
        return re.search(rf"^{key}:(.*?)\r?$", ask("INFO"), re.M)[1]

    def saving():
        return any(c.startswith("redis-rdb-bgsave") for *_, c in w.processes())

    w.start("/bin/sh", program("redis.sh"), port, PYTHON, PROGRAMS)
    w.says("tick incr 3")
    server = info("process_id")
    for step in ("left", *w.images()):
        # microseconds a key: about a second of dumping
        ask("CONFIG", "SET", "rdb-key-save-delay", "60")
        until("BGSAVE begins", lambda: "started" in ask("BGSAVE") or info("rdb_bgsave_in_progress") == "1")
        until("its process is there", saving)
        w.checkpoint(step, leave_running=step == "left")
        if step != "left":
            w.restore(step)
        if not saving():
            raise Failed("the process that writes the dump is gone")
        w.go_on(["incr"])
        ask("CONFIG", "SET", "rdb-key-save-delay", "0")
        until("the dump is complete", lambda: info("rdb_bgsave_in_progress") == "0")
        if info("rdb_last_bgsave_status") != "ok" or info("process_id") != server:
            raise Failed(ask("INFO"))
        check = subprocess.run(["redis-check-rdb", w.path("dump.rdb")], check=False,
                               stdout=subprocess.PIPE)
        if check.returncode or int(re.search(rb"(\d+) keys read", check.stdout)[1]) < 5000:
            raise Failed(check.stdout.decode())


# --- shells ---

def begin_cat(w, t):
    t.send("cat\n")
    until("cat in front", lambda: any(c == "cat" for *_, c in w.processes()))


@world("bash: at a terminal, with a stopped and a background job")
def bash_jobs(w):
    t = Terminal(w, "run", "-t", "--cwd", w.dir, "--env", "PS1=here$ ", "--env", "HISTFILE=", w.name, "--",
                 "/bin/bash", "--norc", "--noprofile", "-i")
    t.expect("here. ")
    t.send("x=41; sleep 1000 & echo $! >job1\n")
    t.expect("here. ")
    begin_cat(w, t)
    t.send("first\n")
    t.expect("first.*first")
    t.send("\x1a")
    t.expect("Stopped.*here. ")

    def jobs():
        t.send("jobs\n")
        t.expect(r"\[1\].*Running.*sleep 1000.*\[2\].*Stopped.*cat.*here. ")
        t.send("echo $((++x)) >x; kill -0 $(cat job1) && echo ali''ve\n")
        t.expect("alive.*here. ")

    jobs()
    w.checkpoint("left", leave_running=True)
    jobs()
    for image in w.images():
        w.checkpoint(image)
        t.ends(125)  # E_CHECKPOINTED
        t = Terminal(w, "restore", "--image", w.path(image))
        jobs()
    # the stopped job comes forward and works, the one behind ends, and ^C reaches the one in front
    t.send("fg %2\n")
    t.expect("cat")
    t.send("second\n")
    t.expect("second.*second")
    t.send("\x04")
    t.expect("here. ")
    t.send("kill %1\n")
    t.expect("here. ")
    t.send("wait; sleep 2000\n")
    until("sleep in front", lambda: any(c == "sleep 2000" for *_, c in w.processes()))
    t.send("\x03")
    t.expect("here. ")
    t.send("exit $((x - x + 7))\n")
    t.ends(7)


@world("bash: the foreground job is checkpointed, then stopped with ^Z after the restore")
def bash_foreground(w):
    t = Terminal(w, "run", "-t", "--cwd", w.dir, "--env", "PS1=here$ ", "--env", "HISTFILE=", w.name, "--",
                 "/bin/bash", "--norc", "--noprofile", "-i")
    t.expect("here. ")
    begin_cat(w, t)
    t.send("one\n")
    t.expect("one.*one")
    for image in w.images():
        w.checkpoint(image)
        t.ends(125)
        t = Terminal(w, "restore", "--image", w.path(image))
        t.send("again\n")
        t.expect("again.*again")
    t.send("\x1a")
    t.expect("Stopped.*here. ")
    t.send("fg\n")
    t.expect("cat")
    t.send("third\n")
    t.expect("third.*third")  # it is in front again
    t.send("\x03")
    t.expect("here. ")
    t.send("exit 3\n")
    t.ends(3)


@world("busybox: a static shell with pipelines")
def busybox(w):
    need("busybox")
    w.start(shutil.which("busybox"), "sh", program("busybox.sh"), shutil.which("busybox"))
    w.through(lambda: w.go_on(["pipe", "subst", "loop"]))


@world("perl and awk: a pipeline loses and repeats no line")
def perl_awk(w):
    need("perl", "awk")
    w.start("/bin/sh", program("perl_awk.sh"))
    w.through(lambda: w.go_on(["line"], by=20), same=w.processes)


# --- python ---

@world("python: a Pool, a Queue, a Lock, a named semaphore")
def python_multiprocessing(w):
    w.start(PYTHON, "-u", program("multi.py"))
    w.through(lambda: w.go_on(["pool", "queue", "lock0", "lock1"]), same=w.processes)


@world("python: asyncio with a subprocess, a server and its client, signals and timers")
def python_asyncio(w):
    w.start(PYTHON, "-u", program("asyncs.py"))
    w.through(lambda: w.go_on(["cat", "stream", "timer", "short"]))


@world("python: threads that wait for an Event, a Condition, a Queue, a Lock with a time-out")
def python_threads(w):
    w.start(PYTHON, "-u", program("threads.py"))
    w.through(lambda: w.go_on(["event", "condition", "queue", "lock", "select"]), same=w.processes)


@world("sqlite: commits with fsync, and the database stays whole")
def sqlite(w):
    w.start(PYTHON, "-u", program("sqlite.py"))
    w.through(lambda: w.go_on(["commit", "read"]), same=w.processes)
    w.call("kill", "-s", "TERM", w.name)
    w.ends(0)
    if "whole" not in w.out():
        raise Failed(w.out()[-2000:])


# --- others ---

@world("node: child_process, worker_threads, and HTTP that is kept alive")
def node(w):
    need("node")
    w.start(shutil.which("node"), program("world.js"))
    w.through(lambda: w.go_on(["timer", "child", "fork", "worker", "http"]), same=w.processes)


@world("make -j: frozen while it compiles, and what it makes works")
def make(w):
    need("make", "gcc")
    shutil.copytree(program("project"), w.path("project"))
    # busy enough to be met in the middle, again and again
    w.start("/bin/sh", "-c", "make -j3 -C project CC=gcc && project/sum >sum && echo made")
    rounds = 0
    compiling = 0  # rounds with a compiler in them
    while "made" not in w.out() and w.running():
        try:
            compiling += any("cc1" in c for *_, c in w.processes())
            w.checkpoint(f"image{rounds}", leave_running=rounds % 3 == 2)
        except Failed:
            if not w.running():
                break  # it ended meanwhile
            raise
        if rounds % 3 != 2:
            w.restore(f"image{rounds}")
        rounds += 1
    if "made" not in w.out():
        raise Failed(w.out()[-3000:])
    with open(w.path("sum")) as f:
        if f.read() != "820\n":
            raise Failed("the program that was made says something else")
    if rounds < 3 or not compiling:
        raise Failed(f"{rounds} rounds, a compiler in {compiling}: not in the middle")


@world("200 processes asleep in a tree")
def sleepers(w):
    w.start(PYTHON, program("sleepers.py"))
    w.says("tick asleep 1")

    def count():
        p = w.processes()
        if len(p) != 211:
            raise Failed(f"{len(p)} processes, not 211")
        return p
    w.through(lambda: None, same=count)
    w.call("kill", "-s", "TERM", w.name)  # init counts how its children end
    w.ends(0)
