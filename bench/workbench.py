"""Where a run of benchmarks works, and how it runs programs and containers there."""
import json
import os
import shutil
import subprocess
import tempfile
import time


class Unable(Exception):
    """A contestant or benchmark cannot run here; the text says why."""


class Workbench:
    """Directories, containers and options of one run; gone with clean()."""

    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        # Images go to memory, so that no disk is measured.
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.tmp = tempfile.mkdtemp(prefix="pidspace-bench.", dir=where)
        # What containers see; they have a /dev/shm of their own.
        self.work = tempfile.mkdtemp(prefix="pidspace-bench.", dir=options.disk)
        self.pidspace = f"{self.build}/src/cli/pidspace"
        self.env = dict(os.environ, XDG_RUNTIME_DIR=f"{self.work}/run")
        os.makedirs(f"{self.work}/run", mode=0o700)
        self.containers = set()
        self.serial = 0

    def program(self, name):
        """A workload of bench/meson.build."""
        return f"{self.build}/bench/bench_{name}"

    def call(self, *argv, check=True):
        """Runs argv; its output, both kinds."""
        p = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=300, cwd=self.work)
        if check and p.returncode != 0:
            raise Unable(f"{' '.join(map(str, argv))}: status {p.returncode}: "
                         f"{p.stdout.decode('utf-8', 'replace').strip()[:600]}")
        return p.stdout.decode("utf-8", "replace")

    def timed(self, *argv):
        began = time.perf_counter()
        self.call(*argv)
        return time.perf_counter() - began

    def stats(self, *argv):
        """Runs a checkpoint or restore with --stats: (seconds of the whole command, its JSON)."""
        began = time.perf_counter()
        out = self.call(*argv, "--stats", "--format", "json")
        return time.perf_counter() - began, json.loads(out.strip().splitlines()[-1])

    def start(self, *argv, pidspace=None):
        """A detached container running argv READY-FILE; returns its name once it is ready."""
        self.serial += 1
        name = f"bench-{os.getpid()}-{self.serial}"
        ready = f"{self.work}/{name}.ready"
        self.containers.add(name)
        self.call(pidspace or self.pidspace, "run", "-d", name, "--", *argv, ready)
        self.until(lambda: os.path.exists(ready) and os.path.getsize(ready), "its workload is ready")
        return name

    def until(self, cond, what, seconds=120):
        end = time.monotonic() + seconds
        while not cond():
            if time.monotonic() > end:
                raise Unable(f"not within {seconds} s: {what}")
            time.sleep(0.002)

    def forget(self, name):
        self.call(self.pidspace, "delete", "-f", name, check=False)
        self.containers.discard(name)

    def clean(self):
        for name in list(self.containers):
            self.forget(name)
        shutil.rmtree(self.tmp, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)


def remove(path):
    if os.path.exists(path):
        os.unlink(path)
