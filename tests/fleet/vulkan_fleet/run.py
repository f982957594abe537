"""Listing the devices, choosing among them, and running a command on each."""
import fnmatch
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .devices import Device, devices

SKIPPED = 77  # the exit status by which CMD says that it found nothing to do, and fleet that no device did


@dataclass
class Outcome:
    device: Device
    status: str  # PASS, SKIP or FAIL
    detail: str  # how it ended: an exit status, a signal, a time-out
    seconds: float
    output: str


def list_devices(_):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for device in devices():
        lacks = device.lacks()
        kind = "executes" if device.executes else "compiles"
        note = f"  [not here: {lacks}]" if lacks else "  [CMD must be arm64]" if device.arm64 else ""
        print(f"{device.name:13} {kind}  {device.what}{note}")
    return 0


def choose(options):
    """The devices that the options name and that can be used; and a reason for each of those that cannot."""
    wanted = options.only.split(",") if options.only else ["*"]
    everything = devices()
    for pattern in wanted:
        if not any(fnmatch.fnmatch(device.name, pattern) for device in everything):
            sys.exit(f"fleet: no device is called {pattern}")
    chosen, left_out = [], []
    for device in everything:
        if not any(fnmatch.fnmatch(device.name, pattern) for pattern in wanted):
            continue
        if options.executing and not device.executes or options.compile_only and device.executes:
            continue
        if device.lacks():
            left_out.append(f"{device.name} ({device.lacks()})")
        elif device.arm64 and not options.arm64_dir:
            left_out.append(f"{device.name} (--arm64-dir)")
        else:
            chosen.append(device)
    return chosen, left_out


def run_one(device, cmd, options):
    cmd, env = device.command(cmd, options.arm64_dir)
    start = time.monotonic()
    try:
        child = subprocess.Popen(cmd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 start_new_session=True)
    except OSError as error:
        return Outcome(device, "FAIL", str(error), 0, "")
    try:
        output, _ = child.communicate(timeout=options.timeout)
        status = {0: "PASS", SKIPPED: "SKIP"}.get(child.returncode, "FAIL")
        if status == "SKIP" and options.strict and not device.vulkan10:
            status = "FAIL"
        detail = signal.Signals(-child.returncode).name if child.returncode < 0 else f"exit {child.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        output, _ = child.communicate()
        status, detail = "FAIL", "timeout"
    return Outcome(device, status, detail, time.monotonic() - start, output.decode(errors="replace"))


def run_each(chosen, command_for, options):
    """Runs command_for(device) on every device, options.jobs at a time; the outcomes come in the devices' order."""
    with ThreadPoolExecutor(options.jobs) as pool:
        yield from pool.map(lambda device: run_one(device, command_for(device), options), chosen)


def print_outcome(outcome, verbose=False):
    print(f"{outcome.status}  {outcome.device.name:13} {outcome.detail:8} {outcome.seconds:7.2f} s", flush=True)
    lines = outcome.output.splitlines()
    if not verbose:
        lines = {"FAIL": lines[-20:], "SKIP": lines[-1:], "PASS": []}[outcome.status]
    if lines:
        print("\n".join("      " + line for line in lines), flush=True)


def run_devices(options):
    chosen, left_out = choose(options)
    counts = {"PASS": 0, "SKIP": 0, "FAIL": 0}
    for outcome in run_each(chosen, lambda _: options.cmd, options):
        counts[outcome.status] += 1
        print_outcome(outcome, options.verbose)
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    if left_out:
        print("not set up: " + ", ".join(left_out))
    if counts["FAIL"]:
        return 1
    return 0 if counts["PASS"] else SKIPPED
