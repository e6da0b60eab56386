package knutepunkt.interop;

import static knutepunkt.interop.Meldingstyper.KVITTERING;
import static knutepunkt.interop.Meldingstyper.MOTTATT;
import static knutepunkt.interop.Meldingstyper.OPPRETT;
import static knutepunkt.interop.Meldingstyper.PING;
import static knutepunkt.interop.Meldingstyper.PONG;
import static knutepunkt.interop.Meldingstyper.SERVERFEIL;
import static knutepunkt.interop.Meldingstyper.TIDSAVBRUDD;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import no.ks.fiks.io.client.model.KlientKorrelasjonId;
import no.ks.fiks.io.client.model.Konto;
import no.ks.fiks.io.client.model.KontoId;
import no.ks.fiks.io.client.model.MeldingId;
import no.ks.fiks.io.client.model.MeldingRequest;
import no.ks.fiks.io.client.model.MottattMelding;
import no.ks.fiks.io.client.model.SendtMelding;
import no.ks.fiks.io.client.model.StringPayload;
import no.ks.fiks.io.klient.FiksIOHttpException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;

/** The official client, unmodified, on both sides: «Mitt fagsystem» (klient.full) and «Mitt arkiv» (arkiv.full). */
class FiksIoKlientTest {
    private static Server server;
    private static World.Account fagsystemAccount;
    private static World.Account arkivAccount;

    private Client fagsystem;
    private Client arkiv;

    @BeforeAll
    static void startServer() throws Exception {
        server = Server.start();
        World world = new World(server.clientConfiguration());
        fagsystemAccount = world.account("klient.full");
        arkivAccount = world.account("arkiv.full");
    }

    @AfterAll
    static void stopServer() throws Exception {
        if (server != null) {
            server.close();
        }
    }

    @BeforeEach
    void connect() throws Exception {
        fagsystem = fagsystemAccount.connect().listen();
        arkiv = arkivAccount.connect().listen();
    }

    @AfterEach
    void disconnect() throws Exception {
        for (Client client : new Client[] {fagsystem, arkiv}) {
            if (client != null) {
                client.close();
            }
        }
    }

    private static MeldingRequest.MeldingRequestBuilder toArkiv(String meldingstype) {
        return MeldingRequest.builder().mottakerKontoId(arkivAccount.id()).meldingType(meldingstype);
    }

    /**
     * Proves that a konto's queue is empty without waiting for nothing to happen: a question sent now must be the very next
     * thing the arkiv gets, and its answer the very next thing the fagsystem gets.
     */
    private void assertNothingElseWaits() throws Exception {
        SendtMelding question = fagsystem.klient.sendWithoutPayload(toArkiv(PING).build());
        Client.Received received = arkiv.next(PING);
        assertEquals(question.getMeldingId(), received.melding().getMeldingId());
        received.svar().svar(PONG);
        received.svar().ack();
        Client.Received answer = fagsystem.next(PONG);
        assertEquals(question.getMeldingId(), answer.melding().getSvarPaMelding());
        answer.svar().ack();
    }

    @Test
    @Order(10)
    void katalog_tells_about_a_konto() {
        Optional<Konto> found = fagsystem.klient.getKonto(arkivAccount.id());
        Konto konto = found.orElseThrow();
        assertEquals(arkivAccount.id(), konto.getKontoId());
        assertEquals(arkivAccount.navn(), konto.getKontoNavn());
        assertEquals(arkivAccount.orgnummer(), konto.getOrgNummer());
        assertTrue(konto.isGyldigMottaker());
        assertTrue(konto.isGyldigAvsender());
        assertEquals(1, konto.getAntallKonsumenter());
    }

    @Test
    @Order(11)
    void katalog_knows_nothing_of_an_unknown_konto() {
        assertEquals(Optional.empty(), fagsystem.klient.getKonto(new KontoId(UUID.randomUUID())));
    }

    @Test
    @Order(20)
    void a_melding_with_payload_arrives_whole_with_all_its_headers() throws Exception {
        MeldingId klientMeldingId = new MeldingId(UUID.randomUUID());
        SendtMelding sent = fagsystem.klient.send(
                toArkiv(OPPRETT)
                        .klientMeldingId(klientMeldingId)
                        .korrelasjonsId(new KlientKorrelasjonId("sak 2026/17 – blåbærsyltetøy"))
                        .headere(Map.of("egen", "verdi", "Tittel", "Søknad om å få øl"))
                        .ttl(Duration.ofHours(3))
                        .build(),
                List.of(
                        new StringPayload("<arkivmelding/>", "arkivmelding.xml"),
                        new StringPayload("Vedlegg: æøå", "vedlegg.txt")));
        assertNotNull(sent.getMeldingId());
        assertEquals(fagsystemAccount.id(), sent.getAvsenderKontoId());
        assertEquals(arkivAccount.id(), sent.getMottakerKontoId());
        assertEquals(Duration.ofHours(3), sent.getTtl());

        Client.Received received = arkiv.next(OPPRETT);
        MottattMelding melding = received.melding();
        assertEquals(sent.getMeldingId(), melding.getMeldingId());
        assertEquals(fagsystemAccount.id(), melding.getAvsenderKontoId());
        assertEquals(arkivAccount.id(), melding.getMottakerKontoId());
        assertEquals(Duration.ofHours(3), melding.getTtl());
        assertEquals(klientMeldingId, melding.getKlientMeldingId());
        assertEquals("sak 2026/17 – blåbærsyltetøy", melding.getKlientKorrelasjonId().getKlientKorrelasjonId());
        assertEquals("verdi", melding.getHeadere().get("egen"));
        assertEquals("Søknad om å få øl", melding.getHeadere().get("Tittel"));
        assertNull(melding.getSvarPaMelding());
        assertFalse(melding.isResendt());
        assertTrue(melding.isHarPayload());
        Map<String, byte[]> files = Payloads.files(melding);
        assertEquals(Set.of("arkivmelding.xml", "vedlegg.txt"), files.keySet());
        assertArrayEquals("<arkivmelding/>".getBytes(StandardCharsets.UTF_8), files.get("arkivmelding.xml"));
        assertArrayEquals("Vedlegg: æøå".getBytes(StandardCharsets.UTF_8), files.get("vedlegg.txt"));
        received.svar().ack();
        assertNothingElseWaits();
    }

    @Test
    @Order(21)
    void a_melding_without_payload_arrives() throws Exception {
        SendtMelding sent = fagsystem.klient.sendWithoutPayload(toArkiv(PING).build());
        Client.Received received = arkiv.next(PING);
        assertEquals(sent.getMeldingId(), received.melding().getMeldingId());
        assertFalse(received.melding().isHarPayload());
        assertEquals(Duration.ofDays(7), received.melding().getTtl());
        received.svar().ack();
        assertNothingElseWaits();
    }

    @Test
    @Order(22)
    void a_svar_with_and_without_payload_finds_its_way_back_and_keeps_the_korrelasjon() throws Exception {
        SendtMelding question = fagsystem.klient.send(
                toArkiv(OPPRETT).korrelasjonsId(new KlientKorrelasjonId("k-22")).build(),
                "<arkivmelding/>", "arkivmelding.xml");
        Client.Received received = arkiv.next(OPPRETT);
        SendtMelding mottatt = received.svar().svar(MOTTATT);
        SendtMelding kvittering = received.svar().svar(KVITTERING, "<kvittering/>", "arkivmelding-kvittering.xml");
        received.svar().ack();

        Client.Received first = fagsystem.next(MOTTATT);
        assertEquals(mottatt.getMeldingId(), first.melding().getMeldingId());
        assertEquals(question.getMeldingId(), first.melding().getSvarPaMelding());
        assertEquals("k-22", first.melding().getKlientKorrelasjonId().getKlientKorrelasjonId());
        assertFalse(first.melding().isHarPayload());
        first.svar().ack();

        Client.Received second = fagsystem.next(KVITTERING);
        assertEquals(kvittering.getMeldingId(), second.melding().getMeldingId());
        assertEquals(question.getMeldingId(), second.melding().getSvarPaMelding());
        Map<String, byte[]> files = Payloads.files(second.melding());
        assertEquals(Set.of("arkivmelding-kvittering.xml"), files.keySet());
        assertArrayEquals("<kvittering/>".getBytes(StandardCharsets.UTF_8), files.get("arkivmelding-kvittering.xml"));
        second.svar().ack();
        assertNothingElseWaits();
    }

    @Test
    @Order(30)
    void an_acked_melding_never_comes_again_and_an_unacked_one_does() throws Exception {
        SendtMelding acked = fagsystem.klient.sendWithoutPayload(toArkiv(PING).build());
        SendtMelding kept = fagsystem.klient.sendWithoutPayload(toArkiv(PING).build());
        Client.Received first = arkiv.next(PING);
        assertEquals(acked.getMeldingId(), first.melding().getMeldingId());
        first.svar().ack();
        assertEquals(kept.getMeldingId(), arkiv.next(PING).melding().getMeldingId());

        arkiv.close();
        arkiv = arkivAccount.connect().listen();
        Client.Received again = arkiv.next(PING);
        assertEquals(kept.getMeldingId(), again.melding().getMeldingId());
        assertTrue(again.melding().isResendt());
        again.svar().ack();
        assertNothingElseWaits();
    }

    @Test
    @Order(31)
    void a_nacked_melding_is_gone_and_the_sender_hears_nothing() throws Exception {
        fagsystem.klient.sendWithoutPayload(toArkiv(PING).build());
        arkiv.next(PING).svar().nack();
        assertNothingElseWaits();
    }

    @Test
    @Order(32)
    void a_melding_requeued_three_times_ends_as_serverfeil_at_the_sender() throws Exception {
        SendtMelding sent = fagsystem.klient.sendWithoutPayload(
                toArkiv(PING).korrelasjonsId(new KlientKorrelasjonId("k-32")).build());
        List<Boolean> resendt = new ArrayList<>();
        for (int attempt = 1; attempt <= 3; attempt++) {
            Client.Received received = arkiv.next(PING);
            assertEquals(sent.getMeldingId(), received.melding().getMeldingId());
            resendt.add(received.melding().isResendt());
            received.svar().nackWithRequeue();
        }
        assertEquals(List.of(false, true, true), resendt);
        assertKvittering(SERVERFEIL, sent, "k-32");
        assertNothingElseWaits();
    }

    @Test
    @Order(33)
    void a_melding_nobody_takes_in_time_ends_as_tidsavbrudd_at_the_sender() throws Exception {
        arkiv.close();
        SendtMelding sent = fagsystem.klient.sendWithoutPayload(
                toArkiv(PING).korrelasjonsId(new KlientKorrelasjonId("k-33")).ttl(Duration.ofSeconds(1)).build());
        assertKvittering(TIDSAVBRUDD, sent, "k-33");
        arkiv = arkivAccount.connect().listen();
        assertNothingElseWaits();
    }

    private void assertKvittering(String meldingstype, SendtMelding about, String korrelasjonsId) throws Exception {
        Client.Received kvittering = fagsystem.next(meldingstype);
        assertEquals(about.getMeldingId(), kvittering.melding().getSvarPaMelding());
        assertNotEquals(about.getMeldingId(), kvittering.melding().getMeldingId());
        assertEquals(korrelasjonsId, kvittering.melding().getKlientKorrelasjonId().getKlientKorrelasjonId());
        assertFalse(kvittering.melding().isHarPayload());
        kvittering.svar().ack();
    }

    @Test
    @Order(40)
    void a_melding_without_tilgang_is_refused() throws Exception {
        // The fagsystem has given the arkiv no tilgang, and this answers nothing.
        MeldingRequest unasked = MeldingRequest.builder().mottakerKontoId(fagsystemAccount.id()).meldingType(PING).build();
        FiksIOHttpException refused =
                assertThrows(FiksIOHttpException.class, () -> arkiv.klient.sendWithoutPayload(unasked));
        assertEquals(403, refused.getStatus(), refused.getMessage());
        assertNothingElseWaits();
    }

    @Test
    @Order(41)
    void a_meldingstype_the_part_may_not_send_is_refused() throws Exception {
        FiksIOHttpException refused = assertThrows(
                FiksIOHttpException.class, () -> fagsystem.klient.sendWithoutPayload(toArkiv(MOTTATT).build()));
        assertTrue(refused.getStatus() >= 400 && refused.getStatus() < 500, refused.getMessage());
        assertNothingElseWaits();
    }

    @Test
    @Order(42)
    void a_missing_payload_is_refused() throws Exception {
        FiksIOHttpException refused = assertThrows(
                FiksIOHttpException.class, () -> fagsystem.klient.sendWithoutPayload(toArkiv(OPPRETT).build()));
        assertTrue(refused.getStatus() >= 400 && refused.getStatus() < 500, refused.getMessage());
        assertNothingElseWaits();
    }

    @Test
    @Order(43)
    void a_wrong_integrasjon_passord_does_not_get_in() {
        Exception refused = assertThrows(Exception.class, () -> arkivAccount.connect("feil-passord").close());
        boolean byAuthentication = false;
        for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
            byAuthentication |= cause instanceof com.rabbitmq.client.AuthenticationFailureException;
        }
        assertTrue(byAuthentication, () -> "refused for another reason: " + refused);
    }

    @Test
    @Order(50)
    void six_megabytes_go_through_dokumentlager() throws Exception {
        roundTrip(6L * 1024 * 1024);
    }

    @Test
    @Order(51)
    void two_hundred_megabytes_go_through_dokumentlager() throws Exception {
        roundTrip(200L * 1024 * 1024);
    }

    private void roundTrip(long size) throws Exception {
        Noise outgoing = new Noise(size);
        SendtMelding sent = fagsystem.klient.send(toArkiv(OPPRETT).build(), outgoing, "arkivmelding.xml");
        Client.Received received = arkiv.next(OPPRETT);
        assertEquals(sent.getMeldingId(), received.melding().getMeldingId());
        assertTrue(received.melding().isHarPayload());
        try (ZipInputStream zip = received.melding().getDekryptertZipStream()) {
            ZipEntry entry = zip.getNextEntry();
            while (entry != null && !entry.getName().equals("arkivmelding.xml")) {
                entry = zip.getNextEntry();
            }
            assertNotNull(entry, "the file is missing");
            assertSame(new Noise(size), zip);
        }
        received.svar().ack();
        assertNothingElseWaits();
    }

    private static void assertSame(InputStream expected, InputStream actual) throws Exception {
        long at = 0;
        while (true) {
            byte[] left = expected.readNBytes(1 << 16);
            byte[] right = actual.readNBytes(1 << 16);
            assertArrayEquals(left, right, "differs in the 64 KiB from " + at);
            if (left.length == 0) {
                return;
            }
            at += left.length;
        }
    }

    /** The server dies twice, once while all is quiet and once under load; both clients must find back by themselves. */
    @Test
    @Order(60)
    void clients_recover_from_a_killed_server_and_nothing_accepted_is_missing() throws Exception {
        // Quiet: the client listens, and what lay on the queue must still be there.
        arkiv.close();
        SendtMelding waiting = fagsystem.klient.sendWithoutPayload(toArkiv(PING).build());
        server.kill();
        server.launch();
        arkiv = arkivAccount.connect().listen();
        Client.Received first = arkiv.next(PING);
        assertEquals(waiting.getMeldingId(), first.melding().getMeldingId());
        assertFalse(first.melding().isResendt(), "it was never handed out before");
        first.svar().ack();
        server.kill();
        server.launch();

        // Under load: whoever gets an answer from send may rely on it.
        Set<MeldingId> accepted = ConcurrentHashMap.newKeySet();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicInteger refused = new AtomicInteger();
        Thread sender = new Thread(() -> {
            while (!stop.get()) {
                try {
                    accepted.add(fagsystem.klient.sendWithoutPayload(toArkiv(PING).build()).getMeldingId());
                } catch (RuntimeException e) {
                    refused.incrementAndGet();
                    LockSupport.parkNanos(Duration.ofMillis(20).toNanos());
                }
            }
        });
        Map<MeldingId, Integer> seen = new ConcurrentHashMap<>();
        Set<MeldingId> twiceWithoutNotice = ConcurrentHashMap.newKeySet();
        Thread receiver = new Thread(() -> {
            try {
                while (!Thread.currentThread().isInterrupted()) {
                    Client.Received received = arkiv.poll(Duration.ofMillis(100));
                    if (received == null) {
                        continue;
                    }
                    MottattMelding melding = received.melding();
                    if (seen.merge(melding.getMeldingId(), 1, Integer::sum) > 1 && !melding.isResendt()) {
                        twiceWithoutNotice.add(melding.getMeldingId());
                    }
                    try {
                        received.svar().ack();
                    } catch (RuntimeException lost) {
                        // The channel it came on is gone, so it will come again.
                    }
                }
            } catch (InterruptedException done) {
                Thread.currentThread().interrupt();
            }
        });
        receiver.start();
        sender.start();
        try {
            Eventually.holds("100 accepted before the kill", Duration.ofMinutes(2), () -> accepted.size() >= 100);
            server.kill();
            int before = accepted.size();
            Eventually.holds("sending fails while the server is dead", Duration.ofMinutes(1), () -> refused.get() > 0);
            server.launch();
            Eventually.holds("100 accepted after the kill", Duration.ofMinutes(2), () -> accepted.size() >= before + 100);
        } finally {
            stop.set(true);
            sender.join();
        }
        Eventually.holds("every accepted melding has arrived", Duration.ofMinutes(2), () -> seen.keySet().containsAll(accepted));
        receiver.interrupt();
        receiver.join();
        assertEquals(Set.of(), twiceWithoutNotice, "delivered twice without notice");
        Set<MeldingId> unanswered = new HashSet<>(seen.keySet());
        unanswered.removeAll(accepted);
        unanswered.remove(waiting.getMeldingId());
        // Taken by the server whose 202 the kill cut off: at most the one in flight.
        assertTrue(unanswered.size() <= 1, () -> "arrived though never accepted: " + unanswered);
        System.out.printf("SIGKILL under load: %d accepted, %d received, %d more than once, %d attempts refused%n",
                accepted.size(), seen.size(), seen.values().stream().filter(times -> times > 1).count(), refused.get());
        assertNothingElseWaits();
    }
}
