"""restore --lazy: how soon the container runs, when all memory is there, and how fast it is then."""
import json
import os
import re
import struct
import time

from contest import Contestant, Sample, benchmark
from there_and_back import Ours, seconds
from workbench import Unable

STAMPS = struct.Struct("=4Q")  # of bench/lazy.c: native, first, go, after
FIRST_AIM = 0.05
FULL_SPEED = 1.05
MEMORY_AIM = 64 << 20


class Lazy(Ours):
    """One image, restored over and over, with and without --lazy in turn."""

    def __init__(self, b, pages):
        self.stamps = f"{b.work}/stamps.{pages}"
        with open(self.stamps, "wb") as f:
            f.write(bytes(STAMPS.size))
        super().__init__(b, b.program("lazy"), str(b.options.mib * 4), pages, self.stamps)
        self.plain_first = self.resident = self.server_bytes = None

    def stamp(self, **values):
        """Sets some of them; all as they are then."""
        with open(self.stamps, "r+b") as f:
            now = dict(zip(("native", "first", "go", "after"), STAMPS.unpack(f.read(STAMPS.size))))
            now.update(values)
            if values:
                f.seek(0)
                f.write(STAMPS.pack(*now.values()))
        return now

    def native(self):
        """Makes the image at the first call."""
        if not self.name:
            self.checkpoint()
            time.sleep(1.1)  # less is no gap in the eyes of the workload
        return self.stamp()["native"] / 1e9

    def run(self, *options):
        """A restore: seconds until the command returned, and until the first instruction ran."""
        self.bench.forget(self.name)
        self.stamp(first=0, go=0, after=0)
        began = time.time()
        t, self.restored = self.bench.stats(self.pidspace, "restore", "-d", "--image", self.image, *options)
        self.bench.until(lambda: self.stamp()["first"], "it runs")
        return t, self.stamp()["first"] / 1e9 - began

    def plain(self):
        t, self.plain_first = self.run()
        return Sample(t, seconds(self.restored["phases_ns"]))

    def first(self):
        began = time.perf_counter()
        _, first = self.run("--lazy")
        self.await_memory()
        self.resident = time.perf_counter() - began
        return Sample(first, seconds(self.restored["phases_ns"]))

    def await_memory(self):
        """Looks at the page server meanwhile."""
        log = json.loads(self.bench.call(self.pidspace, "state", self.name, "-f", "json"))["log"]
        with open(f"{os.path.dirname(log)}/state.json") as f:
            server = json.load(f).get("page_server_host_pid")
        if not server:
            raise Unable("nothing was left out")
        while True:
            try:
                with open(f"/proc/{server}/status") as f:
                    peak = re.search(r"VmHWM:\s*(\d+)", f.read())
            except OSError:
                return
            if not peak:  # a zombie
                return
            self.server_bytes = int(peak[1]) << 10
            time.sleep(0.002)

    def after(self):
        self.stamp(go=1)
        self.bench.until(lambda: self.stamp()["after"], "it went through its memory")
        return self.stamp()["after"] / 1e9


def had(value):
    """What an earlier contestant of the round has seen."""
    if value is None:
        raise Unable("see above")
    return value


def contestants(it, what):
    native, plain = f"native pass over memory, {what}", f"plain restore, {what}"
    return [Contestant(native, it.native),
            Contestant(plain, it.plain),
            Contestant(f"first instruction of it, {what}", lambda: had(it.plain_first), plain),
            Contestant(f"pass over memory after it, {what}", it.after, native),
            Contestant(f"lazy: first instruction, {what}", it.first, None, FIRST_AIM),
            Contestant(f"lazy: all memory there, {what}", lambda: had(it.resident), plain),
            Contestant(f"pass over memory then, {what}", it.after, native, FULL_SPEED),
            Contestant(f"page server, {what}", lambda: had(it.server_bytes), None, MEMORY_AIM, "bytes")]


def lazy_of(b, pages):
    it = Lazy(b, pages)
    try:
        yield contestants(it, pages)
    finally:
        it.done()


@benchmark("lazy")
def lazy(b):
    """4 GiB restored with --lazy: first instruction, all memory there, full speed then (root)"""
    return lazy_of(b, "small")


@benchmark("lazy_huge")
def lazy_huge(b):
    """the same in huge pages"""
    return lazy_of(b, "huge")
