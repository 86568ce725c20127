"""What costs per task at 1,000 tasks shall cost about the same at 10,000."""
import time

from contest import Contestant, benchmark
from there_and_back import Ours

AIM = 1.3
TIMES = 10


def words(n):
    return f"{n:,}"


class Sized:
    """A workload of n tasks. Every figure is seconds per 1,000 of them."""

    def __init__(self, b, program, n):
        self.b, self.n = b, n
        self.ours = Ours(b, b.program(program), str(n))

    def name(self):
        if not self.ours.name:
            self.ours.name = self.b.start(*self.ours.argv)
        return self.ours.name

    def command(self, *argv):
        name = self.name()
        began = time.perf_counter()
        self.b.call(self.b.pidspace, *argv, name)
        return (time.perf_counter() - began) * 1000 / self.n

    def pause(self):
        t = self.command("pause")
        self.b.call(self.b.pidspace, "resume", self.name())
        return t

    def part(self, sample):
        sample.value *= 1000 / self.n
        sample.parts = {p: t * 1000 / self.n for p, t in sample.parts.items()}
        return sample

    def ways(self, threads):
        """(what, function) of everything that shall be linear."""
        return [("ps", lambda: self.command("ps", *(["-T"] if threads else []))),
                ("check", lambda: self.command("check")),
                ("pause", self.pause),
                ("checkpoint", lambda: self.part(self.ours.checkpoint())),
                ("restore", lambda: self.part(self.ours.restore()))]


def linear(b, program, threads):
    few, many = Sized(b, program, b.options.n), Sized(b, program, b.options.n * TIMES)
    rows = []
    for (what, one), (_, ten) in zip(few.ways(threads), many.ways(threads)):
        base = f"{what} of {words(few.n)}, per 1,000"
        rows += [Contestant(base, one), Contestant(f"{what} of {words(many.n)}, per 1,000", ten, base, AIM)]
    try:
        yield rows
    finally:
        few.ours.done()
        many.ours.done()


@benchmark("linear")
def processes(b):
    """what a process costs among 1,000 and among 10,000"""
    return linear(b, "tree", False)


@benchmark("linear-threads")
def threads(b):
    """the same of threads in one process"""
    return linear(b, "threads", True)
