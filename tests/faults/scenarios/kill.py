"""`kill -9` at random moments under load, over and over on the same data."""

import random
import time

from harness.load import Load
from harness.model import judge
from harness.scenario import Verdict


def run(context):
    rounds = context.of(40, 1_000)
    choose = random.Random(context.seed)
    server = context.server("kill").start()
    # A melding that is in a consumer's hands in three crashes may be given up; its sender must be told then.
    load = Load(server, senders=6, seed=context.seed).start()
    try:
        for number in range(rounds):
            # Every third kill comes while the server is hardly back, the others wait until it works again.
            if number % 3:
                load.more(20)
            time.sleep(choose.uniform(0, 0.4))
            server.kill()
            server.start()
            if load.history.faults:
                break
        history = load.finish()
    finally:
        load.stop_sending.set()
        load.stop_receiving.set()
        server.kill()
    starts = sorted(server.starts)
    counts = {"rounds": rounds} | load.counts()
    counts |= {"start, median s": round(starts[len(starts) // 2], 2), "start, longest s": round(starts[-1], 2)}
    faults = judge(history, expected_refusals=(503,), may_die=True)
    if len(history.accepted) < rounds:
        faults.append("too little was accepted for this to mean anything")
    return Verdict(counts, faults)
