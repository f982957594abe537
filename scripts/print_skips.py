"""Prints why tests were skipped: python3 scripts/print_skips.py JUNIT_XML (as ctest --output-junit writes it)."""
import sys
import xml.etree.ElementTree as xml

for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
    if case.get("status") == "notrun":
        lines = (case.findtext("system-out") or "").strip().splitlines()
        print(f"skipped  {case.get('name')}: {lines[-1].strip() if lines else 'no reason given'}")
