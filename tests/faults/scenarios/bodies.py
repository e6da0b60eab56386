"""One tenant leaves bodies, frames, downloads and deliveries unfinished, and strangers leave heads, in little memory: the server stays
within it, others send and receive all the while, and nothing accepted is lost."""

import contextlib
import http.client
import json
import socket
import struct
import threading
import time

from harness.amqp import Closed
from harness.klient import HOUR_MS, OPPRETT, Konto, Refused, digest_of
from harness.scenario import Verdict
from scenarios.memory import limited
from scenarios.strangers import KVITTERING, Crowd, answer

# What the server is held to.
LIMIT_MB = 256
BODY, LARGE, INLINE = 9_000_000, 6_000_000, 4_000_000
UNFINISHED = BODY - 500_000
DOWNLOADS, DEAF = 200, 100
# Almost as large as they may be.
HEADS, HEAD, FRAMES, FRAME = 400, 15_000, 200, 16_000
# However much others leave lying, nobody waits longer than this.
PATIENCE = 15
# The second is half of the connections over HTTP that there is memory for.
KEYS = ("grenser.minne_bytes_per_organisasjon", "grenser.samtidige_kall_per_organisasjon")


class Honest(threading.Thread):
    """Sends to the tenant and reads its own queue, one after the other, and notes how long each took."""

    def __init__(self, konto, tenant, original):
        super().__init__(daemon=True)
        self.konto, self.tenant, self.original = konto, tenant, original
        self.over, self.took, self.faults = threading.Event(), [], []
        self.accepted, self.received = {}, {}
        self.bodies = [bytes([n % 251]) * size for n, size in enumerate([1_000, 200_000, 1_500_000, LARGE])]

    def send(self, data):
        extra = {"svarPaMelding": self.original, "meldingType": KVITTERING}
        self.accepted[self.konto.send(self.tenant, data, **extra)] = digest_of(data)

    def run(self):
        with contextlib.closing(self.konto.connect()) as connection:
            connection.consume(self.konto.queue, 5)
            number = 0
            while not self.over.is_set():
                begun = time.monotonic()
                try:
                    self.send(self.bodies[number % len(self.bodies)])
                    self.take(connection, 0.05)
                except (Closed, Refused, OSError, http.client.HTTPException) as refused:
                    self.faults.append(f"an honest client is turned away: {type(refused).__name__} {refused}")
                self.took.append(time.monotonic() - begun)
                number += 1
            # What is left.
            while self.take(connection, 2):
                pass

    def take(self, connection, timeout):
        delivered = connection.delivery(timeout)
        if delivered is None:
            return False
        self.received[delivered.headers["melding-id"]] = digest_of(self.konto.payload(delivered))
        connection.ack(delivered.tag)
        return True


def head(konto, path, extra=""):
    login = "".join(f"{name}: {value}\r\n" for name, value in konto.login().items())
    return f"{path} HTTP/1.1\r\nHost: x\r\n{login}{extra}\r\n"


def unfinished(tenant, honest, count):
    """Bodies of which the end never comes; each is pushed as far as the server takes it."""
    metadata = {
        "avsenderKontoId": tenant.id,
        "mottakerKontoId": honest.id,
        "meldingType": OPPRETT,
        "ttl": HOUR_MS,
        "headere": {},
    }
    form = (
        f'--b\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Type: application/json\r\n\r\n'
        f'{json.dumps(metadata)}\r\n--b\r\nContent-Disposition: form-data; name="data"\r\n\r\n'
    ).encode()
    extra = f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(form) + BODY}\r\n"
    start = head(tenant, "POST /fiks-io/api/v1/send", extra).encode() + form + bytes(UNFINISHED)
    crowd, left = Crowd(), {}
    for _ in range(count):
        one = socket.create_connection((tenant.server.host, tenant.server.http_port), 5)
        one.setblocking(False)
        crowd.open[one], left[one] = b"", memoryview(start)
    return crowd, left


def push(crowd, left, seconds):
    """Sends on what is left of each for a while. Gives how many bytes were taken in all."""
    end, taken = time.monotonic() + seconds, 0
    while time.monotonic() < end and left:
        moved = 0
        for one in list(left):
            if one not in crowd.open:
                del left[one]
                continue
            with contextlib.suppress(BlockingIOError, ConnectionError):
                sent = one.send(left[one][: 1 << 20])
                moved += sent
                left[one] = left[one][sent:]
            if not left[one]:
                del left[one]
        crowd.look()
        taken += moved
        if not moved:
            time.sleep(0.02)
    return taken


def unread(tenant, dokument_id, count):
    """Downloads of which nothing is read."""
    start, sockets = head(tenant, f"GET /dokumentlager/nedlasting/{dokument_id}").encode(), []
    for _ in range(count):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        one.connect((tenant.server.host, tenant.server.http_port))
        one.sendall(start)
        sockets.append(one)
    return sockets


def heads(server, count):
    """Heads of requests of which the end never comes. Strangers give way to each other, so not all of them stay."""
    start, sockets = f"GET /logg-inn HTTP/1.1\r\nHost: x\r\nX: {'a' * HEAD}".encode(), []
    for _ in range(count):
        with contextlib.suppress(OSError):
            one = socket.create_connection((server.host, server.http_port), 5)
            one.sendall(start)
            sockets.append(one)
    return sockets


def frames(tenant, count):
    """Connections that are logged in and never finish a frame."""
    connections = []
    for _ in range(count):
        one = tenant.connect()
        one.socket.sendall(struct.pack(">BHI", 1, 1, FRAME) + bytes(FRAME - 1))
        connections.append(one)
    return connections


def deaf(tenant, count):
    """Consumers that read nothing once they have begun."""
    connections = []
    for _ in range(count):
        one = tenant.connect()
        one.consume(tenant.queue, 10)
        connections.append(one)
    return connections


def consume_all(konto, accepted, patience=30):
    """What comes of `accepted`: id and digest."""
    seen = {}
    connection = konto.connect()
    connection.consume(konto.queue, 10)
    while len(accepted.keys() - seen.keys()):
        delivered = connection.delivery(patience)
        if delivered is None:
            break
        seen[delivered.headers["melding-id"]] = digest_of(konto.payload(delivered))
        connection.ack(delivered.tag)
    connection.close()
    return seen


def run(context):
    bodies, seconds = context.of(150, 300), context.of(8, 60)
    prefix, how = limited(LIMIT_MB)
    # As it follows from the limit where there is a control group.
    env = {} if "group" in how else {"KNUTEPUNKT__GRENSER__MINNE_BYTES": str(LIMIT_MB * 1024**2 // 16)}
    server = context.server("bodies", prefix=prefix, env=env).start()
    tenant, konto = Konto(server, "klient.full"), Konto(server, "arkiv.full")
    faults, queued = [], {}
    for size in (1_000, LARGE, *[1_000, 200_000, INLINE] * 10):
        data = bytes([size % 251]) * size
        queued[tenant.send(konto, data)] = digest_of(data)
    # The first two show what may be answered and fetched.
    connection = konto.connect()
    connection.consume(konto.queue, 2)
    first, second = connection.delivery(PATIENCE), connection.delivery(PATIENCE)
    original, dokument_id = first.headers["melding-id"], second.headers["dokumentlager-id"]
    for delivered in (first, second):
        queued.pop(delivered.headers["melding-id"])
        connection.ack(delivered.tag)
    connection.close()
    honest = Honest(konto, tenant, original)
    for _ in range(context.of(30, DEAF)):
        honest.send(bytes(INLINE))
    before_mb = server.rss_mb()

    consumers = deaf(tenant, DEAF)
    consumers += frames(tenant, FRAMES)
    downloads = unread(tenant, dokument_id, DOWNLOADS) + heads(server, HEADS)
    crowd, left = unfinished(tenant, konto, bodies)
    honest.start()
    taken = push(crowd, left, seconds)
    crowd.until(lambda _: False, 4)
    held_mb = server.rss_mb() if server.process.poll() is None else 0
    honest.over.set()
    if server.process.poll() is not None:
        faults.append(f"the server ended with {server.process.returncode}")
        return Verdict({"memory at most, MB": held_mb, "held to it by": how}, faults + honest.faults[:5])
    honest.join()

    told = [answer(one) for one in crowd.told]
    if odd := [text for status, text in told if status and (status != 429 or not any(key in text for key in KEYS))]:
        faults.append(f"an unfinished body is answered with {odd[0][:300]}")
    crowd.leave()
    for one in downloads:
        one.close()
    # A planned stop costs no attempt; consumers that went away one by one would use up those of what they hold.
    stopped_mb = server.rss_mb()
    code, _ = server.stop()
    if code:
        faults.append(f"the server ended with {code}")
    for one in consumers:
        one.drop()
    server.start()
    seen = consume_all(tenant, honest.accepted)
    lost = len(honest.accepted.keys() - seen.keys()) + len(queued.keys() - honest.received.keys())
    if lost:
        faults.append(f"lost: {lost} of {len(honest.accepted) + len(queued)}")
    for accepted, came in ((honest.accepted, seen), (queued, honest.received)):
        if wrong := [each for each, digest in accepted.items() if came.get(each, digest) != digest]:
            faults.append(f"{len(wrong)} came with another payload: {wrong[0]}")
    faults += honest.faults[:5]
    longest = max(honest.took)
    if longest > PATIENCE:
        faults.append(f"an honest client waits {longest:.1f} s")
    peak = max(held_mb, stopped_mb, server.rss_mb())
    # In a control group the kernel is the judge, and has ended the server; what is counted here has pages of the binary in it.
    if "group" not in how and peak > LIMIT_MB:
        faults.append(f"it used {peak} MB, more than {LIMIT_MB}")
    server.kill()
    counts = {
        "unfinished bodies": bodies,
        "told 429": len([1 for status, _ in told if status == 429]),
        "of those, MB taken": taken // 1_000_000,
        "downloads unread": DOWNLOADS,
        "deaf consumers": DEAF,
        "unfinished frames": FRAMES,
        "unfinished heads": HEADS,
        "honest sends meanwhile": len(honest.took),
        "longest wait, s": round(longest, 1),
        "accepted": len(honest.accepted) + len(queued),
        "lost": lost,
        "memory before and at most, MB": f"{before_mb}, {peak}",
        "held to it by": how,
    }
    return Verdict(counts, faults)
