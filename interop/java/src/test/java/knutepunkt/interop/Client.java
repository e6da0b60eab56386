package knutepunkt.interop;

import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import no.ks.fiks.io.client.FiksIOKlient;
import no.ks.fiks.io.client.SvarSender;
import no.ks.fiks.io.client.model.MottattMelding;

/** The official client with what it receives put aside until the test asks for it. */
final class Client implements AutoCloseable {
    /** Long enough for a client that waits five seconds before each try to reconnect. */
    private static final Duration ARRIVES_WITHIN = Duration.ofSeconds(60);

    record Received(MottattMelding melding, SvarSender svar) {}

    final FiksIOKlient klient;
    private final BlockingQueue<Received> inbox = new LinkedBlockingQueue<>();

    Client(FiksIOKlient klient) {
        this.klient = klient;
    }

    Client listen() {
        klient.newSubscription((melding, svar) -> inbox.add(new Received(melding, svar)));
        return this;
    }

    /** The next melding, whatever it is. */
    Received next() throws InterruptedException {
        Received received = poll(ARRIVES_WITHIN);
        if (received == null) {
            throw new AssertionError("nothing arrived within " + ARRIVES_WITHIN);
        }
        return received;
    }

    /** The next melding, which must be of the type given. */
    Received next(String meldingstype) throws InterruptedException {
        Received received = next();
        if (!received.melding().getMeldingType().equals(meldingstype)) {
            throw new AssertionError("expected " + meldingstype + " but got " + received.melding());
        }
        return received;
    }

    /** The next melding, or null if none comes in time. */
    Received poll(Duration within) throws InterruptedException {
        return inbox.poll(within.toMillis(), TimeUnit.MILLISECONDS);
    }

    @Override
    public void close() throws Exception {
        klient.close();
    }
}
