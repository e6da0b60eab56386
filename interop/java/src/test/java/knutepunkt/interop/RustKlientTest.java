package knutepunkt.interop;

import static knutepunkt.interop.Meldingstyper.KVITTERING;
import static knutepunkt.interop.Meldingstyper.OPPRETT;
import static knutepunkt.interop.Meldingstyper.PING;
import static knutepunkt.interop.Meldingstyper.PONG;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import no.ks.fiks.io.client.model.KlientKorrelasjonId;
import no.ks.fiks.io.client.model.MeldingRequest;
import no.ks.fiks.io.client.model.Payload;
import no.ks.fiks.io.client.model.SendtMelding;
import no.ks.fiks.io.client.model.StreamPayload;
import no.ks.fiks.io.client.model.StringPayload;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;

/**
 * The official client and the Rust client, each reading and verifying what the other has packed, signed and encrypted.
 *
 * <p>The Rust side is the example {@code ekko} of {@code sdk/fiks-io-client}: it plays the arkiv, answers each arkivmelding with a
 * kvittering that carries the same files and, in {@code signert-av.txt}, who it found to have signed them, and each ping with a pong.
 */
class RustKlientTest {
    private static Server server;
    private static World.Account fagsystemAccount;
    private static World.Account arkivAccount;
    private static Client fagsystem;
    private static Process ekko;
    private static Path settings;

    @BeforeAll
    static void start() throws Exception {
        String program = System.getProperty("ekko");
        if (program == null || !Files.isExecutable(Path.of(program))) {
            throw new IllegalStateException("set -Dekko=/path/to/examples/ekko; it is " + program);
        }
        server = Server.start();
        World world = new World(server.clientConfiguration());
        fagsystemAccount = world.account("klient.full");
        arkivAccount = world.account("arkiv.full");
        fagsystem = fagsystemAccount.connect().listen();

        settings = Files.createTempFile("ekko", ".json");
        Files.writeString(settings, arkivAccount.rustSettings());
        ekko = new ProcessBuilder(program, settings.toString()).inheritIO().start();
        Eventually.holds("the Rust client listens", Duration.ofSeconds(60), () -> {
            assertTrue(ekko.isAlive(), "the Rust client ended");
            return fagsystem.klient.getKonto(arkivAccount.id()).orElseThrow().getAntallKonsumenter() == 1;
        });
    }

    @AfterAll
    static void stop() throws Exception {
        if (ekko != null) {
            ekko.destroy();
            if (!ekko.waitFor(30, TimeUnit.SECONDS)) {
                ekko.destroyForcibly();
            }
        }
        if (settings != null) {
            Files.deleteIfExists(settings);
        }
        if (fagsystem != null) {
            fagsystem.close();
        }
        if (server != null) {
            server.close();
        }
    }

    @Test
    @Order(1)
    void a_melding_without_payload_goes_both_ways() throws Exception {
        SendtMelding question = fagsystem.klient.sendWithoutPayload(MeldingRequest.builder()
                .mottakerKontoId(arkivAccount.id())
                .meldingType(PING)
                .korrelasjonsId(new KlientKorrelasjonId("k-rust"))
                .build());
        Client.Received answer = fagsystem.next(PONG);
        assertEquals(question.getMeldingId(), answer.melding().getSvarPaMelding());
        assertEquals("k-rust", answer.melding().getKlientKorrelasjonId().getKlientKorrelasjonId());
        assertFalse(answer.melding().isHarPayload());
        answer.svar().ack();
    }

    @Test
    @Order(2)
    void files_go_both_ways_and_each_side_verifies_the_other() throws Exception {
        Payloads.Signed answer = ask(List.of(
                new StringPayload("<arkivmelding>æøå</arkivmelding>", "arkivmelding.xml"),
                new StringPayload("Vedlegg", "vedlegg æøå.txt")));
        assertEquals(Set.of("arkivmelding.xml", "vedlegg æøå.txt", "signert-av.txt"), answer.files().keySet());
        assertArrayEquals(
                "<arkivmelding>æøå</arkivmelding>".getBytes(StandardCharsets.UTF_8), answer.files().get("arkivmelding.xml"));
        assertArrayEquals("Vedlegg".getBytes(StandardCharsets.UTF_8), answer.files().get("vedlegg æøå.txt"));
    }

    @Test
    @Order(3)
    void twenty_megabytes_go_both_ways_through_dokumentlager() throws Exception {
        long size = 20L * 1024 * 1024;
        Payloads.Signed answer = ask(List.of(new StreamPayload(new Noise(size), "arkivmelding.xml")));
        assertEquals(Set.of("arkivmelding.xml", "signert-av.txt"), answer.files().keySet());
        assertArrayEquals(new Noise(size).readAllBytes(), answer.files().get("arkivmelding.xml"));
    }

    /** Sends the files, and gives back the answer once the signatures of both were found to be by the right organisasjon. */
    private static Payloads.Signed ask(List<Payload> files) throws Exception {
        SendtMelding question = fagsystem.klient.send(
                MeldingRequest.builder().mottakerKontoId(arkivAccount.id()).meldingType(OPPRETT).build(), files);
        Client.Received received = fagsystem.next(KVITTERING);
        assertEquals(question.getMeldingId(), received.melding().getSvarPaMelding());
        Payloads.Signed answer = Payloads.verified(received.melding(), fagsystemAccount.privateKey());
        // The client reads it by itself, too.
        assertEquals(answer.files().keySet(), Payloads.files(received.melding()).keySet());
        received.svar().ack();

        String foundByRust = new String(answer.files().get("signert-av.txt"), StandardCharsets.UTF_8).strip();
        assertEquals(fagsystemAccount.orgnummer(), foundByRust);
        assertTrue(
                answer.certificates().stream().anyMatch(certificate ->
                        certificate.getSubjectX500Principal().toString().contains(arkivAccount.orgnummer())),
                () -> "not signed by " + arkivAccount.orgnummer() + ": " + answer.certificates());
        return answer;
    }
}
