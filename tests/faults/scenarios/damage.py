"""Bit flips, truncations and removals in every kind of file of the data folder.

After each the server either serves all that was accepted, says exactly what is missing (a serverfeil to the sender and a
line in its log), or refuses to start and says why. Never silently less, never a panic, never a hang.
"""

import collections
import random
import re
import shutil
import time

from harness.load import Load
from harness.model import judge
from harness.scenario import Verdict
from harness.server import Ended

# Of the product; `dev` keeps more beside it.
OURS = re.compile(r"^(ko|dokumentlager|register|passord|installasjon)")
DAMAGES = ("flip", "cut one byte", "cut in half", "empty", "remove")
SIZES = [0] * 4 + [1_000] * 4 + [300_000] * 4 + [6_000_000]


def kind_of(name):
    """A name in which what differs from file to file is left out."""
    name = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27,}|[0-9a-f]{32}", "ID", name)
    return re.sub(r"\d+", "N", name)


def break_file(path, damage, choose):
    size = path.stat().st_size
    if damage == "remove":
        path.unlink()
        return "removed"
    with path.open("r+b") as file:
        if damage == "flip":
            at = choose.randrange(size)
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ (1 << choose.randrange(8))]))
            return f"one bit of byte {at} of {size} flipped"
        length = {"cut one byte": size - 1, "cut in half": size // 2, "empty": 0}[damage]
        file.truncate(length)
        return f"cut from {size} to {length} bytes"


def filled(context):
    """A data folder with meldinger in it, as a kill leaves it, and what was accepted into it."""
    server = context.server("damage", config="[lager]\nmin_free_bytes = 0\n").start()
    load = Load(server, senders=4, sizes=SIZES, seed=context.seed, receive=False).start()
    load.more(context.of(250, 600))
    # In order once, so that there are tables, and killed after more, so that the journal has something of its own.
    load.stop_sending.set()
    for sender in load.senders:
        sender.join()
    server.stop()
    server.start()
    more = Load(server, senders=2, sizes=SIZES, seed=context.seed + 1, receive=False).start()
    more.more(40)
    more.stop_sending.set()
    for sender in more.senders:
        sender.join()
    server.kill()
    return server, load.history.accepted | more.history.accepted


def run(context):
    server, accepted = filled(context)
    whole = server.folder / "whole"
    server.data.rename(whole)
    kinds = collections.defaultdict(list)
    for path in sorted(whole.rglob("*")):
        name = str(path.relative_to(whole))
        if path.is_file() and OURS.match(name) and path.stat().st_size and not name.endswith("-shm"):
            kinds[kind_of(name)].append(name)
    choose = random.Random(context.seed)
    outcomes = collections.Counter()
    faults, cases = [], 0
    for kind, names in kinds.items():
        damages = DAMAGES if context.long else choose.sample(DAMAGES, 2)
        for damage in damages:
            for _ in range(context.of(1, 6 if damage == "flip" else 2)):
                name = choose.choice(names)
                shutil.rmtree(server.data, ignore_errors=True)
                shutil.copytree(whole, server.data, ignore=shutil.ignore_patterns("*.sock"))
                done = break_file(server.data / name, damage, choose)
                cases += 1
                outcome, found = look(server, accepted)
                outcomes[outcome] += 1
                faults += [f"{name}, {done}: {text}" for text in found]
    counts = {"kinds of files": len(kinds), "cases": cases, "accepted": len(accepted)} | dict(sorted(outcomes.items()))
    return Verdict(counts, faults)


def look(server, accepted):
    """Starts on the damaged folder and reads all that is there. Gives the outcome and what is wrong with it."""
    before = server.log.stat().st_size
    try:
        server.start(60)
    except Ended as ended:
        said = ended.said
        if ended.code < 0 or "panicked" in said:
            return "broke down", [f"the process ended with {ended.code}: {said[-300:]}"]
        return "refused", [] if "knutepunkt:" in said else ["it refused without a word"]
    except AssertionError as slow:
        server.kill()
        return "hung", [str(slow)]
    drain = Load(server, senders=0, sizes=SIZES, prefetch=100)
    drain.history.accepted.update(accepted)
    drain.start()
    # Until nothing is missing, or nothing has come for a while.
    last, since = -1, time.monotonic()
    while drain.history.missing() and time.monotonic() < since + 4:
        seen = len(drain.history.deliveries) + len(drain.history.kvitteringer)
        if seen != last:
            last, since = seen, time.monotonic()
        time.sleep(0.02)
    history = drain.finish(deadline=0)
    alive = server.process.poll() is None
    server.kill()
    said = server.log.read_bytes()[before:].decode(errors="replace")
    faults = judge(history, expected_refusals=(503,), may_die=True)
    if len(faults) > 3:
        faults = [*faults[:2], f"and {len(faults) - 2} more like that, of {len(accepted)}"]
    if "panicked" in said:
        faults.append("it panicked")
    if not alive and faults:
        return "ended later", faults
    named = set(history.kvitteringer) | history.damaged
    if named:
        unnamed = [melding_id for melding_id in named if melding_id not in said]
        faults += [f"set aside without a line in the log: {melding_id}" for melding_id in unnamed[:3]]
        return "set aside and said", faults
    return ("silently less" if faults else "served all"), faults
