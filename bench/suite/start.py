"""Starting a program in a container that is new and goes with it."""
import json
import os
import re
import shutil
import time

from contest import Contestant, benchmark

TRUE = "/bin/true"
YARDSTICK = "unshare -pf --mount-proc"


def runc_bundle(b):
    """A bundle whose root holds one program and what it is linked to: runc cannot pivot into /."""
    bundle = f"{b.work}/bundle"
    for file in [TRUE, *re.findall(r"(/\S+) \(0x", b.call("ldd", TRUE))]:
        os.makedirs(f"{bundle}/rootfs{os.path.dirname(file)}", exist_ok=True)
        shutil.copy(file, f"{bundle}/rootfs{file}")
    b.call("sh", "-c", f"cd {bundle} && runc spec {'' if os.geteuid() == 0 else '--rootless'}")
    with open(f"{bundle}/config.json") as f:
        conf = json.load(f)
    conf["process"].update(args=[TRUE], terminal=False)
    # Not every host has a cgroup hierarchy that may be shown inside; starting is what is measured.
    conf["mounts"] = [m for m in conf["mounts"] if m["type"] != "cgroup"]
    with open(f"{bundle}/config.json", "w") as f:
        json.dump(conf, f)
    return bundle


@benchmark("start", any_order=True)
def start(b):
    """run --rm x -- /bin/true, against unshare, bubblewrap, runc, proot"""
    unshare = ["unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "-pf", "--mount-proc", TRUE]
    rows = [Contestant("plain fork and exec", lambda: b.timed(TRUE)),
            Contestant(YARDSTICK, lambda: b.timed(*unshare)),
            Contestant("pidspace run --rm", lambda: b.timed(
                b.pidspace, "run", "--rm", "bench-start", "--", TRUE), YARDSTICK, 1.5)]
    if shutil.which("bwrap"):
        rows.append(Contestant("bubblewrap", lambda: b.timed(
            "bwrap", "--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc", TRUE), YARDSTICK))
    if shutil.which("proot"):
        rows.append(Contestant("proot", lambda: b.timed("proot", TRUE), YARDSTICK))
    if shutil.which("runc"):
        bundle = runc_bundle(b)
        rows.append(Contestant("runc run", lambda: b.timed(
            "runc", "--root", f"{b.work}/runc", "run", "-b", bundle, f"bench{time.monotonic_ns()}"), YARDSTICK))
    yield rows
