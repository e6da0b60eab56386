"""The network between clients and server fails: partitions, 5 % loss, 200 ms, half-open connections."""

import os
import time

from harness.cable import HERE, THERE, cable
from harness.load import SMALL, Load
from harness.model import judge
from harness.scenario import Verdict
from harness.server import Issuer

# Seconds after which a client is taken for gone of whose machine nothing is heard.
GONE = 5


def run(context):
    name = f"fault{os.getpid() % 100000}"
    with cable(name, context.seed) as between:
        prefix, env = ["ip", "netns", "exec", name], {"KNUTEPUNKT__AMQP__STILLSTAND_SEKUNDER": str(GONE)}
        server = context.server("network", prefix=prefix, env=env, host=THERE)
        server.issuer = Issuer(context.folder, HERE)
        server.configure()
        server.start()
        load = Load(server, senders=3, sizes=SMALL, seed=context.seed, timeout=5).start()
        try:
            counts, faults = trouble(context, between, load)
            history = load.finish()
        finally:
            load.stop_sending.set()
            load.stop_receiving.set()
            server.kill()
            server.issuer.away()
    return Verdict(load.counts() | counts, faults + judge(history, expected_refusals=(503,), may_die=True))


def trouble(context, between, load):
    """One kind of trouble after the other; after each it must go on by itself."""
    faults, counts = [], {"partitions": 0, "half-open consumers": 0}
    load.more(50)
    for number in range(context.of(1, 10)):
        # Both ends think for a while that the other is there.
        between.cut = True
        time.sleep(context.of(3, 20))
        between.cut = False
        counts["partitions"] += 1
        if not load.more(20, 90):
            faults.append(f"partition {number}: nothing is accepted 90 s after it")
    for what, setting, value in (("loss of 5 %", "loss", 0.05), ("delay of 200 ms", "delay", 0.2)):
        setattr(between, setting, value)
        before = len(load.history.accepted)
        time.sleep(context.of(6, 60))
        counts[f"accepted at a {what}"] = len(load.history.accepted) - before
        if len(load.history.accepted) == before:
            faults.append(f"nothing is accepted at a {what}")
        setattr(between, setting, 0.0)
    # With heartbeats, and without: what these hold must come back, too, or it is missing in the end.
    for number in range(context.of(4, 20)):
        # The client is gone and its machine with it, so that no packet says so.
        ghost = load.arkiv.connect(heartbeat=(2, 0)[number % 2])
        ghost.consume(load.arkiv.queue, 10)
        if number % 4 == 1:
            # All that it may hold is on its machine by then, and the connection at rest.
            time.sleep(1)
        between.silenced.add(ghost.socket.getsockname()[1])
        ghost.drop()
        counts["half-open consumers"] += 1
        if not load.more(20, 60):
            faults.append(f"nothing is accepted beside {number + 1} half-open consumers")
    return counts, faults

