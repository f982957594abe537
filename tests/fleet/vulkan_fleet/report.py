def write_report(options): pass
