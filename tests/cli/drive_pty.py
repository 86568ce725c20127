#!/usr/bin/env python3
"""Plays a user at a terminal. usage: drive_pty.py STEP... -- COMMAND...

Steps, in order: expect:REGEX (of what has come since the last match), send:TEXT (with \\n, \\x03 and so
on), resize:ROWSxCOLS, end (the command must end by itself). The terminal begins with 24x80. What came
goes to stdout; the exit status is the command's (128 + signal), 250 when a step failed."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

DEADLINE = float(os.environ.get("PIDSPACE_DEADLINE", "60"))


class Terminal:
    def __init__(self, command):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for fd in range(3, 64):
                try:
                    os.close(fd)
                except OSError:
                    pass
            os.execvp(command[0], command)
        self.resize("24x80")

    def resize(self, size):
        rows, cols = map(int, size.split("x"))
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def read(self, seconds):
        """False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: the last one has closed the other side
            data = b""
        self.text += data
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return bool(data)

    def expect(self, pattern):
        end = time.monotonic() + DEADLINE
        wanted = re.compile(pattern.encode(), re.S)
        open_still = True
        while True:
            m = wanted.search(self.text)
            if m:
                self.text = self.text[m.end():]
                return
            if not open_still or time.monotonic() > end:
                self.fail(f"no /{pattern}/ came, but {self.text!r}")
            open_still = self.read(0.2)

    def end(self):
        end = time.monotonic() + DEADLINE
        while self.read(0.2):
            if time.monotonic() > end:
                self.fail("it did not end")
        status = os.waitpid(self.pid, 0)[1]
        return os.waitstatus_to_exitcode(status)

    def fail(self, why):
        print(f"\ndrive_pty: {why}")
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(250)


def main():
    at = sys.argv.index("--")
    steps, command = sys.argv[1:at], sys.argv[at + 1:]
    t = Terminal(command)
    for step in steps:
        verb, _, arg = step.partition(":")
        if verb == "expect":
            t.expect(arg)
        elif verb == "send":
            os.write(t.fd, arg.encode().decode("unicode_escape").encode())
        elif verb == "resize":
            t.resize(arg)
        elif verb != "end":
            t.fail(f"what is '{step}'?")
    code = t.end()
    sys.exit(code if code >= 0 else 128 - code)


main()
