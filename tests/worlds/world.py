"""A world is a container with real programs in it, which say what they do in the file `out` of its
directory. A line `tick NAME N` is a sign of life: N begins at 1 and grows by one, so that the file shows
whether a checkpoint lost, repeated or stopped anything. A line `bad WHY` is a program's own complaint."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
PROGRAMS = os.path.join(HERE, "programs")
DEADLINE = float(os.environ.get("PIDSPACE_DEADLINE", "90"))
PYTHON = "/usr/bin/python3"


class Failed(Exception):
    """What a world did not do."""


class Skipped(Exception):
    """Why a world cannot be."""


def until(what, condition, seconds=DEADLINE):
    """Polls until condition() is true; what says in the error what did not come about."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {seconds:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.02)


class World:
    def __init__(self, pidspace, directory, rounds=2):
        self.pidspace = pidspace
        self.rounds = rounds
        self.dir = directory
        self.name = "world"
        self.terminals = []
        os.mkdir(f"{directory}/state", 0o700)
        open(self.path("out"), "w").close()

    def path(self, name):
        return os.path.join(self.dir, name)

    # --- commands ---

    def argv(self, *args):
        return [self.pidspace, "--root", self.path("state"), *args]

    def command(self, *args):
        try:
            return subprocess.run(self.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, cwd=self.dir, timeout=DEADLINE, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"pidspace {' '.join(args)}: not finished after {DEADLINE:.0f} s") from None

    def call(self, *args, status=0):
        """Runs a pidspace command and gives its output."""
        p = self.command(*args)
        if status is not None and p.returncode != status:
            raise Failed(f"pidspace {' '.join(args)}: status {p.returncode}, not {status}\n"
                         + p.stderr.decode("utf-8", "replace"))
        return p.stdout.decode("utf-8", "replace")

    def start(self, *command):
        """Detached, in its directory; all output goes to the file `out`."""
        self.call("run", "-d", "--cwd", self.dir, self.name, "--", "/bin/sh", "-c",
                  'exec "$@" >>out 2>&1', "sh", *command)

    def processes(self):
        """(pid, ppid, pgid, sid, command) of all, by pid."""
        rows = json.loads(self.call("ps", self.name, "-f", "json"))
        return sorted((r["pid"], r["ppid"], r["pgid"], r["sid"], r["command"]) for r in rows)

    def running(self):
        p = subprocess.run(self.argv("state", self.name, "-f", "json"), stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, check=False)
        return p.returncode == 0 and json.loads(p.stdout)["state"] == "running"

    def checkpoint(self, image, leave_running=False):
        """What is refused only for the moment is tried again, as the advice says: a connection that
        waits to be accepted, a lock on a file."""
        def once():
            p = self.command("checkpoint", self.name, "--image", self.path(image),
                             *(["--leave-running"] if leave_running else []))
            why = p.stderr.decode("utf-8", "replace")
            codes = set(re.findall(r"\((E_\w+)\)", why)) - {"E_REFUSED"}
            if p.returncode and (not codes or codes - {"E_TCP_PENDING", "E_FILE_LOCK"}):
                raise Failed(f"checkpoint: status {p.returncode}\n{why}")
            return p.returncode == 0
        until("a moment without locks and waiting connections", once)

    def restore(self, image):
        self.call("restore", "-d", "--image", self.path(image))

    # --- what the programs say ---

    def out(self):
        with open(self.path("out"), errors="replace") as f:
            return f.read()

    def says(self, text):
        until(lambda: f"{text!r} in\n{self.out()[-2000:]}", lambda: self.alive() and text in self.out())

    def alive(self):
        """Raises when a program complains, or lost or repeated a tick."""
        seen = {}
        for line in self.out().splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # still being written
            word = line.split()
            if line.startswith(("bad ", "Traceback")):
                raise Failed(self.out()[-3000:])
            if word[:1] == ["tick"]:
                if len(word) != 3 or int(word[2]) != seen.get(word[1], 0) + 1:
                    raise Failed(f"{line.rstrip()!r} after {seen.get(word[1], 0)}")
                seen[word[1]] = int(word[2])
        self.ticks = seen
        return True

    def go_on(self, names, by=2):
        """Each of these goes on ticking."""
        self.alive()
        before = dict(self.ticks)

        def more():
            self.alive()
            return all(self.ticks.get(n, 0) >= before.get(n, 0) + by for n in names)

        def slow():
            late = [n for n in names if self.ticks.get(n, 0) < before.get(n, 0) + by]
            return f"{by} further ticks of {late}; {'running' if self.running() else 'not running'}\n" \
                   f"{self.out()[-1500:]}"
        until(slow, more)

    # --- the usual way ---

    def images(self):
        """A name for each time that it is to be checkpointed away."""
        return [f"image{i + 1}" for i in range(self.rounds)]

    def through(self, go_on, same=None):
        """Checkpointed and left running, then again and again checkpointed away and restored; go_on()
        shows each time that it lives. same() must give the same before and after each."""
        go_on()
        before = same() if same else None

        def compare(when):
            now = same() if same else None
            if now != before:
                raise Failed(f"{when}:\n  before {before}\n  now    {now}")
        self.checkpoint("left", leave_running=True)
        compare("left running")
        go_on()
        for image in self.images():
            self.checkpoint(image)
            if self.call("list", "-q").strip():
                raise Failed("the container is still there after its checkpoint")
            self.restore(image)
            os.unlink(self.path(image))
            compare(f"restored from {image}")
            go_on()

    def ends(self, status=0):
        got = subprocess.run(self.argv("wait", self.name), stdin=subprocess.DEVNULL, check=False,
                             stdout=subprocess.DEVNULL, timeout=DEADLINE).returncode
        if got != status:
            raise Failed(f"it ended with {got}, not {status}\n{self.out()[-2000:]}")
        self.alive()

    def clean_up(self):
        for t in self.terminals:
            t.kill()
        for name in subprocess.run(self.argv("list", "-q"), stdout=subprocess.PIPE,
                                   check=False).stdout.decode().split():
            subprocess.run(self.argv("delete", "-f", name), check=False, stdout=subprocess.DEVNULL)


class Terminal:
    """A command at a terminal, and the user before it."""

    def __init__(self, world, *args):
        self.text = ""
        self.status = None
        argv = world.argv(*args)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(world.dir)
            os.environ["TERM"] = "dumb"
            os.execv(argv[0], argv)
        world.terminals.append(self)

    def read(self):
        if not select.select([self.fd], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the other side is closed
            data = b""
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def expect(self, pattern):
        end = time.monotonic() + DEADLINE
        while not (m := re.search(pattern, self.text, re.S)):
            if not self.read() or time.monotonic() > end:
                raise Failed(f"no /{pattern}/ at the terminal, but {self.text!r}")
        self.text = self.text[m.end():]
        return m

    def send(self, text):
        os.write(self.fd, text.encode())

    def ends(self, status):
        end = time.monotonic() + DEADLINE
        while self.read():
            if time.monotonic() > end:
                raise Failed(f"the command at the terminal did not end: {self.text!r}")
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.status != status:
            raise Failed(f"the command at the terminal ended with {self.status}, not {status}: {self.text!r}")

    def kill(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
