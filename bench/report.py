"""What a run of benchmarks leaves: a table on stdout, bench.json, and one SVG a benchmark."""
import json
import os
import platform


def quantity(n, unit):
    if unit == "ns":
        return f"{n:.1f} ns"
    if unit == "bytes":
        return f"{n / (1 << 20):.1f} MiB" if n >= 1 << 20 else f"{n:,.0f} bytes"
    return f"{n * 1000:.1f} ms" if n < 1 else f"{n:.2f} s"


def verdict(r):
    if r["met"] is None:
        return ""
    aim = f"{r['aim']:.2f}x" if r["against"] else quantity(r["aim"], r["unit"])
    return f"aim {aim}: {'met' if r['met'] else 'MISSED'}"


def table(name, rows):
    print(f"\n{name}")
    for r in rows:
        if "error" in r:
            print(f"  {r['name']:<36} unable: {r['error'][:500]}")
            continue
        ratio = f"{r['ratio']:.2f}x" if r["ratio"] else ""
        spread = f"{quantity(min(r['values']), r['unit'])} to {quantity(max(r['values']), r['unit'])}"
        print(f"  {r['name']:<36} {quantity(r['median'], r['unit']):>10} {ratio:>8}   {spread:<24}"
              f"{verdict(r)}".rstrip())
    for r in rows:
        if r.get("parts"):
            print(f"    {r['name']}: " + ", ".join(f"{p} {quantity(s, 's')}" for p, s in r["parts"].items()))
    print(end="", flush=True)


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def svg(name, rows):
    """Horizontal bars, the longest of each unit 300 wide; grey is a yardstick, a line marks an aim."""
    y, out = 30, [f'<text x="10" y="22" font-weight="bold">{escape(name)}</text>']
    rows = [r for r in rows if "error" not in r]
    base = {r["name"]: r["median"] for r in rows}
    for r in rows:
        y += 20
        top = max(x["median"] for x in rows if x["unit"] == r["unit"])
        width = max(1, 300 * r["median"] / top) if top else 1
        colour = "#2a6" if r["against"] or r["aim"] else "#999"
        text = quantity(r["median"], r["unit"]) + (f" ({r['ratio']:.2f}x)" if r["ratio"] else "")
        out.append(f'<text x="10" y="{y}">{escape(r["name"])}</text>'
                   f'<rect x="270" y="{y - 11}" width="{width:.1f}" height="13" fill="{colour}"/>'
                   f'<text x="{280 + width:.1f}" y="{y}">{text}</text>')
        aim = r["aim"] and r["aim"] * base.get(r["against"], 0 if r["against"] else 1)
        if aim and aim <= top:
            x = 270 + 300 * aim / top
            out.append(f'<path d="M{x:.1f} {y - 13}v17" stroke="#c33" stroke-width="2"/>')
    y += 20
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{y}" '
            f'font-family="sans-serif" font-size="12">\n<rect width="720" height="{y}" fill="white"/>\n'
            + "\n".join(out) + "\n</svg>\n")


def machine():
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "")
    return {"kernel": platform.release(), "cpu": model, "cpus": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
            "user": "root" if os.geteuid() == 0 else "ordinary"}


def write(out, rounds, results):
    with open(f"{out}/bench.json", "w") as f:
        json.dump({"machine": machine(), "rounds": rounds, "results": results}, f, indent=1)
    for name, rows in results.items():
        with open(f"{out}/{name}.svg", "w") as f:
            f.write(svg(name, rows))
    print(f"\n{out}/bench.json and .svg of each")
