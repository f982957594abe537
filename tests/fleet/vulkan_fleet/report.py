"""The table of what every pipeline costs on every device: runs compile_pipelines on each and gathers its figures."""
import json
import sys
import tempfile
from pathlib import Path

from .run import choose, print_outcome, run_each

VARIANTS = ("scalar", "subgroup", "coopmat")

# What the drivers call their registers, and what they move to memory for want of them.
REGISTERS = ("VGPRs", "Registers used", "GPRs", "Number of GPRs", "Max live registers", "Temp count")
SPILLS = ("Spilled VGPRs", "Spilled SGPRs", "STP Count", "Spills", "Spills to memory", "Spill Size", "Spill count")

HEAD = """# Pipelines on every device of the fleet

Generated, not written: after building,

    cmake --build --preset release --target fleet_arm64
    tests/fleet/fleet report --program build/release/tests/compile_pipelines --arm64-dir build/release/tests/arm64 -o docs/fleet.md

compiles the pipelines of every operator on each device that is set up (`tests/fleet/README.md`): every variant, algorithm and way
to memory, for the shapes and types in `tests/fleet/plan_cases_*.cpp`. Lavapipe and SwiftShader run shaders;
on all others the driver's own compiler makes machine code, and nothing runs. Registers and spills are the largest of any
pipeline, in the driver's own unit and word; "–" where it gives none. Shared memory is what the shaders declare. Mali's and
PowerVR's drivers run under an emulator here, so they compile a case of each operator only.
"""


def largest(kernels, names):
    """(value, name) of the largest of these statistics, of the first that the driver gives if all are 0; None if it gives none."""
    found = [(kernel["statistics"][name], name) for name in names for kernel in kernels if name in kernel["statistics"]]
    return max(found, key=lambda figure: figure[0], default=None)


def spills(kernel):
    return {name: kernel["statistics"][name] for name in SPILLS if kernel["statistics"].get(name)}


def cell(figure):
    return f"{figure[0]} {figure[1]}" if figure else "–"


def subgroup_sizes(data):
    least, usual, most = data["min_subgroup_size"], data["subgroup_size"], data["max_subgroup_size"]
    return str(usual) if least == most else f"{usual} ({least}–{most})"


def row(device, outcome, data):
    """The table's line for one device."""
    if outcome.status == "SKIP":
        return f"| {device.name} | {device.what} | | 1.0: not served | | | | | | |"
    if data is None:
        return f"| {device.name} | {device.what} | | **failed**: {outcome.detail} | | | | | | |"
    kernels = data["kernels"]
    variants = [variant for variant in VARIANTS if any(kernel["variant"] == variant for kernel in kernels)]
    pipelines = sum(plan["pipelines"] for plan in data["plans"])
    failed = sum(plan["status"] == "FAILED" for plan in data["plans"])
    return " | ".join((
        f"| {device.name}", device.what, f"{data['driver']} {data['driver_info']}".strip(), data["vulkan"], subgroup_sizes(data),
        ", ".join(variants), f"{pipelines}" + (f", **{failed} plans failed**" if failed else ""), cell(largest(kernels, REGISTERS)),
        cell(largest(kernels, SPILLS)), f"{max(kernel['shared_memory'] for kernel in kernels)} |"))


def spill_lines(results):
    """One line per device with the kernels that spill, worst first."""
    for device, _, data in results:
        worst = {}
        for kernel in data["kernels"] if data else ():
            for name, value in spills(kernel).items():
                key = (kernel["kernel"], name)
                worst[key] = max(worst.get(key, 0), value)
        if worst:
            ordered = sorted(worst.items(), key=lambda item: (-item[1], item[0]))
            yield f"- {device.name}: " + ", ".join(f"`{kernel}` {value} {name}" for (kernel, name), value in ordered)


def reason_lines(results):
    """Why plans were left out: one line per reason, with the devices that it holds for."""
    reasons = {}
    for device, _, data in results:
        for plan in data["plans"] if data else ():
            if plan["status"] == "skipped":
                names = reasons.setdefault(plan["reason"], [])
                if device.name not in names:
                    names.append(device.name)
    for reason, names in sorted(reasons.items()):
        yield f"- {reason}: {', '.join(names)}"


def text_of(results, left_out):
    served = [data for _, _, data in results if data]
    lines = [HEAD, f"{len(served)} devices, {sum(plan['pipelines'] for data in served for plan in data['plans'])} pipelines.", "",
             "| name | device | driver | Vulkan | subgroup | variants | pipelines | registers | spills | shared memory, bytes |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    lines += [row(*result) for result in results]
    for title, section in (("Kernels that spill", spill_lines(results)), ("Variants left out, and why", reason_lines(results)),
                           ("Devices that were not set up", (f"- {name}" for name in left_out))):
        section = list(section)
        if section:
            lines += ["", f"## {title}", "", *section]
    return "\n".join(lines) + "\n"


def write_report(options):
    chosen, left_out = choose(options)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        def file_of(device):
            return Path(folder) / f"{device.name}.json"

        def command_for(device):
            return [options.program, "--json", str(file_of(device))] + (["--quick"] if device.arm64 else [])

        for outcome in run_each(chosen, command_for, options):
            print_outcome(outcome)
            path = file_of(outcome.device)
            results.append((outcome.device, outcome, json.loads(path.read_text()) if path.exists() else None))
    text = text_of(results, left_out)
    if options.output:
        Path(options.output).write_text(text)
    else:
        sys.stdout.write(text)
    return 1 if any(outcome.status == "FAIL" for _, outcome, _ in results) else 0
