"""Runs the sample with few agents and checks what it prints: check_agents.py PROGRAM."""
import json
import subprocess
import sys

program = sys.argv[1]


def run(*arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def expect(holds, what, outcome):
    if not holds:
        sys.exit(f"{what}\nexit status {outcome.returncode}\n{outcome.stdout}\n{outcome.stderr}")


small = ["--agents", "100", "--frames", "30", "--hidden", "16"]
outcome = run(*small, "--json")
if outcome.returncode == 3 and "Vulkan device" in outcome.stderr:
    print(outcome.stderr.strip())
    sys.exit(77)
expect(outcome.returncode == 0, "the sample fails", outcome)
found = json.loads(outcome.stdout)
frame = found["frame_ms"]
expect(found["agents"] == 100 and found["frames"] == 30, "not as many agents or frames as asked for", outcome)
expect(0 < frame["median"] <= frame["p95"] <= frame["p99"] <= frame["max"], "frame times are not in order", outcome)
expect(found["gpu_share"] is None or 0 < found["gpu_share"] <= 1, "the GPU's share is none", outcome)
# Lives of 300 frames that begin evenly spread: 10 end in 30 frames.
expect(5 <= found["resets"] <= 15, "agents are not born again", outcome)
expect(0 < found["action_rms"] < 100, "the agents do nothing, or nothing finite", outcome)
expect(json.loads(run(*small, "--json").stdout)["action_rms"] == found["action_rms"], "a second run acts differently", outcome)

outcome = run(*small)
expect(outcome.returncode == 0 and "p99" in outcome.stdout and "GPU" in outcome.stdout, "the text lacks times", outcome)
for wrong in (["--agents", "0"], ["--frames"], ["--agents", "1x"], ["--speed", "9"]):
    outcome = run(*wrong)
    expect(outcome.returncode == 2 and outcome.stderr.startswith("agents: "), f"{wrong} is not refused", outcome)
outcome = run(*small, "--device", "no such device")
expect(outcome.returncode == 3 and outcome.stderr.count("\n") == 1, "a device that is not there is not told", outcome)
outcome = run(*small, "--weights", "/nowhere/policy.safetensors")
expect(outcome.returncode == 2 and "/nowhere/policy.safetensors" in outcome.stderr, "a missing file is not told", outcome)
