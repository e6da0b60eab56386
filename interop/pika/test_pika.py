"""A generic AMQP client receives with ack from Knutepunkt and is refused what it may not do.

Nothing here knows Fiks IO but the few lines that send a melding over HTTP; the AMQP side is pika as anyone would use it.
"""

import json
import logging
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

import jwt
import pika
import pika.exceptions

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
    """`knutepunkt dev` on free ports with temporary data."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="knutepunkt-pika")
        data = pathlib.Path(self.folder.name) / "data"
        self.log = pathlib.Path(os.environ["KNUTEPUNKT_LOG"])
        http, https, amqps = map(str, free_ports(3))
        command = [os.environ["KNUTEPUNKT"], "dev", "--data", str(data)]
        command += ["--http-port", http, "--https-port", https, "--amqps-port", amqps]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.wait_until_ready(f"http://127.0.0.1:{http}/helse")
            self.klient = json.loads((data / "klient.json").read_text())
        except BaseException:
            self.close()
            raise

    def wait_until_ready(self, url):
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log.read_text()}")
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the server does not answer:\n{self.log.read_text()}")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
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

    def token(self):
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

    def send(self, mottaker, meldingstype, **extra):
        """Sends without payload and returns the meldingId."""
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
            f"Content-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(metadata)}\r\n--{boundary}--\r\n"
        )
        request = urllib.request.Request(
            f"{self.klient['httpUrl']}/fiks-io/api/v1/send",
            body.encode(),
            {
                "Authorization": f"Bearer {self.token()}",
                "IntegrasjonId": self.konto["integrasjonId"],
                "IntegrasjonPassord": self.konto["integrasjonPassord"],
                "Content-Type": f'multipart/form-data; boundary="{boundary}"',
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
                assert answer.status == 202, answer.status
                return json.load(answer)["meldingId"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{refused.status}: {refused.read().decode()}") from refused


class Pika(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.fagsystem = Konto(cls.server.klient, "klient.full")
        cls.arkiv = Konto(cls.server.klient, "arkiv.full")

    def connection(self, konto, **kwargs):
        connection = konto.connect(**kwargs)
        self.addCleanup(lambda: connection.close() if connection.is_open else None)
        return connection

    def next_delivery(self, channel, queue):
        for delivery in channel.consume(queue, inactivity_timeout=DEADLINE):
            if delivery[0] is None:
                self.fail(f"nothing arrived on {queue} within {DEADLINE} s")
            return delivery

    def assert_channel_closed(self, code, text, action):
        """`action` must end the channel, now or with the next thing the server says."""
        connection = self.connection(self.arkiv)
        channel = connection.channel()
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as closed:
            action(channel)
            # What has no answer of its own is refused a moment later; a question makes pika wait for that.
            channel.basic_qos(prefetch_count=1)
        self.assertEqual(closed.exception.reply_code, code, closed.exception)
        self.assertIn(text, closed.exception.reply_text)
        self.assertTrue(connection.is_open, "only the channel may end")
        connection.channel().close()

    def test_receives_and_acks(self):
        sent = self.fagsystem.send(self.arkiv, PING, headere={"egen": "æøå", "klientKorrelasjonsId": "k-1"})
        connection = self.connection(self.arkiv)
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        deliver, properties, body = self.next_delivery(channel, self.arkiv.queue)
        self.assertEqual(deliver.routing_key, self.arkiv.queue)
        self.assertFalse(deliver.redelivered)
        self.assertEqual(body, b"")
        self.assertEqual(properties.expiration, "3600000")
        self.assertEqual(properties.delivery_mode, 2)
        expected = {
            "melding-id": sent,
            "type": PING,
            "avsender-id": self.fagsystem.id,
            "egendefinert-header.egen": "æøå",
            "egendefinert-header.klientKorrelasjonsId": "k-1",
        }
        self.assertEqual(expected, {name: properties.headers.get(name) for name in expected})
        channel.basic_ack(deliver.delivery_tag)

        # The next one is the next one sent, so the first is gone.
        sent = self.fagsystem.send(self.arkiv, PING)
        deliver, properties, _ = self.next_delivery(channel, self.arkiv.queue)
        self.assertEqual(properties.headers["melding-id"], sent)
        channel.basic_ack(deliver.delivery_tag)
        channel.cancel()

    def test_gets_back_what_it_requeues_and_what_it_drops(self):
        sent = self.fagsystem.send(self.arkiv, PING)
        connection = self.connection(self.arkiv)
        channel = connection.channel()
        deliver, _, _ = self.next_delivery(channel, self.arkiv.queue)
        channel.basic_nack(deliver.delivery_tag, requeue=True)
        deliver, properties, _ = self.next_delivery(channel, self.arkiv.queue)
        self.assertEqual(properties.headers["melding-id"], sent)
        self.assertTrue(deliver.redelivered)
        connection.close()

        connection = self.connection(self.arkiv)
        channel = connection.channel()
        deliver, properties, _ = self.next_delivery(channel, self.arkiv.queue)
        self.assertEqual(properties.headers["melding-id"], sent)
        self.assertTrue(deliver.redelivered)
        channel.basic_ack(deliver.delivery_tag)
        channel.cancel()

    def test_a_svar_reaches_the_other_konto(self):
        question = self.fagsystem.send(self.arkiv, PING)
        channel = self.connection(self.arkiv).channel()
        deliver, _, _ = self.next_delivery(channel, self.arkiv.queue)
        answer = self.arkiv.send(self.fagsystem, PONG, svarPaMelding=question)
        channel.basic_ack(deliver.delivery_tag)
        channel.cancel()

        channel = self.connection(self.fagsystem).channel()
        deliver, properties, _ = self.next_delivery(channel, self.fagsystem.queue)
        self.assertEqual(properties.headers["melding-id"], answer)
        self.assertEqual(properties.headers["svar-til"], question)
        channel.basic_ack(deliver.delivery_tag)
        channel.cancel()

    def test_a_foreign_queue_is_refused(self):
        self.assert_channel_closed(
            403, "ACCESS_REFUSED", lambda channel: channel.basic_consume(self.fagsystem.queue, lambda *_: None)
        )

    def test_an_unknown_queue_is_refused_like_a_foreign_one(self):
        queue = f"fiksio.konto.{uuid.uuid4()}"
        self.assert_channel_closed(403, "ACCESS_REFUSED", lambda channel: channel.basic_consume(queue, lambda *_: None))

    def test_declaring_a_queue_is_refused(self):
        self.assert_channel_closed(403, "ACCESS_REFUSED", lambda channel: channel.queue_declare("mine"))

    def test_declaring_an_exchange_is_refused(self):
        self.assert_channel_closed(403, "ACCESS_REFUSED", lambda channel: channel.exchange_declare("mine"))

    def test_publishing_is_refused(self):
        for queue in (self.arkiv.queue, self.fagsystem.queue):
            self.assert_channel_closed(
                403, "ACCESS_REFUSED", lambda channel, queue=queue: channel.basic_publish("", queue, b"x")
            )

    def test_purging_and_deleting_the_own_queue_is_refused(self):
        self.assert_channel_closed(403, "ACCESS_REFUSED", lambda channel: channel.queue_purge(self.arkiv.queue))
        self.assert_channel_closed(403, "ACCESS_REFUSED", lambda channel: channel.queue_delete(self.arkiv.queue))

    def test_acking_what_was_never_delivered_is_refused(self):
        self.assert_channel_closed(406, "unknown delivery tag", lambda channel: channel.basic_ack(17))

    def test_a_wrong_password_is_refused(self):
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError) as refused:
            self.arkiv.connect(passord="feil")
        self.assertIn("403", str(refused.exception))

    def test_another_virtual_host_is_refused(self):
        with self.assertRaises((pika.exceptions.ProbableAccessDeniedError, pika.exceptions.ConnectionClosedByBroker)) as refused:
            self.arkiv.connect(host="other")
        self.assertIn("530", str(refused.exception))


if __name__ == "__main__":
    # Refusals are what is looked for here; pika need not report them, too.
    logging.getLogger("pika").setLevel(logging.CRITICAL + 1)
    result = unittest.main(verbosity=2, exit=False).result
    print(f"pika: {result.testsRun} scenarios run, {len(result.skipped)} skipped")
    sys.exit(0 if result.wasSuccessful() and result.testsRun > 0 and not result.skipped else 1)
