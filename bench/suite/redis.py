"""How long a database stands still while it is checkpointed and runs on."""
import mmap
import os
import shutil
import socket
import struct
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
    """A container with redis and --mib of data: its name, and where redis listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    name = f"bench-{os.getpid()}-redis"
    b.containers.add(name)
    b.call(b.pidspace, "run", "-d", name, "--", "redis-server", "--port", str(port), "--bind",
           "127.0.0.1", "--save", "", "--appendonly", "no", "--enable-debug-command", "local")
    b.until(lambda: up(port), "redis answers")
    line(port, "DEBUG", "POPULATE", str(b.options.mib), "key", str(1 << 20))
    return name, port


def pause(b, name, save):
    """The longest that redis stands still while save runs: its state in /proc, looked at again and again. It is not
    asked anything: a connection that waits to be accepted cannot be carried."""
    host = b.call(b.pidspace, "pid", name, "1").split()[0]
    p = subprocess.Popen(save, env=b.env, cwd=b.work, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    began, longest = None, 0
    while p.poll() is None:
        with open(f"/proc/{host}/stat") as f:
            stopped = f.read().rpartition(")")[2].split()[0] == "t"
        now = time.perf_counter()
        began = (began or now) if stopped else None
        longest = max(longest, now - began if began else 0)
        time.sleep(0.0002)  # there are few cpus, and the engine wants them
    if p.returncode != 0:
        raise Unable(p.stdout.read().decode("utf-8", "replace").strip()[:600])
    if not longest:
        raise Unable("it was never seen to stop")
    return longest


def save(b, name, image):
    remove(image)
    return pause(b, name, [b.pidspace, "checkpoint", name, "--image", image, "--leave-running", "--compress",
                           "none"])


class Client:
    """Sets 2,000 keys of 1 KiB a second, from inside the container, and knows the longest gap between answers."""
    RATE = 2000

    def __init__(self, b, name, port):
        path = f"{b.work}/{name}.told"
        with open(path, "wb") as f:
            f.write(bytes(4096))
        b.call(b.pidspace, "exec", "-d", name, "--", b.program("redis_client"), str(port), str(self.RATE), path)
        with open(path, "r+b") as f:
            self.told = mmap.mmap(f.fileno(), 4096)
        b.until(lambda: self.answers() > self.RATE // 2, "the client has answers")

    def answers(self):
        return struct.unpack_from("=Q", self.told)[0]

    def gap(self, save):
        """Seconds: the longest gap between two answers while save() runs and a moment afterwards."""
        struct.pack_into("=Q", self.told, 8, 0)
        save()
        time.sleep(0.2)
        return struct.unpack_from("=Q", self.told, 8)[0] / 1e9


@benchmark("redis")
def redis(b):
    """how long redis with 1 GiB of data stands still, --leave-running; the aim is seconds"""
    if not shutil.which("redis-server"):
        raise Unable("redis-server is not installed")
    name, _ = start(b)
    image = f"{b.tmp}/redis.img"
    try:
        yield [Contestant("pause of checkpoint --leave-running", lambda: save(b, name, image), None, 0.03)]
    finally:
        b.forget(name)
        remove(image)


@benchmark("redis-loaded")
def redis_loaded(b):
    """the same while a client sets 2,000 keys a second, and the longest gap between answers that it sees"""
    if not shutil.which("redis-server"):
        raise Unable("redis-server is not installed")
    name, port = start(b)
    image = f"{b.tmp}/redis.img"
    try:
        client = Client(b, name, port)
        yield [Contestant("longest gap without a checkpoint", lambda: client.gap(lambda: time.sleep(0.5))),
               Contestant("pause of checkpoint --leave-running", lambda: save(b, name, image), None, 0.03),
               Contestant("longest gap meanwhile", lambda: client.gap(lambda: save(b, name, image)), None, 0.03)]
    finally:
        b.forget(name)
        remove(image)
