# SPDX-License-Identifier: Apache-2.0
"""Samples to medians, spread, ratios and a table; the document that keeps it."""
import dataclasses
import json
import os
import platform
import statistics
import subprocess

MARK = "<!-- above: written by `make bench`; below: written by hand, and kept -->"


@dataclasses.dataclass
class Aim:
    """`op` is "<=" or ">=". Of a line's own value, or of ours divided by it."""
    op: str
    limit: float
    of_ratio: bool = True

    def is_met(self, value):
        return value <= self.limit if self.op == "<=" else value >= self.limit


@dataclasses.dataclass
class Line:
    what: str
    values: list
    aim: Aim | None = None

    def median(self):
        return statistics.median(self.values)


@dataclasses.dataclass
class Group:
    """One row of the table of aims: our line first, then those beside it."""
    name: str
    title: str
    unit: str
    lines: list
    note: str = ""
    is_beside: bool = True  # else the lines are parts of a whole, and no ratio means anything


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(values):
    """The middle half, which one slow run does not move."""
    if len(values) < 4:
        return f"{number(min(values))} – {number(max(values))}" if len(values) > 1 else ""
    quarters = statistics.quantiles(values, n=4)
    return f"{number(quarters[0])} – {number(quarters[2])}"


def cells(group):
    """The table's rows, a list of strings each."""
    ours = group.lines[0].median()
    for i, line in enumerate(group.lines):
        ratio = "" if i == 0 or not group.is_beside else f"{ours / line.median():.2f}"
        aim = verdict = ""
        if line.aim:
            aim = {"<=": "≤", ">=": "≥"}[line.aim.op] + f" {line.aim.limit:g}" + ("" if line.aim.of_ratio else f" {group.unit}")
            verdict = "met" if line.aim.is_met(ours / line.median() if line.aim.of_ratio else line.median()) else "MISSED"
        yield [group.name if i == 0 else "", line.what, f"{number(line.median())} {group.unit}", spread(line.values), str(len(line.values)),
               ratio, aim, verdict]


HEAD = ["row", "what", "median", "middle half", "runs", "ours ÷ it", "aim", ""]


def text(groups):
    rows = [HEAD] + [row for group in groups for row in cells(group)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def markdown(groups):
    out = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    out += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for group in groups for row in cells(group)]
    out += ["", "What the rows are:", ""]
    out += [f"- **{group.name}** – {group.title}. {group.note}".rstrip() for group in groups]
    return "\n".join(out)


def save(path, groups):
    with open(path, "w", encoding="utf-8") as f:
        json.dump([dataclasses.asdict(group) for group in groups], f)


def load(path):
    with open(path, encoding="utf-8") as f:
        groups = json.load(f)
    for group in groups:
        group["lines"] = [Line(line["what"], line["values"], Aim(**line["aim"]) if line["aim"] else None) for line in group["lines"]]
    return [Group(**group) for group in groups]


def package_version(name):
    said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], check=False, capture_output=True, text=True)
    return f"{name} {said.stdout or '?'}"


def machine(load_before, reps):
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    with open("/proc/meminfo", encoding="utf-8") as f:
        memory = int(f.readline().split()[1]) >> 20
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    commit = subprocess.run(["git", "-c", f"safe.directory={source}", "-C", source, "rev-parse", "--short=12", "HEAD"], check=False,
                            capture_output=True, text=True).stdout.strip()
    with open(source + "/VERSION", encoding="utf-8") as f:
        version = f.read().strip()
    peers = ", ".join(package_version(name) for name in ("crun", "runc", "conmon", "bubblewrap", "podman", "openssh-server", "openssl"))
    layout = "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "hybrid" if os.path.exists(
        "/sys/fs/cgroup/unified/cgroup.controllers") else "v1"
    return (f"joblet {version} ({commit or 'not committed'}); Linux {platform.release()}, cgroup {layout}; {os.cpu_count()} × {model}, "
            f"{memory} GiB; load {load_before[0]:.2f} before the run; {reps} rounds.\nBeside: {peers}.")


def write_document(path, groups, machine_text):
    """Above the mark everything is written anew; below it stays what people wrote."""
    by_hand = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            by_hand = f.read().partition(MARK)[2]
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write("# Benchmarks\n\nAbsolute times mean nothing on a shared machine; ratios do. Everything below was measured in one run of "
                "`make bench`, all taking turns.\n\n" + markdown(groups) + "\n\n" + machine_text + "\n\n" + MARK + (by_hand or "\n"))
    os.replace(path + ".tmp", path)
