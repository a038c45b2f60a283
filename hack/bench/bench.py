#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures joblet beside its peers, in one run, and prints one table of medians, spread and ratios.

usage: bench.py [--reps N] [--out FILE] [ROW…]     rows: see --help; all of them when none is named

Rows are in row_*.py, one file a kind of row. Everything runs in namespaces and a folder of its own (place.py): what this process leaves
behind when it is killed is a folder and cgroups that the next run removes; there is no process, no mount and no port.
"""
import argparse
import importlib
import os
import subprocess
import sys

sys.dont_write_bytecode = True

import place  # noqa: E402
import report  # noqa: E402

# In the order of the table; each module has `rows`: name -> function(place, reps) -> list of report.Group.
MODULES = ("row_start", "row_shim", "row_job", "row_running", "row_history", "row_follow", "row_count")


def all_rows():
    rows = {}
    for name in MODULES:
        rows.update(importlib.import_module(name).rows)
    return rows


def measure(here, names, reps):
    """Inside the namespaces."""
    rows = all_rows()
    groups = []
    for name in names or rows:
        print(f"== {name}", flush=True)
        found = rows[name](here, reps)
        print(report.text(found), flush=True)
        groups += found
    report.save(here.path("results.json"), groups)


def main():
    rows = all_rows()
    parser = argparse.ArgumentParser(description="rows: " + " ".join(rows))
    parser.add_argument("--reps", type=int, default=10, help="rounds in which all take their turn (default %(default)s)")
    parser.add_argument("--out", help="the document to write the table into; what is below its mark stays")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("row", nargs="*")
    args = parser.parse_args()
    unknown = [name for name in args.row if name not in rows]
    if unknown or args.reps < 1:
        parser.error(f"no such row: {unknown[0]}; there are {' '.join(rows)}" if unknown else "--reps must be 1 or more")
    if args.inside:
        measure(place.Place(args.inside), args.row, args.reps)
        return 0
    for program in ("rnx", "jobletd", "joblet-shim", "joblet-runtime", "bench-tool", "bench-load"):
        if not os.access(f"{place.BIN}/{program}", os.X_OK):
            sys.exit(f"bench: {program} is not built: run make first")
    with place.outside() as workdir:
        before = os.getloadavg()
        status = place.run_inside(workdir, [os.path.abspath(__file__), "--inside", workdir, "--reps", str(args.reps), *args.row])
        if status:
            return status
        groups = report.load(workdir + "/results.json")
    machine = report.machine(before, args.reps)
    print("\n" + report.text(groups) + "\n" + machine)
    if args.out:
        report.write_document(args.out, groups, machine)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as e:
        sys.exit(f"bench: {e}\n{(e.stderr or b'').decode(errors='replace') if isinstance(e.stderr, bytes) else e.stderr or ''}")
