"""Requests within every limit of size that are made to take many times that: in little memory the server refuses or answers each, stays
within it, and an honest client sends on all the while."""

import contextlib
import http.client
import json
import socket
import threading
import time
import uuid

from harness.klient import HOUR_MS, OPPRETT, Konto, Refused
from harness.scenario import Verdict
from scenarios.memory import limited

# What the server is held to.
LIMIT_MB = 256
# However much others ask for, nobody waits longer than this.
PATIENCE = 15
# What may be answered: refused for its size or its number, or done.
SAID = {"200", "201", "202", "204", "400", "408", "413", "429"}


class Honest(threading.Thread):
    """Sends meldinger, one after the other, and notes how long each took."""

    def __init__(self, konto, to):
        super().__init__(daemon=True)
        self.konto, self.to = konto, to
        self.over, self.took, self.faults = threading.Event(), [], []

    def run(self):
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                self.konto.send(self.to)
            except (Refused, OSError, http.client.HTTPException) as refused:
                self.faults.append(f"an honest client is turned away: {type(refused).__name__} {refused}")
                time.sleep(0.2)
            self.took.append(time.monotonic() - begun)


class Made:
    """Requests of one tenant that take more than they say."""

    def __init__(self, konto, to):
        self.konto, self.to = konto, to
        login = "".join(f"{name}: {value}\r\n" for name, value in konto.login().items())
        self.head = f"HTTP/1.1\r\nHost: x\r\n{login}"
        ids = konto.konto
        self.system = f"/fiks-protokoll/api/v1/konfigurasjon/{ids['fiksOrgId']}/systemer/{ids['systemId']}"

    def json(self, method, path, body):
        text = json.dumps(body, separators=(",", ":")).encode()
        start = f"{method} {self.system}{path} {self.head}Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        return start.encode() + text

    def search(self, protokoller=(), owners=()):
        return self.json("POST", "/konto-sok", {"filter": {"protokollFilter": list(protokoller), "fiksOrgIder": list(owners)}})

    def kinds(self):
        """By name: as many requests as may be wanted of that kind."""
        many_parts = {"protokollNavn": "a" * 50_000, "protokollVersjon": "v1", "parter": [""] * 10_000}
        info = {"navn": "abc", "beskrivelse": "x", "eposter": [""] * 340_000, "offentlig": True, "automatiskGodkjenning": False}
        yield "one name for many parts", lambda n: self.search([many_parts])
        yield "lists of the shortest texts", lambda n: self.json("PUT", "/info", info)
        yield "as many as there may be", lambda n: self.json("PUT", "/info", info | {"eposter": ["a" * 180] * 4_900})
        yield "searches that are all different", lambda n: self.search(owners=[str(uuid.uuid4()) for _ in range(20_000 + 3 * n)])
        yield "searches as long as they may be", lambda n: self.search(owners=[str(uuid.uuid4()) for _ in range(200 - n % 100)])
        yield "many small headers", lambda n: self.many_headers()
        yield "bodies in the smallest pieces", lambda n: self.pieces(60_000)

    def many_headers(self):
        metadata = {
            "avsenderKontoId": self.konto.id,
            "mottakerKontoId": self.to.id,
            "meldingType": OPPRETT,
            "ttl": HOUR_MS,
            "headere": {f"{n:04}": "" for n in range(3_000)},
        }
        form = (
            '--b\r\nContent-Disposition: form-data; name="metadata"\r\nContent-Type: application/json\r\n\r\n'
            f"{json.dumps(metadata)}\r\n--b--\r\n"
        ).encode()
        start = f"POST /fiks-io/api/v1/send {self.head}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(form)}\r\n\r\n"
        return start.encode() + form

    def pieces(self, count):
        start = f"PUT {self.system}/info {self.head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        return start.encode() + b"1\r\n \r\n" * count + b"0\r\n\r\n"


def ask(server, request):
    """What is answered to one request: its status, or how it ended."""
    try:
        with socket.create_connection((server.host, server.http_port), PATIENCE) as one:
            one.settimeout(4 * PATIENCE)
            # Who is refused unread can read why.
            with contextlib.suppress(ConnectionError):
                one.sendall(request)
            return one.recv(4_096)[9:12].decode() or "nothing"
    except OSError as error:
        return type(error).__name__


def crowd(server, made, together, rounds):
    """So many at a time, so often: how many got which answer."""
    answers, lock = {}, threading.Lock()

    def each(number):
        for again in range(rounds):
            said = ask(server, made(number * rounds + again))
            with lock:
                answers[said] = answers.get(said, 0) + 1

    threads = [threading.Thread(target=each, args=(number,), daemon=True) for number in range(together)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return answers


def run(context):
    together, rounds = context.of(30, 60), context.of(4, 30)
    prefix, how = limited(LIMIT_MB)
    env = {} if "group" in how else {"KNUTEPUNKT__GRENSER__MINNE_BYTES": str(LIMIT_MB * 1024**2 // 16)}
    server = context.server("crafted", prefix=prefix, env=env).start()
    tenant, konto = Konto(server, "arkiv.full"), Konto(server, "klient.full")
    faults, counts, peak = [], {}, 0
    # Only this one has tilgang to the other.
    honest = Honest(konto, tenant)
    honest.start()
    for name, made in Made(tenant, konto).kinds():
        answers = crowd(server, made, together, rounds)
        counts[name] = ", ".join(f"{count} × {said}" for said, count in sorted(answers.items()))
        if server.process.poll() is not None:
            faults.append(f"{name}: the server ended with {server.process.returncode}\n{server.tail(3)}")
            break
        if odd := answers.keys() - SAID:
            faults.append(f"{name}: answered with {sorted(odd)}")
        peak = max(peak, server.rss_mb())
    honest.over.set()
    honest.join()
    longest = max(honest.took, default=0)
    counts |= {"honest sends meanwhile": len(honest.took), "longest wait, s": round(longest, 1)}
    counts |= {"memory at most, MB": peak, "held to it by": how}
    faults += honest.faults[:5]
    if longest > PATIENCE:
        faults.append(f"an honest client waits {longest:.1f} s")
    if "group" not in how and peak > LIMIT_MB:
        faults.append(f"it used {peak} MB, more than {LIMIT_MB}")
    server.kill()
    return Verdict(counts, faults)
