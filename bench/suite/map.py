"""What each way of keeping the pid map costs (bench/pid_map.c says what is measured, and how)."""
import json

from contest import Contestant, benchmark

AIM = 20  # ns a conversion, with 100,000 tasks
SIZES = {"direct": (10, 1000, 100000, 4000000), "hash": (10, 1000, 100000, 4000000),
         "masked": (10, 1000, 100000)}
FIGURES = (("to_vpid_hot_ns", "host to virtual", "ns"), ("to_hpid_hot_ns", "virtual to host", "ns"),
           ("to_vpid_cold_ns", "host to virtual, cold", "ns"),
           ("to_hpid_cold_ns", "virtual to host, cold", "ns"),
           ("life_ns", "reserve, bind, release", "ns"), ("bytes_a_task", "bytes a task", "bytes"),
           ("bytes_later", "map after 1,000,000 lives", "bytes"))


class Map:
    """One map: its program runs once a round, for the first figure; the others are of that run."""

    def __init__(self, b, kind, tasks):
        self.b, self.kind, self.tasks = b, kind, tasks
        self.got = {}

    def figure(self, key):
        if key not in self.got:
            text = self.b.call(self.b.program("pid_map"), "--json", self.kind, str(self.tasks))
            self.got = json.loads(text)[0]
            self.got["bytes_later"] = self.got["mib_later"] * (1 << 20)
        return self.got.pop(key)

    def contestants(self):
        for key, what, unit in FIGURES:
            aim = AIM if self.tasks == 100000 and "hot" in key else None
            yield Contestant(f"{self.kind} {self.tasks:,}: {what}", lambda key=key: self.figure(key),
                             None, aim, unit)


@benchmark("map")
def pid_map(b):
    """three ways to keep the pid map of --pids=virtual: conversion, allocation, memory; the aim is ns"""
    yield [c for kind, sizes in SIZES.items() for n in sizes for c in Map(b, kind, n).contestants()]
