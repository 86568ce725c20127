"""Many processes, many threads, and only one."""
import json
import re

from contest import Contestant, benchmark
from there_and_back import Ours, contestants, peers


def with_yardstick(b, program, what, save_aim, restore_aim, against=True):
    """The workload's own yardstick mode ("-" for a ready file) does and undoes its n things."""
    argv = b.program(program), str(b.options.n)
    ours, others = Ours(b, *argv), peers(b, *argv)
    name = f"plain {what} {b.options.n}"
    try:
        yield [Contestant(name, lambda: b.timed(*argv, "-")),
               *contestants(ours, others, name if against else None, save_aim, name if against else None,
                            restore_aim)]
    finally:
        for it in [ours, *(o for _, o in others)]:
            it.done()


@benchmark("tree")
def tree(b):
    """1,000 forked idle processes, against forking and reaping them"""
    return with_yardstick(b, "tree", "fork and reap of", 3, 5)


def proportional(b, name):
    """Bytes of memory that the container's processes hold, what they share counted once."""
    total = 0
    for task in json.loads(b.call(b.pidspace, "ps", "-f", "json", name)):
        with open(f"/proc/{task['host_pid']}/smaps_rollup") as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1]) << 10
    return total


@benchmark("tree-memory")
def tree_memory(b):
    """what 1,000 forked idle processes hold, and what they hold after a restore"""
    ours = Ours(b, b.program("tree"), str(b.options.n))

    def before():
        ours.done()
        ours.name = b.start(*ours.argv)
        return proportional(b, ours.name)

    def after():
        ours.checkpoint()
        ours.restore()
        return proportional(b, ours.name)
    try:
        yield [Contestant("before the checkpoint", before, unit="bytes"),
               Contestant("after the restore", after, "before the checkpoint", 1.1, "bytes")]
    finally:
        ours.done()


@benchmark("threads")
def threads(b):
    """a process with 1,000 threads; aims are seconds"""
    return with_yardstick(b, "threads", "start and join of", 0.15, 0.15, against=False)


@benchmark("small")
def small(b):
    """one small process; aims are seconds"""
    ours, others = Ours(b, b.program("small")), peers(b, b.program("small"))
    try:
        yield [Contestant("pidspace run --rm /bin/true", lambda: b.timed(
            b.pidspace, "run", "--rm", "bench-small", "--", "/bin/true")),
            *contestants(ours, others, None, 0.01, None, 0.01)]
    finally:
        for it in [ours, *(o for _, o in others)]:
            it.done()
