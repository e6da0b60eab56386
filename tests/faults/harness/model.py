"""The model that judges every scenario: what was accepted is delivered, queued, expired or dead, and nothing is silent.

A `History` is what clients saw, written down while it happened, and what was found in the queues when all was over. `judge`
names each promise that the history breaks, and is empty when none was.
"""

import collections
import dataclasses
import threading

SERVERFEIL = "no.ks.fiks.kvittering.serverfeil.v1"
TIDSAVBRUDD = "no.ks.fiks.kvittering.tidsavbrudd"


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One time that a melding was handed out."""

    redelivered: bool
    digest: str
    # Which sender sent it and as which of its own, if it says so: (sender, number).
    order: tuple | None = None


class History:
    """What was seen. Every method may be called from any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}
        self.deliveries = collections.defaultdict(list)
        self.in_order = []
        self.queued = set()
        self.kvitteringer = collections.defaultdict(list)
        self.dead = set()
        self.expired = set()
        self.refused = collections.Counter()
        self.breaks = collections.Counter()
        self.faults = []
        # Meldinger whose receiver was answered that the payload is damaged.
        self.damaged = set()

    def sent(self, melding_id, digest):
        """A 202 arrived."""
        with self.lock:
            if melding_id in self.accepted:
                self.faults.append(f"{melding_id} was given out twice as an id")
            self.accepted[melding_id] = digest

    def delivered(self, melding_id, delivery):
        """It was handed to a consumer."""
        with self.lock:
            self.deliveries[melding_id].append(delivery)
            self.in_order.append((melding_id, delivery))

    def kvittering(self, svar_til, kind):
        """A kvittering about a melding reached its sender."""
        with self.lock:
            self.kvitteringer[svar_til].append(kind)

    def refuse(self, status):
        """A send was answered with something other than 202."""
        with self.lock:
            self.refused[status] += 1

    def broken(self, error):
        """A connection broke before the answer; whether the melding was accepted is not known."""
        with self.lock:
            self.breaks[type(error).__name__] += 1

    def fault(self, text):
        """Something that no history makes right."""
        with self.lock:
            self.faults.append(text)

    def says_damaged(self, melding_id):
        """Its receiver was answered that the payload is damaged."""
        with self.lock:
            self.damaged.add(melding_id)

    def missing(self):
        """What was accepted and has not been seen anywhere since."""
        with self.lock:
            return {
                melding_id
                for melding_id in self.accepted
                if melding_id not in self.deliveries
                and melding_id not in self.queued
                and melding_id not in self.dead
                and melding_id not in self.expired
                and melding_id not in self.kvitteringer
                and melding_id not in self.damaged
            }


def judge(history, expected_refusals=(), may_expire=False, may_die=False):
    """Each broken promise, in words. `expected_refusals`: answers that the scenario provokes."""
    faults = list(history.faults)
    for melding_id in sorted(history.missing()):
        faults.append(f"lost: {melding_id} was accepted and is neither delivered, queued, expired nor dead")
    if not may_die:
        for melding_id in history.damaged:
            faults.append(f"damaged: the payload of {melding_id}, and nothing here is a reason for it")
    for melding_id, deliveries in history.deliveries.items():
        digest = history.accepted.get(melding_id)
        for number, delivery in enumerate(deliveries):
            if number and not delivery.redelivered:
                faults.append(f"twice unmarked: {melding_id}, delivery {number + 1}")
            if digest is not None and delivery.digest != digest:
                faults.append(f"altered: {melding_id} arrived with another payload")
    last = {}
    for melding_id, delivery in history.in_order:
        if delivery.redelivered or delivery.order is None:
            continue
        sender, number = delivery.order
        if number <= last.get(sender, -1):
            faults.append(f"out of order: {melding_id}, number {number} of {sender} after {last[sender]}")
        last[sender] = max(number, last.get(sender, -1))
    for melding_id in history.dead:
        if melding_id in history.accepted and SERVERFEIL not in history.kvitteringer.get(melding_id, ()):
            faults.append(f"kvittering lost: {melding_id} is dead and its sender got no serverfeil")
    for melding_id in history.expired:
        if melding_id in history.accepted and TIDSAVBRUDD not in history.kvitteringer.get(melding_id, ()):
            faults.append(f"kvittering lost: {melding_id} expired and its sender got no tidsavbrudd")
    for svar_til, kinds in history.kvitteringer.items():
        for kind, allowed in ((SERVERFEIL, may_die), (TIDSAVBRUDD, may_expire)):
            if kind in kinds and not allowed:
                faults.append(f"given up: {svar_til} ended as {kind}, and nothing here is a reason for it")
        if len(kinds) > 1:
            # A kvittering may itself come twice, marked; that is judged where it is delivered.
            faults.append(f"kvittering twice: {svar_til} got {', '.join(kinds)}")
    for status, times in history.refused.items():
        if status not in expected_refusals:
            faults.append(f"refused: {times} sends were answered with {status}")
    return faults
