"""Job control of an interactive bash at a terminal of its own."""
import os
import pty
import re
import select
import sys
import time


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return None


def main():
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], {**os.environ, "PS1": "ready> ", "TERM": "dumb"})
    text = b""

    def expect(pattern):
        nonlocal text
        end = time.monotonic() + 20
        while not (m := re.search(pattern.encode(), text)):
            if time.monotonic() > end or not select.select([fd], [], [], 20)[0]:
                sys.exit(f"no {pattern!r} in {text!r}")
            text += os.read(fd, 4096)
        text = text[m.end():]
        return m

    def send(line):
        os.write(fd, line.encode())

    expect("ready> ")
    send("echo shell $$ group $(ps -o pgid=,tpgid= -p $$)\n")
    m = expect(r"shell (\d+) group +(\d+) +(\d+)\r")
    assert int(m[1]) == int(m[2]) == pid, m[0]
    send("sleep 1002\n")
    expect("sleep 1002\r")
    while comm(os.tcgetpgrp(fd)) != "sleep":  # before that it still ignores what stops it
        time.sleep(0.01)
    assert os.tcgetpgrp(fd) < 3000
    send("\x1a")
    expect("Stopped")
    send("jobs -l; bg\n")
    m = expect(r"\[1\]\+ +(\d+) Stopped")
    expect(r"\[1\]\+ sleep 1002 &")
    send("fg\n")
    while os.tcgetpgrp(fd) != int(m[1]):
        time.sleep(0.01)
    send("\x03")
    expect("ready> ")
    send("echo status $?\n")
    expect("status 130")
    send("sleep 1002 & wait %1; echo ended $?\n")
    expect(r"\[1\] (\d+)")
    send("\x03")
    expect("ready> ")
    send("kill %1; wait; exit 5\n")
    while True:
        try:
            if not os.read(fd, 4096):
                break
        except OSError:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


main()
