"""A konto with all that its owner holds: it sends over HTTP and receives over AMQP."""

import contextlib
import hashlib
import http.client
import json
import uuid

from harness.amqp import Connection

PING = "no.ks.fiks.arkiv.v1.ping"
OPPRETT = "no.ks.fiks.arkiv.v1.arkivering.arkivmelding.opprett"
HOUR_MS = 3_600_000


class Refused(Exception):
    """The server answered, and not with what was asked for."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text[:600]}")
        self.status = status


class Konto:
    """One konto of the world, seen from its owner."""

    def __init__(self, server, part, clock=None):
        kontoer = server.world.klient["kontoer"]
        self.konto = next(k for k in kontoer if k["protokoll"] == "no.ks.fiks.arkiv" and part in k["parter"])
        self.server, self.clock = server, clock
        self.id = self.konto["kontoId"]
        self.queue = f"fiksio.konto.{self.id}"

    def token(self):
        extra = {"clock": self.clock} if self.clock else {}
        return self.server.issuer.token(self.konto["orgnummer"], **extra)

    def login(self):
        return {
            "Authorization": f"Bearer {self.token()}",
            "IntegrasjonId": self.konto["integrasjonId"],
            "IntegrasjonPassord": self.konto["integrasjonPassord"],
        }

    def http(self, timeout=60):
        return http.client.HTTPConnection(self.server.host, self.server.http_port, timeout=timeout)

    def connect(self, timeout=30, heartbeat=0):
        password = f"{self.konto['integrasjonPassord']} {self.token()}"
        address = (self.server.host, self.server.amqp_port)
        return Connection(address, self.konto["integrasjonId"], password, timeout, heartbeat)

    def send(self, mottaker, data=b"", connection=None, headere=None, **extra):
        """Sends and returns the meldingId. Raises `Refused` unless the answer is 202."""
        metadata = {
            "avsenderKontoId": self.id,
            "mottakerKontoId": mottaker.id,
            "meldingType": OPPRETT if data else PING,
            "ttl": HOUR_MS,
            "headere": headere or {},
        } | extra
        boundary = uuid.uuid4().hex
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n'
            f"Content-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
        ).encode()
        if data:
            part = f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="{uuid.uuid4()}"\r\n'
            body += f"{part}Content-Type: application/octet-stream\r\n\r\n".encode() + data + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        headers = self.login() | {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
        with contextlib.ExitStack() as own:
            if connection is None:
                connection = own.enter_context(contextlib.closing(self.http()))
            connection.request("POST", "/fiks-io/api/v1/send", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status != 202:
            raise Refused(answer.status, text.decode(errors="replace"))
        return json.loads(text)["meldingId"]

    def download(self, dokument_id):
        """A payload that did not travel with its melding."""
        with contextlib.closing(self.http()) as connection:
            connection.request("GET", f"/dokumentlager/nedlasting/{dokument_id}", headers=self.login())
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != 200:
            raise Refused(answer.status, content.decode(errors="replace"))
        return content

    def refused_change(self):
        """Takes a tilgang away that nobody has. Returns the status of the answer."""
        konto = self.konto
        system = f"/fiks-protokoll/api/v1/konfigurasjon/{konto['fiksOrgId']}/systemer/{konto['systemId']}"
        path = f"{system}/kontoer/{self.id}/tilganger/{uuid.uuid4()}"
        with contextlib.closing(self.http()) as connection:
            connection.request("DELETE", path, headers=self.login())
            return connection.getresponse().status

    def payload(self, delivered):
        """The payload of a delivery, wherever it lies."""
        dokument_id = delivered.headers.get("dokumentlager-id")
        return self.download(dokument_id) if dokument_id else delivered.body


def digest_of(data):
    return hashlib.sha256(data).hexdigest()
