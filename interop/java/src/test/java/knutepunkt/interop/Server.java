package knutepunkt.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** {@code knutepunkt dev} as a process of its own, on free ports, with its data in a temporary folder. */
final class Server implements AutoCloseable {
    private static final Duration STARTS_WITHIN = Duration.ofSeconds(60);

    private final Path data;
    private final Path log;
    private final List<String> command;
    private final int httpPort;
    private Process process;

    private Server(Path data, Path log, List<String> command, int httpPort) {
        this.data = data;
        this.log = log;
        this.command = command;
        this.httpPort = httpPort;
    }

    /** Starts the program named by the system property {@code knutepunkt} and waits until it is ready. */
    static Server start() throws Exception {
        String program = System.getProperty("knutepunkt");
        if (program == null || !Files.isExecutable(Path.of(program))) {
            throw new IllegalStateException("set -Dknutepunkt=/path/to/knutepunkt; it is " + program);
        }
        Path data = Files.createTempDirectory("knutepunkt-interop");
        List<Integer> ports = freePorts(3);
        List<String> command = List.of(
                program, "dev",
                "--data", data.toString(),
                "--http-port", ports.get(0).toString(),
                "--https-port", ports.get(1).toString(),
                "--amqps-port", ports.get(2).toString());
        Path log = Path.of(System.getProperty("interop.log", data + ".log"));
        Server server = new Server(data, log, command, ports.get(0));
        try {
            server.launch();
        } catch (Exception e) {
            server.close();
            throw e;
        }
        return server;
    }

    private static List<Integer> freePorts(int count) throws IOException {
        List<ServerSocket> sockets = new ArrayList<>();
        try {
            for (int i = 0; i < count; i++) {
                sockets.add(new ServerSocket(0));
            }
            return sockets.stream().map(ServerSocket::getLocalPort).toList();
        } finally {
            for (ServerSocket socket : sockets) {
                socket.close();
            }
        }
    }

    /** Starts the process on the data it has and waits until it answers. */
    void launch() throws Exception {
        int before = Files.exists(log) ? Files.readString(log).length() : 0;
        process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
        Eventually.holds("the server answers", STARTS_WITHIN, () -> {
            if (!process.isAlive()) {
                throw new AssertionError("the server ended with " + process.exitValue() + ":\n" + Files.readString(log));
            }
            // It says so once the whole world is there, which is a little later than its HTTP side works.
            return Files.readString(log).substring(before).contains("er klar") && isUp();
        });
    }

    /** Not with {@code HttpClient}: that fixes the JVM's trust store, which is known only once the server is up. */
    private boolean isUp() throws IOException {
        HttpURLConnection connection =
                (HttpURLConnection) URI.create("http://127.0.0.1:" + httpPort + "/helse").toURL().openConnection();
        connection.setConnectTimeout(5_000);
        connection.setReadTimeout(5_000);
        try {
            return connection.getResponseCode() == 200;
        } catch (IOException notYet) {
            return false;
        } finally {
            connection.disconnect();
        }
    }

    /** SIGKILL: no chance to say goodbye or to write anything more. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError("the server survived SIGKILL");
        }
    }

    /** What the server has written about how to reach it and as whom. */
    JsonNode clientConfiguration() throws IOException {
        return new ObjectMapper().readTree(data.resolve("klient.json").toFile());
    }

    @Override
    public void close() throws Exception {
        if (process != null) {
            process.destroy();
            if (!process.waitFor(30, TimeUnit.SECONDS)) {
                kill();
            }
        }
        try (var files = Files.walk(data)) {
            for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }
}
