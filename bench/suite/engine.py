"""What the engine itself needs while it works: the most memory its process ever had resident."""
from contest import Contestant, benchmark
from there_and_back import Ours

LIMIT = 64 << 20


def both_ways(b, what, compress, *argv):
    """Contestants of checkpoint and restore, and what to call at the end. The peak is that of a process, so
    only the first checkpoint of a container and each restore tell of one piece of work."""
    ours = Ours(b, *argv, options=("--compress", compress))

    def save():
        ours.done()
        ours.name = None
        ours.checkpoint()
        return ours.saved["engine_bytes"]

    def restore():
        ours.restore()
        return ours.restored["engine_bytes"]
    return [Contestant(f"checkpoint, {what}, {compress}", save, None, LIMIT, "bytes"),
            Contestant(f"restore, {what}, {compress}", restore, None, LIMIT, "bytes")], ours.done


@benchmark("engine")
def engine(b):
    """the engine's own memory, of a large process and of 1,000 of them"""
    rows, ends = [], []
    for compress in "none", "lz4", "zstd":
        for what, argv in ((f"{b.options.mib} MiB", ("memory", str(b.options.mib), "text", "small")),
                           (f"{b.options.n} processes", ("tree", str(b.options.n)))):
            more, end = both_ways(b, what, compress, b.program(argv[0]), *argv[1:])
            rows += more
            ends.append(end)
    try:
        yield rows
    finally:
        for end in ends:
            end()
