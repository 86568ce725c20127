"""What --pids=virtual and --pids=space cost the programs inside: each row without a container, in both kinds, and
under other tools. bench/boundary.c measures from the inside, so that only `virtual-start` counts starts."""
import os
import shutil
import socket

from contest import Contestant, benchmark
from workbench import Unable

START_AIM = 1.5   # programs that start others or work on files
SAME_AIM = 1.03   # what makes no calls with pids or paths; and space in everything: 1.00 and the noise
CALL_AIM = 2000   # ns a getpid
OTHERS = "proot", "dmtcp"
SLOW = 4          # s: another tool's row that takes as long is measured once
FILES = 100000
REPOSITORY = 12000
SHELL = "i=0; while [ $i -lt 1000 ]; do /bin/true; i=$((i+1)); done"
SOURCE = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) { printf("%d %s\\n", argc, argv[0]); return 0; }
"""


def worlds(b):
    """(name, words before a command) of no container and of each way to have one."""
    yield "none", []
    for kind in "space", "virtual":
        yield kind, [b.pidspace, "run", "--rm", f"--pids={kind}", f"bench-{os.getpid()}-{kind}", "--"]
    if shutil.which("proot"):
        yield "proot", ["proot"]
    if b.options.dmtcp:
        yield "dmtcp", [f"{b.options.dmtcp}/dmtcp_launch", "--new-coordinator", "--port", "0", "-q", "-q"]


def row(b, what, words, aim, unit="s"):
    """The contestants of one row; words print the figure as their last line. An aim in ns is one of the value."""
    slow = {}

    def measure(name, before):
        if name in slow:
            return slow[name]
        out = b.call(*before, *words).split()
        try:
            took = float(out[-1])
        except (IndexError, ValueError):
            raise Unable(f"no figure: {' '.join(out)[:400]}") from None
        if name in OTHERS and unit == "s" and took > SLOW:
            slow[name] = took
        return took
    for name, before in worlds(b):
        against = None if name == "none" or (unit == "ns" and name == "virtual") else f"{what}: none"
        goal = {"space": SAME_AIM, "virtual": aim}.get(name)
        yield Contestant(f"{what}: {name}", lambda name=name, before=before: measure(name, before),
                         against, goal, unit)


def command(b, what, words, aim=START_AIM):
    return row(b, what, [b.program("boundary"), "run", *words], aim)


def inside(b, what, kind, n, aim=SAME_AIM, unit="s"):
    return row(b, what, [b.program("boundary"), kind, str(n)], aim, unit)


def make_files(root, count, text):
    """count files of text, a hundred in each directory."""
    for at in range(0, count, 100):
        os.makedirs(f"{root}/{at // 10000}/{at // 100}", exist_ok=True)
        for n in range(at, at + 100):
            with open(f"{root}/{at // 10000}/{at // 100}/{n}.txt", "w") as f:
                f.write(text)


@benchmark("virtual-start", any_order=True)
def virtual_start(b):
    """starting programs: a container, 1,000 from a shell, a compiler; in both kinds, under proot, dmtcp"""
    source = f"{b.work}/one.c"
    with open(source, "w") as f:
        f.write(SOURCE)
    rows = [Contestant(f"container: {name}", lambda before=before: b.timed(*before, "/bin/true"),
                       None if name == "none" else "container: none") for name, before in worlds(b)]
    rows += command(b, "shell", ["sh", "-c", SHELL])
    rows += command(b, "cc", ["cc", "-O2", "-c", source, "-o", f"{b.work}/one.o"])
    yield rows


@benchmark("virtual-files", any_order=True)
def virtual_files(b):
    """find over 100,000 files, with and without looking at each"""
    make_files(f"{b.work}/files", FILES, "")
    yield [*command(b, "find", ["find", f"{b.work}/files", "-name", "x"]),
           *command(b, "find -size", ["find", f"{b.work}/files", "-size", "+9k"])]


@benchmark("virtual-tree", any_order=True)
def virtual_tree(b):
    """git status and grep -r among 12,000 files"""
    top = f"{b.work}/repository"
    make_files(top, REPOSITORY, "a line of text\n" * 40)
    rows = command(b, "grep -r", ["grep", "-rc", "line", top])
    if shutil.which("git"):
        git = ["git", "-C", top, "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        b.call(*git, "init", "-q")
        b.call(*git, "add", ".")
        b.call(*git, "commit", "-qm", "all")
        rows = [*rows, *command(b, "git status", [*git, "status"])]
    yield list(rows)


@benchmark("virtual-calls", any_order=True)
def virtual_calls(b):
    """getpid in a loop: from libc's syscall(2), and where every call traps; the aim is ns"""
    yield [*inside(b, "getpid", "getpid", 200000, CALL_AIM, "ns"),
           *inside(b, "getpid, trapped", "trapped", 50000, CALL_AIM, "ns")]


@benchmark("virtual-compute", any_order=True)
def virtual_compute(b):
    """compute, memory, a file written and read: what shall not notice the container"""
    yield [*inside(b, "compute", "compute", 100000000), *inside(b, "memory", "memory", 256),
           *inside(b, "file", "file", 128)]


@benchmark("virtual-net", any_order=True)
def virtual_net(b):
    """epoll echo over loopback with read and write, and with sendmsg and recvmsg"""
    yield [*inside(b, "echo", "echo", 15000), *inside(b, "echo, sendmsg", "messages", 15000)]


@benchmark("virtual-redis", any_order=True)
def virtual_redis(b):
    """redis-benchmark and its redis-server in one container"""
    if not shutil.which("redis-benchmark"):
        raise Unable("redis-benchmark is not installed")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    script = (f"redis-server --port {port} --bind 127.0.0.1 --save '' --appendonly no >/dev/null & "
              f"until redis-cli -p {port} ping >/dev/null 2>&1; do sleep 0.01; done; "
              f"{b.program('boundary')} run redis-benchmark -p {port} -t set,get -n 30000 -q; "
              "kill $!; wait")
    yield list(row(b, "redis", ["sh", "-c", script], SAME_AIM))


def pss(pid, inside=lambda address: True):
    """Bytes of pid's memory that are its share, of mappings whose address suits."""
    total, counts = 0, False
    with open(f"/proc/{pid}/smaps") as f:
        for line in f:
            first = line.split(None, 1)[0]
            if "-" in first and not first.endswith(":"):
                counts = inside(int(first.split("-")[0], 16))
            elif first == "Pss:" and counts:
                total += int(line.split()[1]) * 1024
    return total


def parent(pid):
    with open(f"/proc/{pid}/stat") as f:
        return int(f.read().rpartition(")")[2].split()[1])


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(p) for p in f.read().split()]


def shared_file(pid):
    """What the memory that the container shares really takes."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        if os.readlink(path).startswith("/memfd:"):
            return os.stat(path).st_blocks * 512
    raise Unable("the warden has no memfd")


@benchmark("virtual-memory", any_order=True)
def virtual_memory(b):
    """what the processes beside a virtual container and the shared memory take (Pss)"""
    name = f"bench-{os.getpid()}-memory"
    b.containers.add(name)
    b.call(b.pidspace, "run", "-d", "--pids=virtual", name, "--", "sleep", "1000")
    init = int(b.call(b.pidspace, "pid", name, "1").split()[0])
    warden = parent(init)
    try:
        yield [Contestant("warden", lambda: pss(warden), None, None, "bytes"),
               Contestant("spawner", lambda: sum(map(pss, children(init))), None, None, "bytes"),
               Contestant("monitor", lambda: pss(parent(warden)), None, None, "bytes"),
               Contestant("shim in a process", lambda: pss(init, lambda a: a >> 32 == 0x5510),
                          None, None, "bytes"),
               Contestant("shared memory, pages in use", lambda: shared_file(warden), None, None,
                          "bytes")]
    finally:
        b.forget(name)
