"""What the engine itself needs while it works: the most memory its process ever had resident. It shall not grow with the
container."""
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
    """the engine's own memory, of a large process, and of 1,000 and 10,000 processes"""
    rows, ends = [], []
    memory = f"{b.options.mib} MiB", ("memory", str(b.options.mib), "text", "small")
    few, many = ((f"{n:,} processes", ("tree", str(n))) for n in (b.options.n, b.options.n * 10))
    for compress, whats in ("none", (memory, few, many)), ("lz4", (memory, few)), ("zstd", (memory, few)):
        for what, argv in whats:
            more, end = both_ways(b, what, compress, b.program(argv[0]), *argv[1:])
            rows += more
            ends.append(end)
    try:
        yield rows
    finally:
        for end in ends:
            end()
