#!/usr/bin/env python3
"""Prints results of `scandium bench --json FILE` as a table in Markdown: bench_table.py FILE..."""
import json
import sys


def time_text(us):
    return f"{us:.1f} us" if us < 1000 else f"{us / 1000:.3f} ms"


def row(result):
    what = [result["op"], result["shape"], result["dtype"] + (f", states {result['state_dtype']}" if "state_dtype" in result else "")]
    if result.get("weights", "dense") != "dense":
        what[2] += f", weights {result['weights']}"
    if "unsupported" in result:
        return [*what, "cannot run: " + result["unsupported"], "", "", "", ""]
    error = max(e["error"] for e in result["errors"] if e["error"] is not None)
    share = result["memory_share"]
    return [*what, time_text(result["median_us"]), f"{time_text(result['min_us'])} to {time_text(result['max_us'])}",
            f"{result['gb_per_s']:.0f}" + (f" ({100 * share:.0f} %)" if share else ""),
            f"{result['tflops']:.3g}" if result["tflops"] else "", f"{error:.2g}" + ("" if result["passed"] else " FAILED")]


def main():
    files = [json.load(open(path, encoding="utf-8")) for path in sys.argv[1:]]
    if not files:
        sys.exit(__doc__)
    device = files[0]["device"]
    ceilings = [f["memory_ceiling_gb_per_s"] for f in files if f["memory_ceiling_gb_per_s"]]
    print(f"{device['name']}, {device['driver']} {device['driver_info']}, Vulkan {device['api_version']}; "
          f"memory ceiling {max(ceilings):.0f} GB/s (add, f32)\n")
    print("| operator | shape | dtype | median | range | GB/s (share) | TFLOP/s | error |")
    print("|---|---|---|---|---|---|---|---|")
    for file in files:
        for result in file["results"]:
            print("| " + " | ".join(row(result)) + " |")


if __name__ == "__main__":
    main()
