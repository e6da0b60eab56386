"""Kills Knutepunkt with SIGKILL at random moments under load, over and over on the same data.

Holds that no melding that got its 202 is lost (it arrives, or ends as serverfeil at the sender, who is told), that none is
handed out twice without `redelivered`, and that what arrives is what was sent.
"""

import argparse
import collections
import hashlib
import logging
import os
import random
import sys
import threading
import time

from knutepunkt import DEADLINE, OPPRETT, PING, Konto, Refused, Server

SENDERS = 6
SERVERFEIL = "no.ks.fiks.kvittering.serverfeil.v1"
# Most are small, some fill many frames, a few go through Dokumentlager.
SIZES = [0] * 8 + [1_000] * 8 + [200_000] * 3 + [6_000_000]


class Ledger:
    """What was accepted and what came of it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}
        self.deliveries = collections.Counter()
        self.received = set()
        self.serverfeil = set()
        self.refused = 0
        self.breaks = collections.Counter()
        self.faults = []

    def sent(self, melding_id, digest):
        with self.lock:
            if melding_id in self.accepted:
                self.faults.append(f"{melding_id} was given out twice as an id")
            self.accepted[melding_id] = digest

    def delivered(self, deliver, properties):
        melding_id = properties.headers["melding-id"]
        with self.lock:
            if self.deliveries[melding_id] and not deliver.redelivered:
                self.faults.append(f"{melding_id} was handed out again without redelivered")
            self.deliveries[melding_id] += 1

    def read(self, properties, payload):
        melding_id = properties.headers["melding-id"]
        with self.lock:
            self.received.add(melding_id)
            if hashlib.sha256(payload).hexdigest() != properties.headers["egendefinert-header.sha256"]:
                self.faults.append(f"{melding_id} arrived with another payload")

    def broken(self, error):
        """A killed server breaks what is under way in many ways; all count as no answer, and each kind is reported."""
        with self.lock:
            self.breaks[type(error).__name__] += 1

    def missing(self):
        with self.lock:
            return set(self.accepted) - self.received - self.serverfeil


def send_until(stop, ledger, fagsystem, arkiv, seed):
    """One sender: one request after the other on one connection, a new one when that breaks."""
    choose = random.Random(seed)
    bodies = {size: choose.randbytes(size) for size in set(SIZES)}
    connection = fagsystem.http()
    while not stop.is_set():
        size = choose.choice(SIZES)
        digest = hashlib.sha256(bodies[size]).hexdigest()
        try:
            melding_id = fagsystem.send(
                arkiv,
                OPPRETT if size else PING,
                bodies[size],
                connection,
                headere={"sha256": digest},
            )
            ledger.sent(melding_id, digest)
        except Refused as refused:
            # 503 is worth another try; for anything else a server has no reason here.
            if refused.status != 503:
                ledger.faults.append(f"refused: {refused}")
                return
            ledger.refused += 1
            time.sleep(0.005)
        except Exception as broken:  # pylint: disable=broad-except
            ledger.broken(broken)
            connection.close()
            connection = fagsystem.http()
            time.sleep(0.005)
    connection.close()


def receive_until(stop, ledger, konto, take):
    """One receiver: connects again whenever the server is back, acks each delivery after taking it down."""
    while not stop.is_set():
        try:
            connection = konto.connect()
            channel = connection.channel()
            channel.basic_qos(prefetch_count=20)
            for deliver, properties, body in channel.consume(konto.queue, inactivity_timeout=0.1):
                if stop.is_set():
                    break
                if deliver is not None:
                    take(deliver, properties, body)
                    channel.basic_ack(deliver.delivery_tag)
            connection.close()
        except Exception as broken:  # pylint: disable=broad-except
            ledger.broken(broken)
            time.sleep(0.02)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=int(os.environ.get("KILL_ROUNDS", "50")))
    arguments.add_argument("--seed", type=int, default=None, help="of a run to repeat, as far as timing allows")
    options = arguments.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    choose = random.Random(seed)
    logging.getLogger("pika").setLevel(logging.CRITICAL + 1)
    print(f"{options.rounds} rounds, seed {seed}", flush=True)

    ledger = Ledger()
    server = Server()
    stop_sending, stop_receiving = threading.Event(), threading.Event()
    threads, restarts = [], []
    try:
        fagsystem, arkiv = Konto(server.klient, "klient.full"), Konto(server.klient, "arkiv.full")

        def take(deliver, properties, body):
            ledger.delivered(deliver, properties)
            dokument_id = properties.headers.get("dokumentlager-id")
            try:
                ledger.read(properties, arkiv.download(dokument_id) if dokument_id else body)
            except Refused as refused:
                ledger.faults.append(f"{properties.headers['melding-id']} has a payload that is refused: {refused}")

        def take_kvittering(_deliver, properties, _body):
            with ledger.lock:
                if properties.headers["type"] == SERVERFEIL:
                    ledger.serverfeil.add(properties.headers["svar-til"])
                else:
                    ledger.faults.append(f"unasked for: {properties.headers}")

        receivers = [
            threading.Thread(target=receive_until, args=(stop_receiving, ledger, arkiv, take)),
            threading.Thread(target=receive_until, args=(stop_receiving, ledger, fagsystem, take_kvittering)),
        ]
        senders = [
            threading.Thread(target=send_until, args=(stop_sending, ledger, fagsystem, arkiv, choose.random()))
            for _ in range(SENDERS)
        ]
        threads = receivers + senders
        for thread in threads:
            thread.start()

        for number in range(options.rounds):
            before = len(ledger.accepted)
            # Every third kill comes while the server is hardly back, the others wait until it works again.
            if number % 3:
                deadline = time.monotonic() + DEADLINE
                while len(ledger.accepted) < before + 20 and time.monotonic() < deadline and not ledger.faults:
                    time.sleep(0.005)
            time.sleep(choose.uniform(0, 0.4))
            server.kill()
            begun = time.monotonic()
            server.launch()
            restarts.append(time.monotonic() - begun)
            if ledger.faults:
                break

        stop_sending.set()
        for sender in senders:
            sender.join()
        deadline = time.monotonic() + DEADLINE
        while ledger.missing() and time.monotonic() < deadline:
            time.sleep(0.05)
        stop_receiving.set()
        for receiver in receivers:
            receiver.join()
    finally:
        stop_sending.set()
        stop_receiving.set()
        for thread in threads:
            thread.join()
        server.close()

    missing = ledger.missing()
    unanswered = set(ledger.deliveries) - set(ledger.accepted)
    again = sum(1 for times in ledger.deliveries.values() if times > 1)
    print(f"{options.rounds} rounds of kill -9: {len(ledger.accepted)} accepted, {len(ledger.deliveries)} delivered,")
    print(f"  {again} more than once; {len(ledger.serverfeil)} ended as serverfeil; {ledger.refused} tries answered by 503;")
    print(f"  {len(unanswered)} arrived whose 202 the kill cut off; {len(missing)} lost")
    if restarts:
        print(f"  start to ready: median {sorted(restarts)[len(restarts) // 2]:.3f} s, longest {max(restarts):.3f} s")
    print(f"  broken off: {', '.join(f'{kind} {times}' for kind, times in ledger.breaks.most_common())}")
    for fault in ledger.faults[:20]:
        print(f"FAULT: {fault}")
    for melding_id in sorted(missing)[:20]:
        print(f"LOST: {melding_id}, delivered {ledger.deliveries[melding_id]} times")
    too_few = len(ledger.accepted) < options.rounds
    if too_few:
        print("FAULT: too little was accepted for this to mean anything")
    sys.exit(1 if ledger.faults or missing or too_few else 0)


if __name__ == "__main__":
    main()
