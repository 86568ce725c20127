"""Ten processes with twenty children each, all asleep. At SIGTERM everyone must end by that signal."""
import os
import signal
import sys

go = os.pipe()
groups = []
for g in range(10):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        children = []
        for i in range(20):
            child = os.fork()
            if child == 0:
                os.execvp("sleep", ["sleep", "infinity"])
            children.append(child)
        os.write(go[1], b"x")
        bad = sum(os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) != -signal.SIGTERM for c in children)
        os._exit(bad)
    groups.append(pid)


def end(*_):
    status = 0
    for g in groups:
        for child in open(f"/proc/{g}/task/{g}/children").read().split():
            os.kill(int(child), signal.SIGTERM)
        status += os.waitstatus_to_exitcode(os.waitpid(g, 0)[1])
    os._exit(status)


signal.signal(signal.SIGTERM, end)
for g in groups:
    os.read(go[0], 1)
# 200 times sleep: until each is the program
for g in groups:
    for child in open(f"/proc/{g}/task/{g}/children").read().split():
        while open(f"/proc/{child}/comm").read() != "sleep\n":
            os.sched_yield()
os.write(1, b"tick asleep 1\n")
while True:
    signal.pause()
