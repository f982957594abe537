#!/usr/bin/env python3
"""Times operators on lavapipe beside ggml's CPU backend with one thread, in turns, and prints a table in Markdown.

bench_ggml.py [ROUNDS]     default 3; a figure is the least of the rounds' medians, since other work on the machine only adds

Needs the program (build/release/scandium) and ggml (Debian: libggml-dev).
"""
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# operator, shape, options of ours; type of weights, sizes of ggml's
CASES = [
    ("silu", "512x1536", "", "f32 512 1536"),
    ("softplus", "512x1536", "", "f32 512 1536"),
    ("swiglu", "512x1536", "", "f32 512 1536"),
    ("add", "512x1536", "", "f32 512 1536"),
    ("rms_norm_gated", "512x1536", "", "f32 512 1536"),
    ("embedding", "512x768,50288", "", "f32 512 768 50288"),
    ("causal_conv1d", "1x512,1792,4", "", "f32 512 1792 4"),
    ("ssd_scan", "1x512,24x64,1,128", "", "f32 512 24 64 128"),
    ("ssd_scan", "1x1,24x64,1,128", "", "f32 1 24 64 128"),
    ("selective_scan", "1x1536x512,16", "", "f32 512 1536 1 16"),
    ("linear", "1x768,3352", "", "f32 1 768 3352"),
    ("linear", "1x768,3352", "--dtype f16", "f16 1 768 3352"),
    ("linear", "1x768,3352", "--dtype f16 --weights q8", "q8_0 1 768 3352"),
    ("linear", "1x768,3352", "--dtype f16 --weights q4", "q4_0 1 768 3352"),
    ("linear", "128x768,3352", "", "f32 128 768 3352"),
    ("linear", "128x768,3352", "--dtype f16", "f16 128 768 3352"),
]


def output_of(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def time_ours(op, shape, options):
    command = [ROOT / "build/release/scandium", "bench", "--device", "llvmpipe", "--op", op, "--shape", shape, *options.split(), "--json", "-"]
    report = json.loads(output_of(command))
    assert report["results"][0]["passed"]
    return report["results"][0]["median_us"], report["device"]


def text(us):
    return f"{us:.0f} us" if us < 1000 else f"{us / 1000:.2f} ms"


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as folder:
        theirs = folder + "/ggml_bench"
        subprocess.run(["c++", "-O2", "-std=c++20", ROOT / "scripts/ggml_bench.cpp", "-o", theirs, "-lggml", "-lggml-base"], check=True)
        best = [[float("inf"), float("inf")] for _ in CASES]
        for n in range(rounds):
            for case, figures in zip(CASES, best):
                print(f"round {n + 1} of {rounds}: {case[0]} {case[1]} {case[2]}", file=sys.stderr)
                us, device = time_ours(*case[:3])
                figures[0] = min(figures[0], us)
                weights, *sizes = case[3].split()
                figures[1] = min(figures[1], float(output_of([theirs, case[0], "1", weights, *sizes]).split()[0]))
    print(f"{device['name']}, {device['driver_info']}\n")
    print("| operator | shape | types | Scandium, lavapipe | ggml, one thread | ggml / Scandium |")
    print("|---|---|---|---|---|---|")
    for (op, shape, options, _), (ours, other) in zip(CASES, best):
        types = options.replace("--dtype ", "").replace(" --weights ", ", weights ") or "f32"
        print(f"| {op} | {shape} | {types} | {text(ours)} | {text(other)} | {other / ours:.2f} |")


if __name__ == "__main__":
    main()
