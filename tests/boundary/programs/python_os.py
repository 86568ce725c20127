"""os.*, subprocess and multiprocessing of Python."""
import multiprocessing
import os
import signal
import subprocess
import sys
import threading


def square(x):
    return x * x, os.getpid(), os.getppid()


def main():
    me = os.getpid()
    child = os.fork()
    if child == 0:
        os._exit(0 if os.getppid() == me else 1)
    assert os.waitpid(child, 0) == (child, 0)
    p = subprocess.run([sys.executable, "-S", "-c", "import os; print(os.getpid(), os.getppid())"], check=True,
                       stdout=subprocess.PIPE, text=True)
    assert int(p.stdout.split()[1]) == me, p.stdout
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            results = pool.map(square, range(30))
            known = {w.pid for w in pool._pool}
        assert [r[0] for r in results] == [x * x for x in range(30)]
        assert {r[1] for r in results} <= known, (results, known)
        assert {r[2] for r in results} == {me}
    tids = []
    t = threading.Thread(target=lambda: tids.append(threading.get_native_id()))
    t.start()
    t.join()
    assert me < tids[0] < 3000
    sleeper = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    assert os.getpgid(sleeper.pid) == os.getsid(sleeper.pid) == sleeper.pid
    os.killpg(sleeper.pid, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL
    for outside in map(int, os.environ["BD_OUTSIDE"].split()):
        for call in (os.getpgid, os.getsid, lambda p: os.kill(p, 0), os.pidfd_open):
            try:
                call(outside)
            except ProcessLookupError:
                continue
            raise AssertionError(f"{outside} exists")
    assert all(int(d) < 3000 for d in os.listdir("/proc") if d.isdigit())


if __name__ == "__main__":
    main()
