"""Many meldinger in a short time: a hundred connections in one thread, each with one request under way."""

import selectors
import socket
import time
import uuid

from harness.klient import PING

IN_FLIGHT = 64


class Filling:
    """Sends `count` meldinger without payload and takes down the id of each."""

    def __init__(self, fagsystem, arkiv, accepted):
        self.fagsystem, self.arkiv, self.accepted = fagsystem, arkiv, accepted
        self.boundary = uuid.uuid4().hex
        self.refused = 0
        self.fresh, self.bytes = 0, b""

    def request(self):
        """The bytes of one send; with a token that is still good for a while."""
        if time.monotonic() > self.fresh:
            self.fresh = time.monotonic() + 20
            metadata = (
                f'{{"avsenderKontoId":"{self.fagsystem.id}","mottakerKontoId":"{self.arkiv.id}",'
                f'"meldingType":"{PING}","ttl":86400000,"headere":{{}}}}'
            )
            body = (
                f'--{self.boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n'
                f"Content-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n--{self.boundary}--\r\n"
            )
            login = "".join(f"{name}: {value}\r\n" for name, value in self.fagsystem.login().items())
            self.bytes = (
                f"POST /fiks-io/api/v1/send HTTP/1.1\r\nHost: faults\r\n{login}"
                f'Content-Type: multipart/form-data; boundary="{self.boundary}"\r\nContent-Length: {len(body)}\r\n\r\n{body}'
            ).encode()
        return self.bytes

    def run(self, count):
        """Returns how many were accepted."""
        server = self.fagsystem.server
        before, asked = len(self.accepted), 0
        with selectors.DefaultSelector() as ready:
            for _ in range(min(IN_FLIGHT, count)):
                connection = socket.create_connection((server.host, server.http_port))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(self.request())
                asked += 1
                ready.register(connection, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select():
                    connection = key.fileobj
                    # A small answer comes as one piece on loopback; one that does not is read to its end.
                    answer = connection.recv(65536)
                    while b"\r\n\r\n" not in answer or not answer.rstrip().endswith(b"}"):
                        answer += connection.recv(65536)
                    if answer.startswith(b"HTTP/1.1 202"):
                        at = answer.index(b'"meldingId":"') + 13
                        self.accepted.add(answer[at : at + 36].decode())
                    else:
                        self.refused += 1
                    if asked < count:
                        connection.sendall(self.request())
                        asked += 1
                    else:
                        ready.unregister(connection)
                        connection.close()
        return len(self.accepted) - before
