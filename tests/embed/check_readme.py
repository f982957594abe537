"""Checks that README.md quotes the sample as it is: check_readme.py SAMPLE README.

The parts of the sample between the lines `// [embed]` and `// [/embed]`, less their indentation, must stand in
the README, one after the other.
"""
import re
import sys
import textwrap
from pathlib import Path

sample, readme = Path(sys.argv[1]), Path(sys.argv[2])
parts = re.findall(r"^ *// \[embed\]\n(.*?)^ *// \[/embed\]$", sample.read_text(), re.MULTILINE | re.DOTALL)
if not parts:
    sys.exit(f"{sample} marks no part with // [embed]")
if not readme.exists():
    print(f"skipped: there is no {readme.name}")
    sys.exit(77)
text, at = readme.read_text(), 0
for part in map(textwrap.dedent, parts):
    at = text.find(part, at)
    if at < 0:
        sys.exit(f"{readme.name} does not have this part of {sample.name}:\n{part}")
