"""The release binary as an operator runs it: `serve` with a configuration of its own, on a data folder that `dev` filled."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

DEADLINE = 120


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(condition, what, deadline=DEADLINE):
    """Waits until `condition` returns something true, and returns that."""
    end = time.monotonic() + deadline
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {deadline} s")
        time.sleep(0.01)


class Issuer:
    """A token issuer like Maskinporten, in this process: tokens signed with its key, which it publishes until told not to."""

    def __init__(self, folder, host="127.0.0.1"):
        self.host = host
        self.key = folder / "issuer.pem"
        if not self.key.exists():
            command = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        modulus = subprocess.run(
            ["openssl", "rsa", "-in", self.key, "-noout", "-modulus"], check=True, capture_output=True, text=True
        ).stdout.split("=")[1]
        n = encode(bytes.fromhex(modulus.strip()))
        self.keys = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "faults", "n": n, "e": "AQAB"}]}
        self.lock = threading.Lock()
        self.tokens = {}
        self.http = None
        (self.port,) = free_ports(1)
        self.open()

    def open(self):
        """Answers from now on."""
        metadata = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}jwk", "token_endpoint": f"{self.issuer}token"}
        answers = {"/jwk": json.dumps(self.keys).encode()}
        other = json.dumps(metadata).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                body = answers.get(self.path, other)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer((self.host, self.port), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def away(self):
        """Refuses connections until `open`."""
        if self.http is not None:
            self.http.shutdown()
            self.http.server_close()
            self.http = None

    @property
    def issuer(self):
        return f"http://{self.host}:{self.port}/"

    def token(self, orgnummer, lifetime=110, clock=time.time):
        """An access token of `orgnummer`; the same for a while."""
        with self.lock:
            token, good_until = self.tokens.get(orgnummer, (None, 0))
            if clock() < good_until - 60 and clock() > good_until - 240:
                return token
            now = int(clock())
            claims = {
                "iss": self.issuer,
                "client_id": "faults",
                "client_amr": "virksomhetssertifikat",
                "consumer": {"authority": "iso6523-actorid-upis", "ID": f"0192:{orgnummer}"},
                "scope": "ks:fiks",
                "token_type": "Bearer",
                "aud": "unspecified",
                "iat": now,
                "exp": now + lifetime,
                "jti": os.urandom(12).hex(),
            }
            header = {"alg": "RS256", "kid": "faults"}
            signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
            signature = subprocess.run(
                ["openssl", "dgst", "-sha256", "-sign", self.key],
                input=signed.encode(),
                check=True,
                capture_output=True,
            ).stdout
            token = f"{signed}.{encode(signature)}"
            self.tokens[orgnummer] = (token, now + lifetime)
            return token


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class World:
    """A data folder with organisasjoner, systemer and kontoer in it, made once by `dev` and copied for each scenario."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.template = folder / "template"
        if not self.template.exists():
            self.make()
        self.klient = json.loads((self.template / "klient.json").read_text())

    def make(self):
        fresh = self.folder / "fresh"
        shutil.rmtree(fresh, ignore_errors=True)
        ports = [str(port) for port in free_ports(3)]
        command = [self.binary, "dev", "--data", fresh, "--http-port", ports[0], "--https-port", ports[1]]
        with (self.folder / "dev.log").open("w") as log:
            process = subprocess.Popen([*command, "--amqps-port", ports[2]], stdout=log, stderr=log)
        try:
            wait_for(lambda: "er klar" in (self.folder / "dev.log").read_text(), "dev makes the world")
        finally:
            process.terminate()
            process.wait(30)
        fresh.rename(self.template)

    def copy(self, to):
        shutil.copytree(self.template, to, symlinks=True)
        return to


class Server:
    """One `serve`, started and ended as a scenario likes, always on the same data and ports."""

    def __init__(self, world, issuer, folder, config="", prefix=(), env=None, host="127.0.0.1", data=None):
        self.world, self.issuer, self.folder, self.host = world, issuer, folder, host
        folder.mkdir(parents=True, exist_ok=True)
        self.data = data or folder / "data"
        if not self.data.exists():
            world.copy(self.data)
        self.http_port, self.amqp_port = free_ports(2)
        self.prefix, self.env = list(prefix), dict(env or {})
        self.log = folder / "server.log"
        self.log.touch()
        self.config = folder / "knutepunkt.toml"
        self.configure(config)
        self.process = None
        self.starts = []

    def configure(self, more="", issuer=None):
        """Writes the configuration; `more` is TOML of other tables."""
        self.config.write_text(
            f'miljo = "utvikling"\ndata = "{self.data}"\n'
            f'[http]\nlisten = "{self.host}:{self.http_port}"\n[amqps]\nlisten = ""\n'
            f'[amqp]\ndanger_listen = "{self.host}:{self.amqp_port}"\n'
            f'[maskinporten]\nissuer = "{issuer or self.issuer.issuer}"\n{more}'
        )

    def spawn(self):
        """Starts the process and does not wait for it."""
        before = self.log.stat().st_size
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*self.prefix, self.world.binary, "serve", "--config", self.config],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"RUST_LOG": "info,fjall=warn,lsm_tree=warn"} | self.env,
            )
        return before

    def start(self, deadline=DEADLINE):
        """Starts the process and waits until it is ready. Raises `Ended` when it ends instead."""
        before, begun = self.spawn(), time.monotonic()
        while not self.ready():
            if self.process.poll() is not None:
                raise Ended(self.process.returncode, self.log.read_bytes()[before:].decode(errors="replace"))
            if time.monotonic() > begun + deadline:
                raise AssertionError(f"the server is not ready within {deadline} s")
            time.sleep(0.01)
        self.starts.append(time.monotonic() - begun)
        return self

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            with urllib.request.urlopen(f"http://{self.host}:{self.http_port}/helse", timeout=5) as answer:
                return answer.status == 200
        return False

    def helse(self):
        """Status and body of /helse; (0, "") when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.http_port}/helse", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except (OSError, http.client.HTTPException):
            return 0, ""

    @property
    def pid(self):
        """The server itself, also below a wrapper that stays."""
        pid = self.process.pid
        while (children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()) and self.prefix:
            pid = int(children[0])
        return pid

    def kill(self):
        """SIGKILL: no chance to say goodbye or to write anything more."""
        if self.process and self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait()

    def stop(self, deadline=60):
        """A planned stop. Returns the exit code and how long it took."""
        begun = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        code = self.process.wait(deadline)
        return code, time.monotonic() - begun

    def rss_mb(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) // 1024
        return 0

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Ended(Exception):
    """The process ended instead of becoming ready, and said `said`."""

    def __init__(self, code, said):
        super().__init__(f"the server ended with {code}: {said[-600:]}")
        self.code, self.said = code, said
