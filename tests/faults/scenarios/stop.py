"""Planned stops with consumers that hold meldinger and recover, are killed or are frozen: no attempt is counted, however often.

A melding is given up after three failed attempts; what is held through six stops and then acked has none.
"""

import contextlib
import threading

from harness.amqp import Closed
from harness.klient import Konto, digest_of
from harness.model import SERVERFEIL, Delivery, History, judge
from harness.scenario import Verdict

HELD = 5
# What errors.md says that a stop waits for a client, and some for the rest.
LONGEST_STOP = 6


def take_and_hold(konto, history):
    """A consumer that takes all and acks nothing."""
    connection = konto.connect()
    connection.consume(konto.queue, HELD)
    for _ in range(HELD):
        delivered = connection.delivery(5)
        if delivered is None:
            break
        history.delivered(delivered.headers["melding-id"], Delivery(delivered.redelivered, digest_of(delivered.body)))
    return connection


def run(context):
    counts, faults = {}, []
    for how in ("recovers", "killed", "frozen"):
        rounds = context.of(4, 10)
        server = context.server(f"stop-{how}").start()
        fagsystem, arkiv = Konto(server, "klient.full"), Konto(server, "arkiv.full")
        history, longest = History(), 0
        for number in range(HELD):
            body = bytes([number]) * 1_000
            history.sent(fagsystem.send(arkiv, body), digest_of(body))
        for _ in range(rounds):
            connection = take_and_hold(arkiv, history)
            if how == "killed":
                # In the middle of the stop: its socket ends while the server says goodbye.
                threading.Timer(0.01, connection.drop).start()
            elif how == "recovers":

                def answer(connection=connection):
                    with contextlib.suppress(Closed, OSError):
                        while True:
                            connection.next_method()
                    connection.drop()

                threading.Thread(target=answer, daemon=True).start()
            code, took = server.stop()
            longest = max(longest, took)
            if code:
                faults.append(f"{how}: a planned stop ended with {code}")
            connection.drop()
            server.start()
        last = take_and_hold(arkiv, history)
        seen = {melding_id for melding_id, each in history.deliveries.items() if len(each) == rounds + 1}
        if len(seen) < HELD:
            faults.append(f"{how}: {HELD - len(seen)} of {HELD} are not handed out again after {rounds} stops")
        last.drop()
        sender = fagsystem.connect()
        sender.consume(fagsystem.queue, 50)
        while (delivered := sender.delivery(1)) is not None:
            history.kvittering(delivered.headers.get("svar-til"), delivered.headers["type"])
        sender.drop()
        server.kill()
        died = sum(SERVERFEIL in kinds for kinds in history.kvitteringer.values())
        counts[f"stops, client {how}"] = rounds
        counts[f"longest stop, client {how}, s"] = round(longest, 1)
        if died:
            faults.append(f"{how}: {died} of {HELD} held ended as serverfeil after planned stops alone")
        if longest > LONGEST_STOP:
            faults.append(f"{how}: a stop took {longest:.1f} s")
        faults += judge(history, may_die=True)
    return Verdict(counts, faults)
