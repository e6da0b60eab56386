"""Load with a ledger: senders and receivers that come back whenever the server does, and write down what they see."""

import contextlib
import random
import threading
import time
import uuid

from harness.klient import Konto, Refused, digest_of
from harness.model import SERVERFEIL, TIDSAVBRUDD, Delivery, History

# Most are small, some fill many frames, a few go through Dokumentlager.
MIXED = [0] * 8 + [1_000] * 8 + [200_000] * 3 + [6_000_000]
SMALL = [0, 1_000]
PAUSE = 0.005


class Load:
    """Senders of one konto and receivers of another, each in a thread."""

    def __init__(
        self, server, senders=4, sizes=MIXED, seed=0, receive=True, prefetch=20, clock=None, ttl=None,
        history=None, timeout=60,
    ):
        self.server, self.sizes, self.prefetch, self.ttl = server, sizes, prefetch, ttl
        self.history = history or History()
        self.timeout = timeout
        # Several loads may write into one history.
        self.name = uuid.uuid4().hex[:8]
        self.stop_sending, self.stop_receiving = threading.Event(), threading.Event()
        self.fagsystem = Konto(server, "klient.full", clock)
        self.arkiv = Konto(server, "arkiv.full", clock)
        choose = random.Random(seed)
        self.bodies = {size: choose.randbytes(size) for size in set(sizes)}
        self.digests = {size: digest_of(body) for size, body in self.bodies.items()}
        self.senders = [
            threading.Thread(target=self.send, args=(number, choose.random()), daemon=True) for number in range(senders)
        ]
        self.receivers = []
        if receive:
            for konto, take in ((self.arkiv, self.take), (self.fagsystem, self.take_kvittering)):
                self.receivers.append(threading.Thread(target=self.receive, args=(konto, take), daemon=True))

    def start(self):
        for thread in self.senders + self.receivers:
            thread.start()
        return self

    def send(self, sender, seed):
        """One sender: one request after the other on one connection, a new one when that breaks."""
        choose, number = random.Random(seed), 0
        connection = self.fagsystem.http(self.timeout)
        extra = {"ttl": self.ttl} if self.ttl else {}
        while not self.stop_sending.is_set():
            size = choose.choice(self.sizes)
            headere = {"order": f"{self.name}-{sender}:{number}"}
            number += 1
            try:
                melding_id = self.fagsystem.send(self.arkiv, self.bodies[size], connection, headere, **extra)
                self.history.sent(melding_id, self.digests[size])
            except Refused as refused:
                self.history.refuse(refused.status)
                time.sleep(PAUSE)
            except Exception as broken:  # pylint: disable=broad-except
                self.history.broken(broken)
                connection.close()
                connection = self.fagsystem.http(self.timeout)
                time.sleep(PAUSE)
        connection.close()

    def receive(self, konto, take):
        """One receiver: connects again whenever the server is back, acks each delivery after writing it down."""
        while not self.stop_receiving.is_set():
            try:
                with contextlib.closing(konto.connect(self.timeout)) as connection:
                    connection.consume(konto.queue, self.prefetch)
                    while not self.stop_receiving.is_set():
                        delivered = connection.delivery(0.1)
                        if delivered is not None:
                            take(delivered)
                            connection.ack(delivered.tag)
            except Exception as broken:  # pylint: disable=broad-except
                self.history.broken(broken)
                time.sleep(0.02)

    def take(self, delivered):
        headers = delivered.headers
        melding_id = headers["melding-id"]
        try:
            digest = digest_of(self.arkiv.payload(delivered))
        except Refused as refused:
            if refused.status == 503:
                raise
            if "skadet i lageret" in str(refused):
                self.history.says_damaged(melding_id)
                return
            self.history.fault(f"{melding_id} has a payload that is refused: {refused}")
            digest = "refused"
        order = headers.get("egendefinert-header.order")
        if order:
            sender, number = order.split(":")
            order = (sender, int(number))
        self.history.delivered(melding_id, Delivery(delivered.redelivered, digest, order))

    def take_kvittering(self, delivered):
        kind, svar_til = delivered.headers["type"], delivered.headers.get("svar-til")
        if kind not in (SERVERFEIL, TIDSAVBRUDD):
            self.history.fault(f"unasked for: {delivered.headers}")
        elif not delivered.redelivered or kind not in self.history.kvitteringer.get(svar_til, ()):
            self.history.kvittering(svar_til, kind)

    def more(self, count, deadline=60):
        """Waits until `count` more were accepted; whether they were."""
        aim = len(self.history.accepted) + count
        end = time.monotonic() + deadline
        while len(self.history.accepted) < aim and time.monotonic() < end and not self.history.faults:
            time.sleep(PAUSE)
        if not self.history.accepted:
            raise AssertionError(f"nothing is accepted at all: {dict(self.history.refused)}\n{self.server.tail(3)}")
        return len(self.history.accepted) >= aim

    def finish(self, deadline=120):
        """Stops sending, waits until nothing is missing and no more comes, and stops receiving."""
        self.stop_sending.set()
        for thread in self.senders:
            thread.join()
        end = time.monotonic() + deadline
        while self.history.missing() and time.monotonic() < end:
            time.sleep(0.05)
        self.stop_receiving.set()
        for thread in self.receivers:
            thread.join()
        return self.history

    def counts(self):
        """What the report says of it."""
        history = self.history
        return {
            "accepted": len(history.accepted),
            "delivered": len(history.deliveries),
            "more than once, marked": sum(1 for each in history.deliveries.values() if len(each) > 1),
            "lost": len(history.missing()),
        }
