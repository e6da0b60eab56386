"""All clients come back at once after a kill: each gets in, and each gets what is for it."""

import concurrent.futures
import time

from harness.load import SMALL, Load
from harness.klient import Konto
from harness.model import judge
from harness.scenario import Verdict


def run(context):
    clients, rounds = context.of(200, 1_000), context.of(1, 5)
    server = context.server("herd").start()
    load = Load(server, senders=2, sizes=SMALL, seed=context.seed).start()
    konto = Konto(server, "arkiv.full")
    faults, took = [], []

    def come_back(_):
        # As official clients do: again and again until it works.
        end = time.monotonic() + 60
        while True:
            try:
                connection = konto.connect(timeout=60)
                # It takes nothing away from the load, and is there.
                connection.count(konto.queue)
                return connection
            except Exception:  # pylint: disable=broad-except
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    try:
        for number in range(rounds):
            with concurrent.futures.ThreadPoolExecutor(100) as pool:
                connections = list(pool.map(come_back, range(clients)))
                load.more(50)
                server.kill()
                server.start()
                begun = time.monotonic()
                back = [pool.submit(come_back, n) for n in range(clients)]
                failed = [each.exception() for each in back if each.exception()]
                took.append(time.monotonic() - begun)
                if failed:
                    faults.append(f"round {number}: {len(failed)} of {clients} do not get in: {failed[0]}")
                for connection in connections:
                    connection.drop()
                for each in back:
                    if not each.exception():
                        each.result().drop()
                if not load.more(50):
                    faults.append(f"round {number}: nothing is accepted after it")
        history = load.finish()
    finally:
        load.stop_sending.set()
        load.stop_receiving.set()
        server.kill()
    counts = {"clients": clients, "rounds": rounds} | load.counts() | {"all in again, longest s": round(max(took), 1)}
    return Verdict(counts, faults + judge(history, expected_refusals=(503,), may_die=rounds > 2))
