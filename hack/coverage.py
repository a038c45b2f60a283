#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the tests that ran with MODE=coverage have reached: lines and branches by folder, from what gcov(1) says of each object.

usage: coverage.py DIR      DIR: build/coverage, with .gcno files of the build and .gcda files of every process that could write them
       coverage.py DIR --files      by file
"""
import collections
import json
import os
import subprocess
import sys


def objects(root):
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith(".gcno") and not name.endswith(("_test.gcno", "_fuzz.gcno")):
                yield os.path.join(folder, name)


def reports(paths):
    """One object of gcov's JSON for each file of notes."""
    for at in range(0, len(paths), 50):
        said = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *paths[at:at + 50]],
                              check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        for line in said.splitlines():
            if line.startswith("{"):
                yield json.loads(line)


def collect(root):
    """source -> line -> (reached, branches taken, branches); a header counts once, however many objects include it."""
    sources = collections.defaultdict(dict)
    for report in reports(sorted(objects(root))):
        for entry in report["files"]:
            name = os.path.normpath(entry["file"])
            if name.startswith(("/", "..", "build/", "hack/", "tests/")):
                continue
            for line in entry["lines"]:
                reached, taken, branches = sources[name].get(line["line_number"], (False, 0, 0))
                now = [b["count"] > 0 for b in line["branches"] if not b["throw"]]
                sources[name][line["line_number"]] = (reached or line["count"] > 0, max(taken, sum(now)), max(branches, len(now)))
    return sources


def percent(part, whole):
    return "%5.1f %%" % (100 * part / whole) if whole else "      -"


def main(root, by_file):
    totals = collections.defaultdict(lambda: [0, 0, 0, 0])
    for name, lines in collect(root).items():
        for key in (name if by_file else os.path.dirname(name), "all"):
            t = totals[key]
            t[0] += sum(1 for reached, _, _ in lines.values() if reached)
            t[1] += len(lines)
            t[2] += sum(taken for _, taken, _ in lines.values())
            t[3] += sum(branches for _, _, branches in lines.values())
    if not totals:
        sys.exit("coverage: nothing below %s was built for it (make MODE=coverage)" % root)
    width = max(map(len, totals))
    print("%-*s  %7s %13s  %8s %13s" % (width, "", "lines", "reached", "branches", "taken"))
    for key in sorted(totals, key=lambda k: (k == "all", k)):
        lines, of_lines, branches, of_branches = totals[key]
        print("%-*s  %s %6d/%6d  %s %6d/%6d" % (width, key, percent(lines, of_lines), lines, of_lines,
                                               percent(branches, of_branches), branches, of_branches))


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-") or sys.argv[2:] not in ([], ["--files"]):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:] == ["--files"])
