#!/usr/bin/env python3
"""Plants one-line faults in a copy of the shaders, one at a time, and checks that the tests named beside each find it.

    mutants.py SOURCE BUILD [--quick] [--only NAME...] [--list]

The copy lies in BUILD with a build of its own (a shared library, so that a fault rebuilds nothing else). Exits with 1 if
a fault survives, if a fault no longer fits the shader that it was written for, or if a test fails without any fault.
"""
import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import time

CATCH_TESTS_FAILED = 42
TEST_SECONDS = 600


@dataclasses.dataclass
class Mutant:
    name: str
    file: str  # under shaders/
    old: str  # occurs exactly once
    new: str
    tests: list  # names of tests; each must fail
    environment: dict = dataclasses.field(default_factory=dict)
    quick: bool = False


MUTANTS = [
    Mutant("state not carried from chunk to chunk", "ssd_state_passing.comp",
           "fma(state, decay(total[i]), added[i])", "added[i]",
           ["chunked and recurrent agree", "the state at each chunk boundary"], quick=True),
    Mutant("state not carried from token to token", "ssd_recurrent.comp",
           "fma(state[r * COLUMNS + j], keep, added)", "added", ["any number of tokens"]),
    Mutant("state not carried from tile to tile", "ssd_recurrent_tile.comp", "float after = all * state[n + i];", "float after = 0.0;",
           ["chunked and recurrent agree"]),
    Mutant("tile: its first token left out of its last", "ssd_recurrent_tile.comp", "if (back <= t) {", "if (back <= t && back < 3) {",
           ["any number of tokens"]),
    Mutant("tile: goes on past the last token", "ssd_recurrent_tile.comp", "inside ? step * x : 0.0", "step * x", ["any number of tokens"]),
    Mutant("tile: sequence goes on into the next", "ssd_recurrent_tile.comp", "if (restarts(at, token)) forget();", "",
           ["sequences packed with seq_idx give what each gives alone, bit for bit"]),
    Mutant("causal mask off by one", "ssd_chunk_scan.comp", "return k <= t ?", "return k < t ?",
           ["any number of tokens"], quick=True),
    # As good as zero; spirv-opt gives up on a constant in a module that has 16-bit storage and no 16-bit arithmetic.
    Mutant("output zero", "ssd_chunk_scan.comp", "float out_value = value;", "float out_value = value * 1e-30;",
           ["any number of tokens"], quick=True),
    Mutant("wrong group", "ssd_chunk_state.comp", "h / HEADS_PER_GROUP * B_s2", "0 * B_s2", ["heads in groups"]),
    Mutant("tail of the product skipped", "ssd_chunk_scan.comp", "min(count, t0 + TILE_M)", "min(count, t0 + TILE_M) / TILE_K * TILE_K",
           ["any number of tokens"]),
    Mutant("last, partial chunk skipped", "lib/ssd_chunk.glsl", "(push.header[HEADER_TOKENS] + CHUNK_SIZE - 1) / CHUNK_SIZE",
           "push.header[HEADER_TOKENS] / CHUNK_SIZE", ["any number of tokens"]),
    Mutant("barrier dropped before tiles are read", "lib/product_scalar.glsl", "        barrier();  // the tiles are complete\n", "",
           ["any number of tokens"]),
    Mutant("barrier dropped before a block's steps are read", "ssd_recurrent.comp", "    barrier();  // the block is complete\n", "",
           ["any number of tokens"], quick=True),
    Mutant("initial_states ignored", "ssd_state_passing.comp", "return initial_states_load(row * initial_states_s0 + at);",
           "return 0.0;", ["each option alone"]),
    Mutant("D of another head", "lib/ssd_recurrent.glsl", "D_load(at.h * D_s0 + p * D_s1)", "D_load(p * D_s1)", ["each option alone"]),
    Mutant("dt_max ignored", "lib/ssd_dt.glsl", "clamp(DT_SOFTPLUS ? softplus(v) : v, DT_MIN, DT_MAX)",
           "max(DT_SOFTPLUS ? softplus(v) : v, DT_MIN)", ["a huge dt is held by dt_max, with and without softplus"]),
    Mutant("NaN in dt dropped", "lib/ssd_dt.glsl", "return nan_of(v, clamp(", "return (clamp(",
           ["a NaN stays in its own head and sequence, and is not lost"]),
    Mutant("NaN in A dropped", "lib/ssd_dt.glsl", "return nan_of(step * a, step);", "return step;",
           ["a NaN stays in its own head and sequence, and is not lost"]),
    Mutant("computed operands not scaled into f16's range", "lib/product_coopmat.glsl",
           "if (a_is_exact(phase) && b_is_exact(phase)) return 1.0;", "if (true) return 1.0;", ["operands that 16 bits do not hold"]),
    Mutant("sum not carried from subgroup to subgroup", "ssd_chunk_cumsum.comp",
           "add(carry, subgroup_inclusive_sum(term(step, a)))", "subgroup_inclusive_sum(term(step, a))", ["any number of tokens"]),
    Mutant("bf16 truncated", "lib/floats.glsl", "bits + 0x7fffu + ((bits >> 16) & 1u)", "bits",
           ["rounding to 16 bits is to nearest even"]),
    Mutant("sequence goes on into the next, by chunks", "ssd_state_passing.comp", "if (chunk.starts) state =",
           "if (false) state =", ["sequences packed with seq_idx give what each gives alone, bit for bit"]),
    Mutant("sequence goes on into the next, by tokens", "ssd_recurrent.comp", "restart_of[min(i, BLOCK - 1)] != 0) forget();",
           "false) forget();", ["sequences packed with seq_idx give what each gives alone, bit for bit"]),
    Mutant("y written past headdim", "lib/ssd_recurrent.glsl", "    if (p >= HEADDIM) return;\n", "", ["any headdim"]),
    Mutant("half of a word not cleared before it is set", "lib/tensor.glsl",
           "        atomicAnd(HALF_WORD(NAME, at >> 1), ~(0xffffu << shift));             \\\n", "",
           ["x, B, C, z and y in each type"], environment={"SCANDIUM_TEST_FEATURES": "none"}),
    Mutant("segment takes up no state", "selective_scan.comp", "fma(state[j], exp2(passed * rates[j]), added)", "added",
           ["selective_scan: the result does not depend on segments"]),
    Mutant("state kept where a sequence starts", "selective_scan.comp", "if (PACKING == PACKING_SEQ_IDX && restart) state[j] = 0.0;", "",
           ["selective_scan: sequences packed with seq_idx give what each gives alone, bit for bit"]),
    Mutant("sums of another lane's tokens", "selective_scan.comp", "upper ? sums[k] : sums[k + kept]", "upper ? sums[k + kept] : sums[k]",
           ["selective_scan: any dstate"]),
    Mutant("step past the recorded tokens", "selective_scan.comp", "own_step[e] = mix(0.0, own_step[e], within);",
           "", ["selective_scan: fewer tokens than planned"]),
    Mutant("tail of a normalised group skipped", "rms_norm_gated.comp",
           "return before < GROUP_SIZE ? min(GROUP_SIZE - before, PACK) : 0;",
           "return before + PACK <= GROUP_SIZE ? PACK : 0;", ["norm: sizes that fill no pack, team or workgroup"]),
    Mutant("weight of another group", "rms_norm_gated.comp", "weight_get(j * weight_s0, weight_s0, count)",
           "weight_get((j - at.first) * weight_s0, weight_s0, count)", ["norm: groups of any size"]),
    Mutant("gate at the wrong side of the norm", "rms_norm_gated.comp",
           "if (z_present && !NORM_FIRST) keep_value", "if (z_present) keep_value", ["norm: each option alone"]),
    Mutant("residual_out without the residual", "rms_norm_gated_words.comp",
           "return residual_present ? v +", "return residual_present && !residual_out_present ? v +",
           ["norm: every option together, in both orders and kinds"]),
    Mutant("token limit ignored", "elementwise.comp", "TOKEN_AXIS == 1 && at.i1 >= tokens || ", "",
           ["elementwise: fewer tokens than planned, along any axis"]),
    Mutant("unknown id reads the table", "embedding.comp", "is_here ? count : 0", "count",
           ["embedding: element types are converted"]),
    Mutant("segment one element too long", "segsum.comp", "lessThan(uvec4(0, 1, 2, 3) + j, uvec4(i))",
           "lessThanEqual(uvec4(0, 1, 2, 3) + j, uvec4(i))", ["segsum: sequences of any length"]),
    Mutant("scale of the block before", "lib/linear.glsl", "k / BLOCK * scales_s1", "(k - min(k, 1)) / BLOCK * scales_s1",
           ["linear: integers with scales of each type"]),
    Mutant("last unit of a row of weights left out", "linear_few.comp", "if (k >= IN) continue;", "if (k + UNIT > IN) continue;",
           ["linear: in_features that fill no step"]),
    Mutant("bias of the tile's first columns", "lib/linear.glsl", "bias_get(o * bias_s0,", "bias_get(o % 16 * bias_s0,",
           ["linear: each way to multiply by each way to memory"]),
    Mutant("fused: state not carried", "lib/ssd_fused_product.glsl", "state[m][n] *= keep;", "state[m][n] *= 0.0 * keep;",
           ["fused: every option, and fewer tokens than planned"]),
    Mutant("fused: causal mask off by one", "lib/ssd_fused_stage.glsl", "4 * half_piece + i <= t ? value[i]",
           "4 * half_piece + i < t ? value[i]", ["fused: every option, and fewer tokens than planned"]),
    Mutant("fused: what rounding M lost left out", "lib/ssd_fused_product.glsl", "    if (SPLIT_M) FOR(k, 0, DEPTHS, add_within_chunk(t, k, 1))\n", "",
           ["fused, with conversions: y in the operands' type, without z, in f16"]),
    Mutant("fused: a head's steps taken for the next", "lib/ssd_fused_steps.glsl", "c * steps_s1 + h * steps_s2", "c * steps_s1 + (h ^ 1) * steps_s2",
           ["fused: every option, and fewer tokens than planned"]),
    Mutant("fused: tokens past the last written", "lib/ssd_fused_stage.glsl",
           "!is_inside_x(k) || token >= push.header[HEADER_TOKENS]) continue", "!is_inside_x(k)) continue",
           ["fused: every option, and fewer tokens than planned"]),
    Mutant("fused: NaN in A dropped", "lib/ssd_fused_steps.glsl", "bias, a) : 0.0", "bias) : 0.0",
           ["fused: a NaN or an infinity is not lost, and leaves what it does not reach as good as it was"]),
    Mutant("fused: decay across segments left out", "lib/ssd_fused_segments.glsl",
           "exp2(min(segment_states_load(place_of_elapsed(place)), 0.0))", "1.0", ["fused: segments of a sequence side by side"]),
    Mutant("fused: f16 out of range", "lib/ssd_fused_scale.glsl", "clamp(14 - (int(bits >> 23) - 127), -40, 40)", "0",
           ["fused: magnitudes beyond f16"]),
]


def run(command, **options):
    return subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def must(command, what):
    done = run(command)
    if done.returncode != 0:
        sys.exit(f"mutants: {what} failed:\n{done.stdout}")


def link_all(paths, folder):
    """Makes `folder` one of links to `paths`, and of nothing else that is a link."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in paths}
    for link in folder.iterdir():
        if link.is_symlink() and link.name not in names:
            link.unlink()
    for path in paths:
        if not (folder / path.name).is_symlink():
            (folder / path.name).symlink_to(path)


def prepare(source, build, chosen):
    """A tree like the project's, but with shaders of its own and only the tests that are needed; returns it and the folder of
    its build."""
    tree, out = build / "tree", build / "build"
    link_all([source / entry for entry in ("CMakeLists.txt", "cmake", "include", "src")], tree)
    link_all([path for path in (source / "tests").iterdir() if path.name != "ops"], tree / "tests")
    wanted = {f'TEST_CASE("{name}")' for mutant in chosen for name in mutant.tests}
    texts = {path: path.read_text() for path in (source / "tests" / "ops").iterdir()}
    if missing := sorted(test for test in wanted if not any(test in text for text in texts.values())):
        sys.exit("mutants: there is no " + ", ".join(missing))
    link_all([path for path, text in texts.items() if any(test in text for test in wanted)], tree / "tests" / "ops")
    restore(source, tree)
    must(["cmake", "-S", tree, "-B", out, "-G", "Ninja", "-DBUILD_SHARED_LIBS=ON", "-DCMAKE_BUILD_TYPE=None",
          "-DSCANDIUM_BUILD_PROGRAM=OFF", "-DSCANDIUM_BUILD_SAMPLES=OFF"], "configuring")
    must(["cmake", "--build", out, "--target", "scandium_ops_tests"], "building without faults")
    return tree, out


def restore(source, tree):
    """Makes the shaders what they are in `source`, touching only files that differ, so that little is compiled again."""
    for path in sorted((source / "shaders").rglob("*")):
        copy = tree / "shaders" / path.relative_to(source / "shaders")
        if path.is_file() and (not copy.exists() or copy.read_bytes() != path.read_bytes()):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def plant(mutant, tree):
    path = tree / "shaders" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        sys.exit(f"mutants: '{mutant.name}' does not fit {mutant.file}, which has its line {text.count(mutant.old)} times")
    path.write_text(text.replace(mutant.old, mutant.new))


def test(out, name, environment):
    """'passed', 'failed', or what else happened."""
    # A comma would separate two tests.
    try:
        done = run([out / "tests" / "scandium_ops_tests", name.replace(",", "\\,")], env={**os.environ, **environment}, timeout=TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"still ran after {TEST_SECONDS} s", ""
    if done.returncode == 0:
        return "passed", done.stdout
    if done.returncode == 77:
        return "skipped", done.stdout
    if done.returncode == CATCH_TESTS_FAILED or done.returncode < 0:
        return "failed", done.stdout
    return f"ended with {done.returncode}", done.stdout


def check_clean(mutants, out):
    for name, environment in sorted({(name, tuple(m.environment.items())) for m in mutants for name in m.tests}):
        state, output = test(out, name, dict(environment))
        if state == "skipped":
            print("skipped:", output.strip().splitlines()[-1])
            sys.exit(77)
        if state != "passed":
            sys.exit(f"mutants: '{name}' {state} without any fault:\n{output}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true", help="a few faults that are quick to build")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if (m.quick or not options.quick) and (not options.only or m.name in options.only)]
    if options.list or not chosen:
        print("\n".join(m.name for m in MUTANTS))
        return 0 if options.list else 1
    source, build = options.source.resolve(), options.build.resolve()
    tree, out = prepare(source, build, chosen)
    check_clean(chosen, out)
    survived = 0
    for mutant in chosen:
        began = time.monotonic()
        plant(mutant, tree)
        must(["cmake", "--build", out, "--target", "scandium_ops_tests"], f"building with '{mutant.name}'")
        states = [(name, test(out, name, mutant.environment)[0]) for name in mutant.tests]
        restore(source, tree)
        found = all(state == "failed" for _, state in states)
        survived += not found
        print(f"{'found   ' if found else 'SURVIVED'} {mutant.name} ({mutant.file}, {time.monotonic() - began:.0f} s): "
              + "; ".join(f"'{name}' {state}" for name, state in states), flush=True)
    print(f"{len(chosen)} faults planted, {len(chosen) - survived} found")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
