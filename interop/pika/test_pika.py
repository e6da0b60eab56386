"""A generic AMQP client receives with ack from Knutepunkt and is refused what it may not do.

The AMQP side is pika as anyone would use it, who has never heard of Fiks IO.
"""

import logging
import sys
import unittest
import uuid

import pika.exceptions

from knutepunkt import DEADLINE, PING, PONG, Konto, Server


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

    def test_an_unknown_queue_is_not_found(self):
        queue = f"fiksio.konto.{uuid.uuid4()}"
        self.assert_channel_closed(404, "NOT_FOUND", lambda channel: channel.basic_consume(queue, lambda *_: None))

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
