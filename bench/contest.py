"""What a benchmark is, and how it is measured: contestants run alternately, round after round, so that
a slow moment of the machine hits all of them, every other round backwards where they do not need each other, so
that nobody always comes after the same one; medians and ratios of medians within the run count."""
import contextlib
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from workbench import Unable

BENCHMARKS = {}
SHORT = 0.2  # seconds


@dataclass
class Sample:
    """One measured value; parts (a phase's name and its seconds) are shown below the table."""
    value: float
    parts: dict = field(default_factory=dict)


@dataclass
class Contestant:
    name: str
    measure: object       # a function without arguments that gives a Sample or a number
    against: str = None   # the contestant that the ratio is taken to; None: it is a yardstick itself
    aim: float = None     # the ratio, or without `against` the value, that it shall not exceed
    unit: str = "s"       # or "bytes", "ns"


def benchmark(name, any_order=False):
    """Makes a generator function, which gets the Workbench and yields one list of contestants, the
    benchmark of that name. What follows its yield cleans up, whatever has happened. any_order: no contestant
    needs what another has left (as a restore does)."""
    def register(fn):
        BENCHMARKS[name] = contextlib.contextmanager(fn)
        BENCHMARKS[name].any_order = any_order
        BENCHMARKS[name].__doc__ = fn.__doc__
        return fn
    return register


def run(bench, name, rounds):
    """Rows: {name, against, aim, unit, values: [...], parts: {phase: median}, median, ratio, met}, or
    with error instead of the figures. The first round warms up and is not counted; where it took a moment
    only, there are five times as many."""
    samples, errors = {}, {}
    with BENCHMARKS[name](bench) as contestants:
        began = time.monotonic()
        one_round(contestants, {}, errors)
        if time.monotonic() - began < SHORT:
            rounds *= 5
        for i in range(rounds):
            turned = i % 2 and BENCHMARKS[name].any_order
            one_round(contestants[::-1] if turned else contestants, samples, errors)
    return [summary(c, samples, errors) for c in contestants]


def one_round(contestants, samples, errors):
    for c in contestants:
        if c.name in errors:
            continue
        try:
            s = c.measure()
        except (Unable, OSError, subprocess.TimeoutExpired) as e:
            errors[c.name] = str(e)
            continue
        samples.setdefault(c.name, []).append(s if isinstance(s, Sample) else Sample(s))


def median(samples, name):
    got = samples.get(name)
    return statistics.median(s.value for s in got) if got else None


def summary(c, samples, errors):
    row = {"name": c.name, "against": c.against, "aim": c.aim, "unit": c.unit}
    if c.name in errors or c.name not in samples:
        return dict(row, error=errors.get(c.name, "never measured"))
    got = samples[c.name]
    row["values"] = [s.value for s in got]
    row["median"] = median(samples, c.name)
    phases = dict.fromkeys(phase for s in got for phase in s.parts)
    row["parts"] = {p: statistics.median(s.parts.get(p, 0) for s in got) for p in phases}
    base = median(samples, c.against) if c.against else None
    row["ratio"] = row["median"] / base if base else None
    reached = row["ratio"] if c.against else row["median"]
    row["met"] = None if c.aim is None or reached is None else reached <= c.aim
    return row
