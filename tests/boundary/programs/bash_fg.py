"""`^C` and `^Z` reach a job that `fg` has brought back, from the moment on at which it has the terminal: each is typed the instant
that is so. (Typed before, they are bash's: it throws its line away, and `fg` with it, in a container or not.)"""
import os
import pty
import re
import select
import sys
import time

ROUNDS = 20


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return None


class Terminal:
    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"],
                       {**os.environ, "PS1": "ready> ", "TERM": "dumb"})
        self.text = b""

    def expect(self, pattern):
        end = time.monotonic() + 20
        while not (m := re.search(pattern.encode(), self.text)):
            if time.monotonic() > end or not select.select([self.fd], [], [], 20)[0]:
                sys.exit(f"no {pattern!r} in {self.text!r}")
            self.text += os.read(self.fd, 4096)
        self.text = self.text[m.end():]
        return m

    def send(self, line):
        os.write(self.fd, line.encode())

    def await_foreground(self, is_it):
        end = time.monotonic() + 20
        while not is_it(group := os.tcgetpgrp(self.fd)):
            if time.monotonic() > end:
                sys.exit(f"group {group} ({comm(group)}) has the terminal")
            os.sched_yield()
        return group


def main():
    t = Terminal()
    t.expect("ready> ")
    for i in range(ROUNDS):
        t.send("sleep 1002\n")
        job = t.await_foreground(lambda g: comm(g) == "sleep")  # before that it still ignores what stops it
        t.send("\x1a")
        t.expect("Stopped[^>]*ready> ")
        if i % 2:  # it runs when it is brought back, else it is stopped
            t.send("bg\n")
            t.expect("sleep 1002 &\r\nready> ")
        for key, status in ("\x1a", 148), ("\x03", 130):
            t.send("fg\n")
            t.await_foreground(lambda g: g == job)
            t.send(key)
            t.expect("ready> ")
            t.await_foreground(lambda g: g == t.pid)
            t.send("echo status $?\n")
            m = t.expect(r"status (\d+)\r\nready> ")
            assert int(m[1]) == status, f"round {i}: {m[1]} instead of {status}"
    t.send("exit 5\n")
    while True:
        try:
            if not os.read(t.fd, 4096):
                break
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1]) == 5


main()
