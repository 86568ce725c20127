"""One process with much memory: how near to what memory and disk allow."""
import os
import time

from contest import Contestant, Sample, benchmark
from there_and_back import Ours, contestants, peers
from workbench import Unable, remove

AIM = 1 / 0.8  # of the yardstick's time: 0.8 of its speed


class Plain:
    """A file of random bytes in the directory of images: written anew each round, it is the yardstick of
    checkpoints; what is left of it is the source from which bench_fill fills memory."""

    def __init__(self, b, mib):
        self.b, self.mib = b, mib
        self.path = f"{b.tmp}/plain"
        self.block = os.urandom(4 << 20)

    def write(self):
        remove(self.path)
        began = time.perf_counter()
        with open(self.path, "wb", buffering=0) as f:
            for _ in range(self.mib // 4):
                f.write(self.block)
        return time.perf_counter() - began

    def fill(self, pages):
        """Every way that there is, the fastest counts."""
        lines = self.b.call(self.b.program("fill"), str(self.mib), pages, self.path).splitlines()
        ways = {way: float(s) for way, s in (line.split() for line in lines)}
        if not ways:
            raise Unable("no way to fill memory works")
        return Sample(min(ways.values()), ways)


def random_memory(b, mib):
    plain, all_of, rows = Plain(b, mib), [], []
    write = f"plain write of {mib} MiB"
    rows.append(Contestant(write, plain.write))
    for pages in "small", "huge":
        argv = b.program("memory"), str(mib), "random", pages
        ours, others = Ours(b, *argv), peers(b, *argv)
        fill = f"fastest fill, {pages}"
        rows.append(Contestant(fill, lambda pages=pages: plain.fill(pages)))
        for c in contestants(ours, others, write, AIM, fill, AIM):
            c.name += f", {pages}"
            rows.append(c)
        all_of += [ours, *(o for _, o in others)]
    try:
        yield rows
    finally:
        remove(plain.path)
        for it in all_of:
            it.done()


@benchmark("memory")
def memory(b):
    """1 GiB of random memory, small and huge pages, image in tmpfs, against writing and filling"""
    return random_memory(b, b.options.mib)


@benchmark("memory4")
def memory4(b):
    """the same with 4 GiB"""
    return random_memory(b, b.options.mib * 4)


class ToDisk(Ours):
    """A checkpoint is over when the image is on the disk."""

    def __init__(self, b, compress):
        super().__init__(b, b.program("memory"), str(b.options.mib), "text", "small",
                         options=("--compress", compress), where=b.work)

    def checkpoint(self):
        t = super().checkpoint()
        began = time.perf_counter()
        with open(self.image, "rb") as f:
            os.fsync(f.fileno())
        t.parts["fsync"] = time.perf_counter() - began
        t.value += t.parts["fsync"]
        return t


@benchmark("compress")
def compress(b):
    """1 GiB of text-like memory to a disk: lz4 is not slower than none"""
    ways = {how: ToDisk(b, how) for how in ("none", "lz4", "zstd", "lz4:1")}
    rows = []
    for how, it in ways.items():
        aim = 1 if how == "lz4" else None
        against = how != "none"
        rows += [Contestant(f"checkpoint, {how}", it.checkpoint, "checkpoint, none" if against else None, aim),
                 Contestant(f"restore, {how}", it.restore, "restore, none" if against else None),
                 Contestant(f"image, {how}", lambda it=it: it.saved["image_bytes"],
                            "image, none" if against else None, unit="bytes")]
    try:
        yield rows
    finally:
        for it in ways.values():
            it.done()
