"""A Knutepunkt to test against, and the few lines that turn a konto of it into something that sends over HTTP."""

import contextlib
import http.client
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
import uuid

import jwt
import pika

DEADLINE = 60
PING = "no.ks.fiks.arkiv.v1.ping"
PONG = "no.ks.fiks.arkiv.v1.pong"


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Server:
    """`knutepunkt dev` on free ports with temporary data. Program and log come from the environment."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="knutepunkt-interop")
        self.log = pathlib.Path(os.environ["KNUTEPUNKT_LOG"])
        self.log.write_text("")
        data = pathlib.Path(self.folder.name) / "data"
        self.http_port, https, amqps = free_ports(3)
        self.command = [os.environ["KNUTEPUNKT"], "dev", "--data", str(data)]
        self.command += ["--http-port", str(self.http_port), "--https-port", str(https), "--amqps-port", str(amqps)]
        self.process = None
        try:
            self.launch()
            self.klient = json.loads((data / "klient.json").read_text())
        except BaseException:
            self.close()
            raise

    def launch(self):
        """Starts the process on the data it has and waits until it answers."""
        before = self.log.stat().st_size
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/helse", timeout=5) as answer:
                    # It says so once the whole world is there, which is a little later than its HTTP side works.
                    if answer.status == 200 and b"er klar" in self.log.read_bytes()[before:]:
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"the server does not answer within {DEADLINE} s")

    def kill(self):
        """SIGKILL: no chance to say goodbye or to write anything more."""
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.folder.cleanup()


class Konto:
    """A konto with all that its owner holds."""

    def __init__(self, klient, part):
        self.klient = klient
        self.konto = next(
            k for k in klient["kontoer"] if k["protokoll"] == "no.ks.fiks.arkiv" and part in k["parter"]
        )
        self.id = self.konto["kontoId"]
        self.queue = f"fiksio.konto.{self.id}"
        self.cached = (None, 0.0)

    def token(self):
        """An access token; the same for half a minute."""
        token, fetched = self.cached
        if time.monotonic() - fetched > 30:
            token = self.new_token()
            self.cached = (token, time.monotonic())
        return token

    def new_token(self):
        organisasjon = next(o for o in self.klient["organisasjoner"] if o["orgnummer"] == self.konto["orgnummer"])
        certificate = organisasjon["sertifikat"]
        pem = pathlib.Path(certificate["certPem"]).read_text()
        leaf = pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----END CERTIFICATE-----")[0]
        now = int(time.time())
        assertion = jwt.encode(
            {
                "aud": self.klient["maskinporten"]["audience"],
                "iss": f"pika-{self.konto['orgnummer']}",
                "scope": "ks:fiks",
                "iat": now,
                "exp": now + 120,
                "jti": str(uuid.uuid4()),
            },
            pathlib.Path(certificate["keyPem"]).read_text(),
            algorithm="RS256",
            headers={"x5c": ["".join(leaf.split())]},
        )
        form = urllib.parse.urlencode(
            {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        )
        request = urllib.request.Request(self.klient["maskinporten"]["tokenEndpoint"], form.encode())
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return json.load(answer)["access_token"]

    def parameters(self, passord=None, host="/"):
        amqp = self.klient["amqp"]
        trust = ssl.create_default_context(cafile=self.klient["caPem"])
        passord = passord or self.konto["integrasjonPassord"]
        return pika.ConnectionParameters(
            host=amqp["host"],
            port=amqp["port"],
            virtual_host=host,
            credentials=pika.PlainCredentials(self.konto["integrasjonId"], f"{passord} {self.token()}"),
            ssl_options=pika.SSLOptions(trust, amqp["host"]),
            connection_attempts=1,
        )

    def connect(self, **kwargs):
        return pika.BlockingConnection(self.parameters(**kwargs))

    def send(self, mottaker, meldingstype, data=b"", connection=None, **extra):
        """Sends and returns the meldingId. Raises [`Refused`] unless the answer is 202."""
        metadata = {
            "avsenderKontoId": self.id,
            "mottakerKontoId": mottaker.id,
            "meldingType": meldingstype,
            "ttl": 3_600_000,
            "headere": {},
        } | extra
        boundary = uuid.uuid4().hex
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n'
            f"Content-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n"
        ).encode()
        if data:
            body += (
                f'--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="{uuid.uuid4()}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            body += data + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        headers = self.login() | {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}
        with contextlib.ExitStack() as own:
            if connection is None:
                connection = own.enter_context(contextlib.closing(self.http()))
            connection.request("POST", "/fiks-io/api/v1/send", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status != 202:
            raise Refused(answer.status, text.decode())
        return json.loads(text)["meldingId"]

    def login(self):
        return {
            "Authorization": f"Bearer {self.token()}",
            "IntegrasjonId": self.konto["integrasjonId"],
            "IntegrasjonPassord": self.konto["integrasjonPassord"],
        }

    def http(self):
        """A connection that can be used for many sendings, one at a time."""
        url = urllib.parse.urlsplit(self.klient["httpUrl"])
        return http.client.HTTPConnection(url.hostname, url.port, timeout=DEADLINE)


class Refused(Exception):
    """The server answered, and not as it should."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status
