"""How long a database stands still while it is checkpointed and runs on."""
import os
import shutil
import socket
import subprocess
import time

from contest import Contestant, benchmark
from workbench import Unable, remove


def line(port, *words):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        s.sendall((" ".join(words) + "\r\n").encode())
        return s.recv(4096)


def up(port):
    try:
        return line(port, "PING").startswith(b"+PONG")
    except OSError:
        return False


def start(b):
    """A container with redis and --mib of data: its name."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    name = f"bench-{os.getpid()}-redis"
    b.containers.add(name)
    b.call(b.pidspace, "run", "-d", name, "--", "redis-server", "--port", str(port), "--bind",
           "127.0.0.1", "--save", "", "--appendonly", "no", "--enable-debug-command", "local")
    b.until(lambda: up(port), "redis answers")
    line(port, "DEBUG", "POPULATE", str(b.options.mib), "key", str(1 << 20))
    return name


def pause(b, name, save):
    """How long redis stands still while save runs: the state in /proc, looked at all the time. No
    question is asked: a connection that waits to be accepted cannot be carried."""
    host = b.call(b.pidspace, "pid", name, "1").split()[0]
    p = subprocess.Popen(save, env=b.env, cwd=b.work, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    first = last = None
    while p.poll() is None:
        with open(f"/proc/{host}/stat") as f:
            stopped = f.read().rpartition(")")[2].split()[0] == "t"
        if stopped:
            last = time.perf_counter()
            first = first or last
    if p.returncode != 0:
        raise Unable(p.stdout.read().decode("utf-8", "replace").strip()[:600])
    if first is None:
        raise Unable("it was never seen to stop")
    return last - first


@benchmark("redis")
def redis(b):
    """how long redis with 1 GiB of data stands still, --leave-running; the aim is seconds"""
    if not shutil.which("redis-server"):
        raise Unable("redis-server is not installed")
    name, image = start(b), f"{b.tmp}/redis.img"

    def ours():
        remove(image)
        return pause(b, name, [b.pidspace, "checkpoint", name, "--image", image, "--leave-running",
                               "--compress", "none"])
    try:
        yield [Contestant("pause of checkpoint --leave-running", ours, None, 0.03)]
    finally:
        b.forget(name)
        remove(image)
