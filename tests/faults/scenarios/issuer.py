"""The token issuer and the login provider are away: who is connected goes on, a start is possible, nothing that was accepted
is lost, and when they are back so is everything, without a start anew."""

import time

from harness.load import SMALL, Load
from harness.model import judge
from harness.scenario import Verdict
from harness.server import Issuer


def run(context):
    server = context.server("issuer")
    # One of its own: others go on with theirs.
    server.issuer = Issuer(context.folder)
    nobody = '[innlogging]\nissuer = "http://127.0.0.1:9"\nclient_id = "faults"\n'
    server.configure(nobody)
    server.start()
    load = Load(server, senders=3, sizes=SMALL, seed=context.seed).start()
    faults = []
    away = context.of(10, 600)
    try:
        load.more(50)
        server.issuer.away()
        end = time.monotonic() + away
        while time.monotonic() < end:
            if not load.more(20, 30):
                faults.append("the issuer is away and meldinger with good tokens are not accepted though its keys are known")
                break
        # A start without it: up, says that it cannot check tokens, and mends itself.
        server.kill()
        server.start()
        before = len(load.history.accepted)
        time.sleep(3)
        while_away = len(load.history.accepted) - before
        server.issuer.open()
        if not load.more(50, 90):
            faults.append("the issuer is back and nothing is accepted within 90 s")
        history = load.finish()
    finally:
        load.stop_sending.set()
        load.stop_receiving.set()
        server.kill()
        server.issuer.away()
    counts = load.counts() | {"seconds away": away, "refused": sum(history.refused.values())}
    if while_away:
        faults.append(f"{while_away} were accepted with tokens that could not be checked")
    return Verdict(counts, faults + judge(history, expected_refusals=(503,)))
