"""Checkpoint and restore of a workload, over and over, by us and by others."""
import os
import shutil
import time

from contest import Contestant, Sample
from workbench import Unable, remove


def seconds(phases_ns):
    return {p: ns / 1e9 for p, ns in phases_ns.items()}


class Ours:
    """One container that is checkpointed and restored in turn. build: not the run's own."""

    def __init__(self, bench, *argv, build=None, options=("--compress", "none"), where=None):
        self.bench, self.argv, self.options = bench, argv, options
        self.pidspace = f"{os.path.abspath(build)}/src/cli/pidspace" if build else bench.pidspace
        bench.serial += 1
        self.image = f"{where or bench.tmp}/{bench.serial}.image"
        self.name = None
        self.saved, self.restored = {}, {}  # statistics of the last of each

    def checkpoint(self):
        if not self.name:
            self.name = self.bench.start(*self.argv, pidspace=self.pidspace)
        remove(self.image)
        t, self.saved = self.bench.stats(self.pidspace, "checkpoint", self.name, "--image", self.image,
                                         *self.options)
        return Sample(t, seconds(self.saved["phases_ns"]))

    def restore(self):
        t, self.restored = self.bench.stats(self.pidspace, "restore", "-d", "--image", self.image)
        remove(self.image)  # several of them may not fit into memory at once
        return Sample(t, seconds(self.restored["phases_ns"]))

    def done(self):
        if self.name:
            self.bench.forget(self.name)
        remove(self.image)


class Criu:
    """criu(8) with a workload that stands alone in a session."""

    def __init__(self, bench, *argv):
        self.bench, self.argv = bench, argv
        self.criu = bench.options.criu
        self.dir = f"{bench.tmp}/criu"
        self.pid = None

    def checkpoint(self):
        if not self.pid:
            ready = f"{self.bench.work}/criu.ready"
            remove(ready)
            self.bench.call("sh", "-c", 'setsid -f "$@" </dev/null >/dev/null 2>&1', "sh", *self.argv, ready)
            self.bench.until(lambda: os.path.exists(ready) and os.path.getsize(ready),
                             "the workload for criu is ready")
            with open(ready) as f:
                self.pid = f.read().strip()
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        return self.bench.timed(self.criu, "dump", "-t", self.pid, "-D", self.dir)

    def restore(self):
        return self.bench.timed(self.criu, "restore", "-d", "-D", self.dir)

    def done(self):
        if self.pid:
            self.bench.call("kill", "-9", self.pid, check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


class Dmtcp:
    """dmtcp_launch(1), under a coordinator of its own, image not compressed."""

    def __init__(self, bench, *argv):
        self.bench, self.argv = bench, argv
        self.bin = bench.options.dmtcp
        self.dir = f"{bench.tmp}/dmtcp"
        self.port = str(20000 + os.getpid() % 20000)
        self.started = False

    def command(self, *words, check=True):
        return self.bench.call(f"{self.bin}/dmtcp_command", "--coord-port", self.port, *words, check=check)

    def detached(self, *argv):
        self.bench.call("sh", "-c", 'setsid -f "$@" </dev/null >/dev/null 2>&1', "sh", *argv)

    def running(self):
        return "RUNNING=yes" in self.command("--status", check=False)

    def checkpoint(self):
        if not self.started:
            self.started = True
            os.makedirs(self.dir, exist_ok=True)
            ready = f"{self.bench.work}/dmtcp.ready"
            remove(ready)
            self.bench.call(f"{self.bin}/dmtcp_coordinator", "--daemon", "--exit-on-last",
                            "--coord-port", self.port, "--ckptdir", self.dir)
            self.detached(f"{self.bin}/dmtcp_launch", "--join-coordinator", "--coord-port", self.port,
                          "--ckptdir", self.dir, "--no-gzip", *self.argv, ready)
            self.bench.until(lambda: os.path.exists(ready) and os.path.getsize(ready),
                             "the workload for dmtcp is ready")
        for file in os.listdir(self.dir):
            remove(f"{self.dir}/{file}")
        began = time.perf_counter()
        self.command("--bcheckpoint")
        t = time.perf_counter() - began
        self.command("--quit")
        return t

    def restore(self):
        images = [f"{self.dir}/{f}" for f in os.listdir(self.dir) if f.endswith(".dmtcp")]
        if not images:
            raise Unable("dmtcp left no image")
        began = time.perf_counter()
        self.detached(f"{self.bin}/dmtcp_restart", "--new-coordinator", "--coord-port", self.port,
                      "--ckptdir", self.dir, *images)
        self.bench.until(self.running, "what dmtcp restores runs")
        return time.perf_counter() - began

    def done(self):
        self.command("--quit", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def peers(bench, *argv):
    """[(name, object with checkpoint, restore and done)] of what the options name."""
    got = []
    if bench.options.also:
        got.append(("other build's ", Ours(bench, *argv, build=bench.options.also)))
    if bench.options.criu:
        got.append(("criu's ", Criu(bench, *argv)))
    if bench.options.dmtcp:
        got.append(("dmtcp's ", Dmtcp(bench, *argv)))
    return got


def contestants(ours, others, save_against, save_aim, restore_against, restore_aim):
    """Both ways for us, with aims, and for the others, without."""
    rows = [Contestant("checkpoint", ours.checkpoint, save_against, save_aim),
            Contestant("restore", ours.restore, restore_against, restore_aim)]
    for name, other in others:
        rows += [Contestant(name + "checkpoint", other.checkpoint, save_against),
                 Contestant(name + "restore", other.restore, restore_against)]
    return rows
