package knutepunkt.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.UUID;
import no.ks.fiks.io.client.FiksIOKlientFactory;
import no.ks.fiks.io.client.konfigurasjon.AmqpKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.DokumentLagerKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksApiKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksIOKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.FiksIntegrasjonKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.IdPortenKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.KatalogKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.KontoKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.SendMeldingKonfigurasjon;
import no.ks.fiks.io.client.konfigurasjon.VirksomhetssertifikatKonfigurasjon;
import no.ks.fiks.io.client.model.KontoId;

/** The world that {@code knutepunkt dev} has made, as configuration of the official client. */
final class World {
    private final JsonNode root;

    /** Also makes this JVM trust the server's CA, so it must come before the first TLS connection. */
    World(JsonNode root) {
        this.root = root;
        System.setProperty("javax.net.ssl.trustStore", root.at("/truststore/path").asText());
        System.setProperty("javax.net.ssl.trustStorePassword", root.at("/truststore/password").asText());
        System.setProperty("javax.net.ssl.trustStoreType", "PKCS12");
    }

    /** The first konto that plays {@code part} of {@code no.ks.fiks.arkiv} v1. */
    Account account(String part) {
        for (JsonNode konto : root.get("kontoer")) {
            if (!konto.get("protokoll").asText().equals("no.ks.fiks.arkiv")) {
                continue;
            }
            for (JsonNode played : konto.get("parter")) {
                if (played.asText().equals(part)) {
                    return new Account(konto);
                }
            }
        }
        throw new AssertionError("no konto plays " + part + " in " + root);
    }

    /** A konto with all that its owner holds. */
    final class Account {
        private final JsonNode konto;

        private Account(JsonNode konto) {
            this.konto = konto;
        }

        KontoId id() {
            return new KontoId(UUID.fromString(konto.get("kontoId").asText()));
        }

        String navn() {
            return konto.get("navn").asText();
        }

        String orgnummer() {
            return konto.get("orgnummer").asText();
        }

        UUID fiksOrgId() {
            return UUID.fromString(konto.get("fiksOrgId").asText());
        }

        PrivateKey privateKey() throws Exception {
            return privateKey(Path.of(konto.get("privateKeyPem").asText()));
        }

        /** The same for the Rust client: the text of its file of settings. */
        String rustSettings() {
            URI api = URI.create(root.get("httpsUrl").asText());
            JsonNode certificate = certificate();
            ObjectNode settings = JsonNodeFactory.instance.objectNode();
            settings.put("kontoId", id().getUuid().toString());
            settings.putArray("privateKeyFiles").add(konto.get("privateKeyPem").asText());
            settings.put("integrasjonId", konto.get("integrasjonId").asText());
            settings.put("integrasjonPassord", konto.get("integrasjonPassord").asText());
            settings.put("virksomhetssertifikatFile", certificate.get("certPem").asText());
            settings.put("virksomhetssertifikatKeyFile", certificate.get("keyPem").asText());
            settings.put("maskinportenClientId", "interop-rust-" + orgnummer());
            settings.put("maskinportenTokenEndpoint", root.at("/maskinporten/tokenEndpoint").asText());
            settings.put("maskinportenAudience", root.at("/maskinporten/audience").asText());
            settings.put("apiScheme", api.getScheme());
            settings.put("apiHost", api.getHost());
            settings.put("apiPort", api.getPort());
            settings.put("amqpHost", root.at("/amqp/host").asText());
            settings.put("amqpPort", root.at("/amqp/port").asInt());
            settings.put("caCertificatesFile", root.get("caPem").asText());
            return settings.toString();
        }

        Client connect() throws Exception {
            return connect(konto.get("integrasjonPassord").asText());
        }

        /** As {@link #connect()}, with another integrasjonPassord. */
        Client connect(String integrasjonPassord) throws Exception {
            return new Client(new FiksIOKlientFactory(configuration(integrasjonPassord)).build());
        }

        private FiksIOKonfigurasjon configuration(String integrasjonPassord) throws Exception {
            URI api = URI.create(root.get("httpsUrl").asText());
            JsonNode certificate = certificate();
            KeyStore keyStore = KeyStore.getInstance("PKCS12");
            String password = certificate.get("password").asText();
            try (InputStream p12 = Files.newInputStream(Path.of(certificate.get("p12").asText()))) {
                keyStore.load(p12, password.toCharArray());
            }
            return FiksIOKonfigurasjon.builder()
                    .kontoKonfigurasjon(KontoKonfigurasjon.builder()
                            .kontoId(id())
                            .privatNokkel(privateKey())
                            .build())
                    .virksomhetssertifikatKonfigurasjon(VirksomhetssertifikatKonfigurasjon.builder()
                            .keyStore(keyStore)
                            .keyStorePassword(password)
                            .keyAlias(certificate.get("alias").asText())
                            .keyPassword(password)
                            .build())
                    .fiksIntegrasjonKonfigurasjon(FiksIntegrasjonKonfigurasjon.builder()
                            .integrasjonId(UUID.fromString(konto.get("integrasjonId").asText()))
                            .integrasjonPassord(integrasjonPassord)
                            .idPortenKonfigurasjon(IdPortenKonfigurasjon.builder()
                                    .accessTokenUri(root.at("/maskinporten/tokenEndpoint").asText())
                                    .idPortenAudience(root.at("/maskinporten/audience").asText())
                                    .klientId("interop-" + konto.get("orgnummer").asText())
                                    .build())
                            .build())
                    .fiksApiKonfigurasjon(FiksApiKonfigurasjon.builder()
                            .scheme(api.getScheme()).host(api.getHost()).port(api.getPort())
                            .build())
                    .katalogKonfigurasjon(KatalogKonfigurasjon.builder()
                            .scheme(api.getScheme()).host(api.getHost()).port(api.getPort())
                            .build())
                    .sendMeldingKonfigurasjon(SendMeldingKonfigurasjon.builder()
                            .scheme(api.getScheme()).host(api.getHost()).port(api.getPort())
                            .build())
                    .dokumentlagerKonfigurasjon(DokumentLagerKonfigurasjon.builder()
                            .scheme(api.getScheme()).host(api.getHost()).port(api.getPort())
                            .build())
                    .amqpKonfigurasjon(AmqpKonfigurasjon.builder()
                            .host(root.at("/amqp/host").asText())
                            .port(root.at("/amqp/port").asInt())
                            .applikasjonNavn("interop")
                            .mottakBufferStorrelse(10)
                            .build())
                    .build();
        }

        private JsonNode certificate() {
            for (JsonNode organisasjon : root.get("organisasjoner")) {
                if (organisasjon.get("orgnummer").asText().equals(orgnummer())) {
                    return organisasjon.get("sertifikat");
                }
            }
            throw new AssertionError("no organisasjon has orgnummer " + orgnummer());
        }

        private static PrivateKey privateKey(Path pem) throws Exception {
            String body = Files.readString(pem)
                    .replace("-----BEGIN PRIVATE KEY-----", "")
                    .replace("-----END PRIVATE KEY-----", "")
                    .replaceAll("\\s", "");
            return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(body)));
        }
    }
}
