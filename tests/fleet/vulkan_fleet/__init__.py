"""The parts of the fleet command: which devices there are, running on them, installing them, the report."""
