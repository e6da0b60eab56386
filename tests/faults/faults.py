"""Tries to break what docs/guarantees.md promises: see run.sh."""

import argparse
import datetime
import importlib
import pathlib
import random
import shutil
import sys
import tempfile
import time
import traceback

from harness import report
from harness.scenario import Context, Skipped
from harness.server import Issuer, World

# In the order in which they run. Each is a module with a `run(context)`.
SCENARIOS = {
    "kill": "kill -9 at random moments under load",
    "power_loss": "power loss: disks as they may stand after a cut",
    "damage": "bit flips, truncations and removals in every kind of file",
    "fsync_error": "EIO from fsync and write",
    "operations_fail": "ENOSPC and EMFILE from file operations",
    "full_disk": "a full disk of its own",
    "full_disk_restart": "a disk that was filled, a restart, and then a drain, again and again",
    "descriptors": "no file descriptors left",
    "queue_bytes": "an organisasjon that fills its part of the queues",
    "strangers": "silent and slow strangers, and tenants that take all they can get",
    "memory": "little memory, much queued, slow consumers",
    "crafted": "little memory, and requests that are made to take many times their size",
    "bodies": "little memory, bodies left unfinished, downloads and consumers that do not read",
    "clock": "jumps of the wall clock",
    "issuer": "token issuer and login provider away",
    "postgres": "PostgreSQL killed, slow, restored",
    "herd": "all clients come back at once",
    "backup": "backup under load, restore in an empty place, either killed, bytes flipped",
    "parts": "each part of an installation gone, empty, wiped, cut, another's, unreadable",
    "network": "partition, loss, delay, half-open connections",
    "stop": "planned stops with clients that recover, are killed, are frozen",
}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("binary", type=pathlib.Path)
    arguments.add_argument("--inspect", type=pathlib.Path, help="the example `inspect` of knutepunkt-broker-embedded")
    size = arguments.add_mutually_exclusive_group(required=True)
    size.add_argument("--kort", action="store_true", help="minutes: for every change")
    size.add_argument("--lang", action="store_true", help="hours: for a release")
    arguments.add_argument("--bare", action="append", choices=SCENARIOS, help="only this one; may be given again")
    arguments.add_argument("--rapport", type=pathlib.Path, help="writes a report in Markdown, or its rows into one")
    arguments.add_argument("--seed", type=int, default=None)
    arguments.add_argument("--behold", action="store_true", help="keep the folders")
    options = arguments.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="knutepunkt-faults-"))
    begun = datetime.datetime.now(datetime.UTC)
    try:
        results = run_all(options, folder, seed)
    finally:
        if options.behold:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.rapport:
        report.write(options.rapport, report.Run(options.lang, seed, begun, options.binary.resolve()), SCENARIOS, results)
    bad = [result for result in results if result.state in ("BROKEN", "SKIPPED")]
    print(f"\n{len(results) - len(bad)} of {len(results)} hold; {sum(r.took for r in results):.0f} s")
    # What could not run proves nothing.
    sys.exit(1 if bad else 0)


def run_all(options, folder, seed):
    """Runs each scenario and says at once how it went."""
    world, issuer = World(options.binary.resolve(), folder), Issuer(folder)
    inspect = options.inspect.resolve() if options.inspect else None
    results = []
    for name in options.bare or SCENARIOS:
        print(f"\n--- {name}: {SCENARIOS[name]}", flush=True)
        context = Context(options.binary.resolve(), inspect, folder, options.lang, seed, world, issuer)
        began, counts, faults = time.monotonic(), {}, []
        try:
            verdict = importlib.import_module(f"scenarios.{name}").run(context)
            counts, faults = verdict.counts, verdict.faults
            state = "BROKEN" if faults else "holds"
        except Skipped as skipped:
            state, faults = "SKIPPED", [str(skipped)]
        except Exception:  # pylint: disable=broad-except
            # One that breaks down must not hide what the others find.
            state, faults = "BROKEN", [traceback.format_exc()]
        took = time.monotonic() - began
        print(", ".join(f"{what}: {count}" for what, count in counts.items()))
        for fault in faults[:report.MOST_SHOWN]:
            print(f"{state}: {fault}")
        if len(faults) > report.MOST_SHOWN:
            print(f"and {len(faults) - report.MOST_SHOWN} more")
        print(f"{name} {state} ({took:.0f} s)", flush=True)
        if faults:
            for log in sorted(folder.glob(f"{name.replace('_', '-')}*/server.log")):
                print(f"the end of {log.parent.name}:\n{log.read_text(errors='replace')[-2_000:]}")
        if not options.behold:
            for left in folder.glob(f"{name.replace('_', '-')}*"):
                shutil.rmtree(left, ignore_errors=True)
        results.append(report.Result(name, state, took, counts, faults))
    return results


if __name__ == "__main__":
    main()
