"""Strangers who are silent or slow, and tenants who take all that they can get: everybody else is served all the while,
newcomers too, nothing accepted is lost, and each of them is told what docs/operations.md says under «Limits»."""

import concurrent.futures
import contextlib
import http.client
import json
import resource
import selectors
import socket
import threading
import time

from harness.amqp import Closed
from harness.klient import Konto, Refused, digest_of
from harness.load import Load
from harness.model import SERVERFEIL, TIDSAVBRUDD, Delivery, judge
from harness.scenario import Skipped, Verdict

# Connections that wait for a log-in over AMQP, as the docs have it, and seconds until they must have come.
WAITING, LOG_IN_WITHIN = 2_048, 30
FROM_ONE, FROM_EACH_OTHER = 2_100, 500
OTHERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
CONNECTIONS, MOST_CONNECTIONS = 1_000, 300
STALL = 6
INLINE, LARGE, QUOTA = 50_000, 200_000, 2_000_000
CALLS = 150
# However long the machine is busy with strangers, nobody waits longer than this.
PATIENCE = 10
KVITTERING = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett.kvittering"


class Unhurried(Konto):
    """Sends less often than it may."""

    def send(self, *arguments, **named):
        time.sleep(0.05)
        return super().send(*arguments, **named)


class Both(Load):
    """A load whose receiver answers, too."""

    def __init__(self, server, seed):
        super().__init__(server, senders=2, sizes=[0, 1_000, 20_000], seed=seed)
        self.fagsystem = Unhurried(server, "klient.full")

    def take_kvittering(self, delivered):
        if delivered.headers["type"] in (SERVERFEIL, TIDSAVBRUDD):
            super().take_kvittering(delivered)
            return
        digest = digest_of(self.fagsystem.payload(delivered))
        self.history.delivered(delivered.headers["melding-id"], Delivery(delivered.redelivered, digest))


class Newcomers(threading.Thread):
    """Honest clients that come one after the other, log in over HTTP and AMQP, and are to be served at once."""

    def __init__(self, load):
        super().__init__(daemon=True)
        self.load, self.over, self.took, self.faults = load, threading.Event(), [], []

    def run(self):
        load = self.load
        while not self.over.is_set():
            begun = time.monotonic()
            try:
                load.history.sent(load.fagsystem.send(load.arkiv), load.digests[0])
                with contextlib.closing(load.fagsystem.connect()) as connection:
                    connection.count(load.fagsystem.queue)
            except (Closed, Refused, OSError, http.client.HTTPException) as refused:
                self.faults.append(f"an honest newcomer is turned away: {type(refused).__name__} {refused}")
            self.took.append(time.monotonic() - begun)
            time.sleep(0.05)


class Crowd:
    """Sockets of strangers, and what each of them was told."""

    def __init__(self):
        self.open, self.told = {}, []

    def add(self, address, count, start, source="127.0.0.1"):
        """Connects `count` of them; the one with `number` says `start(number)`."""
        for number in range(count):
            with contextlib.suppress(OSError):
                one = socket.create_connection(address, 5, source_address=(source, 0))
                self.open[one] = b""
                one.sendall(start(number))
                one.setblocking(False)
            if number % 50 == 0:
                self.look()

    def look(self, timeout=0):
        """Notes who was told something or closed. Gives how many are open."""
        if not self.open:
            return 0
        with selectors.DefaultSelector() as selector:
            for one in self.open:
                selector.register(one, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(timeout)]
        for one in ready:
            try:
                data = one.recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            self.open[one] += data
            if not data:
                self.told.append(self.open.pop(one))
                one.close()
        return len(self.open)

    def trickle(self):
        """One byte more of each."""
        for one in list(self.open):
            with contextlib.suppress(OSError):
                one.send(b" ")

    def leave(self):
        for one in self.open:
            one.close()
        self.open = {}

    def until(self, condition, seconds):
        """Looks until `condition` holds of how many are open; whether it came to that."""
        end = time.monotonic() + seconds
        while not condition(self.look(0.05)):
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def answer(told):
    """Status and body of what a stranger was told; (0, "") of one that was only closed."""
    head, _, body = told.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), head.decode() + body.decode(errors="replace")


def silent(server, faults):
    """Connections over AMQP that never log in, half of them after the protocol header."""
    crowds, address = {}, (server.host, server.amqp_port)
    for source, count in (("127.0.0.1", FROM_ONE), *((other, FROM_EACH_OTHER) for other in OTHERS)):
        crowds[source] = Crowd()
        crowds[source].add(address, count, lambda number: b"AMQP\0\0\x09\x01" if number % 2 else b"", source)
        if not crowds["127.0.0.1"].until(lambda left: left <= WAITING // 2, PATIENCE):
            faults.append(f"{crowds['127.0.0.1'].look()} of one address wait for a log-in, more than {WAITING // 2}")
    # The last to give way may not have been closed yet.
    end = time.monotonic() + PATIENCE
    while (waiting := sum(crowd.look() for crowd in crowds.values())) > WAITING and time.monotonic() < end:
        time.sleep(0.05)
    if waiting > WAITING:
        faults.append(f"{waiting} wait for a log-in, more than {WAITING}")
    for other in OTHERS:
        if (left := crowds[other].look()) < FROM_EACH_OTHER:
            faults.append(f"{FROM_EACH_OTHER - left} of {other} gave way, which has fewer than 127.0.0.1")
    return crowds


def slow(context, server, konto, faults):
    """Bodies a byte a second: forms of strangers, and the JSON of one who has logged in."""
    each, address = context.of(2_000, 10_020) // 3, (server.host, server.http_port)
    login = "".join(f"{name}: {value}\r\n" for name, value in konto.login().items())
    system = f"{konto.konto['fiksOrgId']}/systemer/{konto.konto['systemId']}"
    kinds = {
        "form": ("POST /logg-ut", "application/x-www-form-urlencoded", ""),
        "multipart": ("POST /fiks-io/api/v1/send", "multipart/form-data; boundary=b", ""),
        "JSON": (f"PUT /fiks-protokoll/api/v1/konfigurasjon/{system}/info", "application/json", login),
    }
    crowds = {}
    for name, (line, kind, headers) in kinds.items():
        crowds[name] = crowd = Crowd()
        start = f"{line} HTTP/1.1\r\nHost: x\r\n{headers}Content-Type: {kind}\r\nContent-Length: 1000\r\n\r\n".encode()
        crowd.add(address, each, lambda _, start=start: start)
        crowd.look()
    end = time.monotonic() + STALL + 4
    while time.monotonic() < end:
        for crowd in crowds.values():
            crowd.trickle()
            crowd.look(0.1)
        time.sleep(0.8)
    for crowd in crowds.values():
        # Those whose answer came but whose rest the server still throws away.
        crowd.told += crowd.open.values()
        crowd.leave()
    told = {name: [answer(one) for one in crowd.told] for name, crowd in crowds.items()}
    # Only strangers may be pushed out without a word.
    for name, allowed in (("form", {403, 429, 0}), ("multipart", {401, 429, 0}), ("JSON", {408, 429})):
        if odd := {status for status, _ in told[name]} - allowed:
            faults.append(f"{name} a byte a second is answered with {odd}")
    late = [text for status, text in told["JSON"] if status == 408]
    if not late or not all("FOR_TREG" in text for text in late):
        faults.append(f"JSON a byte a second is not told FOR_TREG: {len(late)}")
    many = [text for status, text in told["JSON"] if status == 429]
    if not many or not all("FOR_MANGE" in text and "retry-after" in text.lower() for text in many):
        faults.append(f"more requests at a time than may be are not told FOR_MANGE: {len(many)}")
    return {"slow bodies": 3 * each, "sent away with 408": len(late), "with 429": len(many)}


def connect(konto):
    """One connection more, or why not."""
    try:
        return konto.connect()
    except Closed as closed:
        return closed


def connections(konto, load, faults):
    """More connections of one integrasjon than it may have."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        came = list(pool.map(lambda _: connect(konto), range(CONNECTIONS)))
    refused = [one for one in came if isinstance(one, Closed)]
    inside = [one for one in came if not isinstance(one, Closed)]
    # One is that of the receiver, which is there all the while.
    if len(inside) != MOST_CONNECTIONS - 1:
        faults.append(f"{len(inside)} connections of one integrasjon are let in, not {MOST_CONNECTIONS - 1}")
    if odd := [one for one in refused if one.code != 530 or "grenser.tilkoblinger_per_integrasjon" not in str(one)]:
        faults.append(f"{len(odd)} connections too many are not told 530 and the key: {odd[0]}")
    if not load.more(20, PATIENCE):
        faults.append("others do not go on beside an integrasjon that has all connections it may have")
    for one in inside:
        one.drop()
    return {"connections of one integrasjon": len(came), "told 530": len(refused)}


def quota(load, faults):
    """One fills its share of Dokumentlager; the other sends on, large and small."""
    greedy, other, history = load.arkiv, load.fagsystem, load.history
    answered = {"svarPaMelding": next(iter(history.accepted)), "meldingType": KVITTERING}
    large, full = bytes(LARGE), []
    for _ in range(QUOTA // LARGE + 5):
        try:
            history.sent(greedy.send(other, large, **answered), digest_of(large))
        except Refused as refused:
            full.append(refused)
    if odd := [one for one in full if one.status != 507 or "grenser.sendte_bytes_per_organisasjon" not in str(one)]:
        faults.append(f"whoever has filled its share is told {odd[0]}")
    if not 5 <= len(full) <= 6:
        faults.append(f"{len(full)} of {QUOTA // LARGE + 5} payloads beyond the quota are refused, not 5")
    last = None
    for sender, receiver, data, extra in ((greedy, other, b"small", answered), *[(other, load.arkiv, large, {})] * 3):
        try:
            last = sender.send(receiver, data, **extra)
            history.sent(last, digest_of(data))
        except Refused as refused:
            faults.append(f"{len(data)} bytes beside an organisasjon that has filled its share: {refused}")
    # What the receiver is to fetch it fetches before it uses up its requests.
    end = time.monotonic() + PATIENCE
    while last in history.missing() and time.monotonic() < end:
        time.sleep(0.05)
    return {"told 507": len(full)}


def rate(load, faults):
    """One makes more requests a second than it may; the other sends on."""
    konto, told, done = load.arkiv, [], threading.Event()
    end = time.monotonic() + 15

    def hammer(_):
        path, login = f"/fiks-io/katalog/api/v1/kontoer/{konto.id}", konto.login()
        count = 0
        with contextlib.closing(konto.http(PATIENCE)) as connection:
            while time.monotonic() < end and not done.is_set():
                connection.request("GET", path, headers=login)
                got = connection.getresponse()
                body = got.read()
                count += 1
                if got.status != 200:
                    told.append((got.status, got.getheader("Retry-After"), body))
                if len(told) > 100:
                    done.set()
        return count

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        hammering = [pool.submit(hammer, number) for number in range(4)]
        if not load.more(20, PATIENCE):
            faults.append("others do not go on beside an integrasjon that makes too many requests")
        calls = sum(each.result() for each in hammering)
    if len(told) <= 100:
        faults.append(f"{calls} requests of one integrasjon, of which {len(told)} are refused")
    for status, after, body in told:
        error = json.loads(body)
        if status != 429 or not after or error["errorCode"] != "FOR_MANGE" or "grenser.kall_per_" not in error["message"]:
            faults.append(f"whoever makes too many requests is told {status}, Retry-After {after}: {error}")
            break
    return {"requests": calls, "told 429": len(told)}


def run(context):
    most, need = resource.getrlimit(resource.RLIMIT_NOFILE)[1], context.of(8_192, 16_384)
    if most < need:
        raise Skipped(f"so many strangers need {need} open files; the hard limit is {most}")
    grenser = {
        "tilkoblinger_per_integrasjon": MOST_CONNECTIONS,
        "samtidige_kall_per_organisasjon": 300,
        "kall_per_integrasjon": CALLS,
        "sendte_bytes_per_organisasjon": QUOTA,
    }
    config = f"[melding]\ninline_payload_max_bytes = {INLINE}\n[grenser]\n"
    config += "".join(f"{key} = {value}\n" for key, value in grenser.items())
    http_limits = {"TILKOBLINGER_MAKS": context.of(1_000, 10_000), "STILLSTAND_SEKUNDER": STALL}
    env = {f"KNUTEPUNKT__HTTP__{key}": str(value) for key, value in http_limits.items()}
    server = context.server("strangers", config=config, env=env).start()
    load = Both(server, context.seed).start()
    newcomers = Newcomers(load)
    newcomers.start()
    counts, faults, crowds = {}, [], {}
    try:
        load.more(20)
        begun = time.monotonic()
        crowds = silent(server, faults)
        if not load.more(20, PATIENCE):
            faults.append("those who are connected do not go on beside silent strangers")
        counts |= slow(context, server, load.arkiv, faults)
        counts |= connections(load.arkiv, load, faults)
        counts |= quota(load, faults)
        counts |= rate(load, faults)
        end = begun + LOG_IN_WITHIN + PATIENCE
        for source, crowd in crowds.items():
            if not crowd.until(lambda left: not left, max(1, end - time.monotonic())):
                faults.append(f"{crowd.look()} of {source} are there without log-in after {time.monotonic() - begun:.0f} s")
        if server.process.poll() is not None:
            faults.append(f"the server ended with {server.process.returncode}")
        newcomers.over.set()
        newcomers.join()
        history = load.finish()
    finally:
        newcomers.over.set()
        for crowd in crowds.values():
            crowd.leave()
        load.stop_sending.set()
        load.stop_receiving.set()
        server.kill()
    faults += newcomers.faults
    if (longest := max(newcomers.took)) > PATIENCE:
        faults.append(f"an honest newcomer waits {longest:.1f} s")
    if history.breaks:
        faults.append(f"connections of those who are honest break: {dict(history.breaks)}")
    silents = FROM_ONE + FROM_EACH_OTHER * len(OTHERS)
    counts = {"silent over AMQP": silents} | counts | {"newcomers": len(newcomers.took), "longest wait, s": round(longest, 1)}
    return Verdict(load.counts() | counts, faults + judge(history))
