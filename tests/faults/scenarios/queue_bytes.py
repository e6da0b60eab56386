"""An organisasjon fills its part of the queues: it is refused there and nobody else is, what it may still send is known to the byte
after `kill -9`, and there is room again as soon as something was fetched."""

import contextlib
import time

from harness.klient import Konto, Refused
from harness.scenario import Verdict
from harness.server import wait_for

BYTES = 100_000
KVITTERING = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.kvittering"
# Room for this many meldinger and half of another.
FIT = 30
# What each takes besides.
BESIDES = 3_200
MAX_BYTES = int((BYTES + BESIDES) * (FIT + 0.5))


def run(context):
    server = context.server("queue-bytes", config=f"[grenser]\nsendte_bytes_i_ko_per_organisasjon = {MAX_BYTES}\n").start()
    fagsystem, arkiv = Konto(server, "klient.full"), Konto(server, "arkiv.full")
    faults, counts = [], {"accepted": 0, "refused": 0, "rounds": 0}
    waiting = set()
    try:
        for number in range(context.of(2, 50)):
            original = fagsystem.send(arkiv)
            check(faults, fetch(arkiv, 1) == {original}, f"round {number}: what is sent alone is not what comes")
            waiting |= fill(fagsystem, arkiv, faults, counts)
            check(faults, len(waiting) == FIT, f"round {number}: {len(waiting)} fit, and not {FIT}")
            # In the other direction it goes on.
            with contextlib.closing(fagsystem.connect()) as connection:
                sent = arkiv.send(fagsystem, bytes(BYTES), svarPaMelding=original, meldingType=KVITTERING)
                connection.consume(fagsystem.queue, 1)
                delivered = connection.delivery(10)
                check(faults, delivered and delivered.headers["melding-id"] == sent, f"round {number}: others do not go on")
                connection.ack(delivered.tag)
            server.kill()
            server.start()
            more = fill(fagsystem, arkiv, faults, counts)
            check(faults, not more, f"round {number}: {len(more)} more fit after kill -9")
            # As many as are fetched fit again, and not one more.
            fetched = 1 + number % 5
            waiting -= fetch(arkiv, fetched)
            more = wait_for(lambda: fill(fagsystem, arkiv, faults, counts), f"round {number}: room after {fetched} were fetched", 10)
            deadline = time.monotonic() + 10
            while len(more) < fetched and time.monotonic() < deadline:
                more |= fill(fagsystem, arkiv, faults, counts)
            check(faults, len(more) == fetched, f"round {number}: {fetched} were fetched and {len(more)} fit again")
            waiting |= more
            got = fetch(arkiv, len(waiting))
            check(faults, got == waiting, f"round {number}: {len(waiting - got)} are missing, {len(got - waiting)} too many")
            waiting -= got
            counts["rounds"] += 1
            if faults:
                break
    finally:
        server.kill()
    counts["lost"] = len(waiting)
    return Verdict(counts, faults)


def check(faults, holds, what):
    if not holds:
        faults.append(what)


def fill(avsender, mottaker, faults, counts):
    """Sends until it is refused. Gives the ids of what was accepted."""
    sent = set()
    with contextlib.closing(avsender.http()) as connection:
        while len(sent) <= FIT:
            try:
                sent.add(avsender.send(mottaker, bytes(BYTES), connection))
                counts["accepted"] += 1
            except Refused as refused:
                counts["refused"] += 1
                check(faults, refused.status == 507 and "KVOTE_FULL" in str(refused), f"refused with {refused}")
                break
    return sent


def fetch(konto, count):
    """Fetches so many and acks them. Gives their ids."""
    got = set()
    with contextlib.closing(konto.connect()) as connection:
        connection.consume(konto.queue, 1)
        while len(got) < count:
            delivered = connection.delivery(10)
            if delivered is None:
                break
            got.add(delivered.headers["melding-id"])
            connection.ack(delivered.tag)
        # What is acked is known to be when something else is answered.
        connection.count(konto.queue)
    return got
