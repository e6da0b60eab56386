"""The report of how scenarios went, in Markdown: a row each, of the last run of each."""

import dataclasses
import os
import pathlib
import platform
import re
import subprocess

HEAD = """# Reliability report

Written by `tests/faults/run.sh`, and never by hand. What is promised, and by which test it is tried:
[guarantees.md](guarantees.md). A scenario that runs again replaces its row and no other, so each row has the commit that it
is of. BROKEN and SKIPPED stand here as they came.
"""
COLUMNS = ["Scenario", "Verdict", "Form, seed", "Commit", "When, UTC", "Seconds", "Counts"]
OF_SCENARIO = re.compile(r"^\| .*\(`(\w+)`\) \|")
MOST_SHOWN = 12


@dataclasses.dataclass
class Run:
    """What all scenarios of one run have in common."""

    is_long: bool
    seed: int
    begun: object
    binary: pathlib.Path


@dataclasses.dataclass
class Result:
    """How one scenario went."""

    name: str
    state: str
    took: float
    counts: dict
    faults: list


def write(path, run, scenarios, results):
    """Writes the report at `path`: rows of `results`, and those of other scenarios as they stand there."""
    here = machine()
    before = path.read_text() if path.exists() else ""
    rows = {}
    # Figures of another machine say nothing beside these.
    if f"\n{here}\n" in before:
        rows = {found[1]: line for line in before.splitlines() if (found := OF_SCENARIO.match(line))}
    for result in results:
        rows[result.name] = row(run, scenarios[result.name], result)
    table = [cells(COLUMNS), cells(["---"] * len(COLUMNS))] + [rows[name] for name in scenarios if name in rows]
    path.write_text("\n".join([HEAD, here, "", *table]) + "\n")


def row(run, description, result):
    """One line of the table."""
    shown = [f"{what}: {count}" for what, count in result.counts.items()]
    shown += [f"**{fault.strip().splitlines()[-1].strip()[:300]}**" for fault in result.faults[:MOST_SHOWN]]
    if len(result.faults) > MOST_SHOWN:
        shown.append(f"and {len(result.faults) - MOST_SHOWN} more")
    return cells([
        f"{description} (`{result.name}`)",
        result.state,
        f"{'long' if run.is_long else 'short'}, {run.seed}",
        commit(run.binary),
        f"{run.begun:%Y-%m-%d %H:%M}",
        f"{result.took:.0f}",
        ", ".join(shown),
    ])


def cells(texts):
    """A row of a table in Markdown."""
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"


def commit(binary):
    """The commit of the checkout, with the version that the binary says."""
    of = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return f"`{of}`, {version}"


def machine():
    """Processors, memory and system, in a line."""
    memory = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    model = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    processor = model[0].split(":")[1].strip() if model else platform.machine()
    return f"Machine: {os.cpu_count()} × {processor}, {int(memory.split()[1]) >> 20} GB, Linux {platform.release()}."
