package knutepunkt.interop;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
import no.difi.asic.AsicReader;
import no.difi.asic.AsicReaderFactory;
import no.difi.asic.SignatureMethod;
import no.difi.commons.asic.jaxb.asic.Certificate;
import no.ks.fiks.io.client.model.MottattMelding;
import no.ks.kryptering.CMSKrypteringImpl;

/** Looks into what a melding carries. */
final class Payloads {
    private Payloads() {}

    /** Each file of a melding by name, as the client itself gives it, without what ASiC-E adds. */
    static Map<String, byte[]> files(MottattMelding melding) throws Exception {
        Map<String, byte[]> files = new HashMap<>();
        try (ZipInputStream zip = melding.getDekryptertZipStream()) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                if (!entry.getName().startsWith("META-INF/") && !entry.getName().equals("mimetype")) {
                    files.put(entry.getName(), zip.readAllBytes());
                }
            }
        }
        return files;
    }

    /** What a container whose signature and digests hold carries, and who signed it. */
    record Signed(Map<String, byte[]> files, List<X509Certificate> certificates) {}

    /**
     * Decrypts a melding and verifies its signature with the libraries below the client, which does not tell who signed.
     * Throws when the signature or a digest is wrong.
     */
    static Signed verified(MottattMelding melding, PrivateKey key) throws Exception {
        Map<String, byte[]> files = new HashMap<>();
        List<X509Certificate> certificates = new ArrayList<>();
        try (InputStream decrypted = new CMSKrypteringImpl().dekrypterData(melding.getKryptertStream(), key);
                AsicReader reader = AsicReaderFactory.newFactory(SignatureMethod.CAdES).open(decrypted)) {
            for (String name = reader.getNextFile(); name != null; name = reader.getNextFile()) {
                ByteArrayOutputStream content = new ByteArrayOutputStream();
                reader.writeFile(content);
                files.put(name, content.toByteArray());
            }
            // The zip ends before its stream does, and the cipher complains when it is closed half-way.
            decrypted.transferTo(OutputStream.nullOutputStream());
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            for (Certificate certificate : reader.getAsicManifest().getCertificate()) {
                certificates.add((X509Certificate)
                        factory.generateCertificate(new ByteArrayInputStream(certificate.getCertificate())));
            }
        }
        return new Signed(files, certificates);
    }
}
