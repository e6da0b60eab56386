"""As much of an AMQP 0-9-1 client as it takes to receive meldinger, and to misbehave: it does nothing by itself.

Over plain sockets and without a library, so that a scenario decides when a byte is read, answered or left lying.
"""

import socket
import struct

END = 0xCE


class Closed(Exception):
    """The server closed the connection or the channel; `code` is the AMQP code, 0 for a socket that just ended."""

    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code = code


class Delivered:
    """A basic.deliver with its content."""

    __slots__ = ("tag", "redelivered", "headers", "body")

    def __init__(self, tag, redelivered, headers, body):
        self.tag, self.redelivered, self.headers, self.body = tag, redelivered, headers, body


def short_string(text):
    data = text.encode()
    return bytes([len(data)]) + data


def long_string(data):
    return struct.pack(">I", len(data)) + data


class Connection:
    """A logged-in connection with one channel."""

    def __init__(self, address, user, password, timeout=30, heartbeat=0):
        self.socket = socket.create_connection(address, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.at = b"", 0
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.expect(10, 10)
        capabilities = short_string("authentication_failure_close") + b"t\x01"
        properties = short_string("capabilities") + b"F" + long_string(capabilities)
        response = b"\0" + user.encode() + b"\0" + password.encode()
        self.method(
            0, 10, 11, long_string(properties) + short_string("PLAIN") + long_string(response) + short_string("nb_NO")
        )
        tune = self.expect(10, 30)
        channels, frames, _ = struct.unpack_from(">HIH", tune)
        # With a heartbeat it owes some itself; whoever asks for one wants to be found silent.
        self.method(0, 10, 31, struct.pack(">HIH", channels, frames or 131072, heartbeat))
        self.method(0, 10, 40, short_string("/") + short_string("") + b"\0")
        self.expect(10, 41)
        self.method(1, 20, 10, short_string(""))
        self.expect(20, 11)

    def method(self, channel, class_id, method_id, arguments):
        payload = struct.pack(">HH", class_id, method_id) + arguments
        self.socket.sendall(struct.pack(">BHI", 1, channel, len(payload)) + payload + bytes([END]))

    def frame(self):
        """The next frame: type, channel, payload. Raises `TimeoutError` when none comes in time."""
        while True:
            have = len(self.buffer) - self.at
            if have >= 7:
                kind, channel, size = struct.unpack_from(">BHI", self.buffer, self.at)
                if have >= size + 8:
                    payload = self.buffer[self.at + 7 : self.at + 7 + size]
                    self.at += size + 8
                    return kind, channel, payload
            more = self.socket.recv(262144)
            if not more:
                raise Closed(0, "the socket ended")
            self.buffer, self.at = self.buffer[self.at :] + more, 0

    def next_method(self):
        """The next method that is not a heartbeat: class, method, arguments."""
        while True:
            kind, channel, payload = self.frame()
            if kind != 1:
                continue
            class_id, method_id = struct.unpack_from(">HH", payload)
            if (class_id, method_id) in ((10, 50), (20, 40)):
                (code,) = struct.unpack_from(">H", payload, 4)
                text = payload[7 : 7 + payload[6]].decode(errors="replace")
                try:
                    self.method(channel, class_id, method_id + 1, b"")
                except OSError:
                    pass
                raise Closed(code, text)
            return class_id, method_id, payload[4:]

    def expect(self, class_id, method_id):
        while True:
            got_class, got_method, arguments = self.next_method()
            if (got_class, got_method) == (class_id, method_id):
                return arguments

    def consume(self, queue, prefetch):
        self.method(1, 60, 10, struct.pack(">IHB", 0, prefetch, 0))
        self.expect(60, 11)
        self.method(1, 60, 20, struct.pack(">H", 0) + short_string(queue) + short_string("") + b"\0" + long_string(b""))
        self.expect(60, 21)

    def count(self, queue):
        """Meldinger that are ready in `queue`, from a passive declare."""
        self.method(1, 50, 10, struct.pack(">H", 0) + short_string(queue) + b"\x01" + long_string(b""))
        ok = self.expect(50, 11)
        (ready,) = struct.unpack_from(">I", ok, 1 + ok[0])
        return ready

    def delivery(self, timeout=None):
        """The next delivery, or `None` when none begins within `timeout` seconds."""
        self.socket.settimeout(timeout)
        try:
            class_id, method_id, arguments = self.next_method()
        except TimeoutError:
            return None
        finally:
            self.socket.settimeout(30)
        if (class_id, method_id) != (60, 60):
            raise Closed(0, f"method {class_id}.{method_id} came instead of a delivery")
        at = 1 + arguments[0]
        (tag,) = struct.unpack_from(">Q", arguments, at)
        redelivered = bool(arguments[at + 8])
        kind, _, header = self.frame()
        while kind == 8:
            kind, _, header = self.frame()
        (size,) = struct.unpack_from(">Q", header, 4)
        headers = read_headers(header)
        parts, have = [], 0
        while have < size:
            kind, _, part = self.frame()
            if kind == 3:
                parts.append(part)
                have += len(part)
        return Delivered(tag, redelivered, headers, b"".join(parts))

    def ack(self, tag, multiple=False):
        self.method(1, 60, 80, struct.pack(">QB", tag, multiple))

    def nack(self, tag, requeue):
        self.method(1, 60, 120, struct.pack(">QB", tag, 2 if requeue else 0))

    def close(self):
        """Says goodbye and waits for the answer."""
        try:
            self.method(0, 10, 50, struct.pack(">H", 200) + short_string("bye") + struct.pack(">HH", 0, 0))
            while True:
                kind, _, payload = self.frame()
                if kind == 1 and payload[:4] == struct.pack(">HH", 10, 51):
                    break
        except (OSError, Closed):
            pass
        self.drop()

    def drop(self):
        """Ends the socket without a word."""
        self.socket.close()


def read_headers(header):
    """The table of headers in a content header; it is the third property, after content type and encoding."""
    (flags,) = struct.unpack_from(">H", header, 12)
    at = 14
    for flag in (0x8000, 0x4000):
        if flags & flag:
            at += 1 + header[at]
    return read_table(header, at)[0] if flags & 0x2000 else {}


def read_table(data, at):
    (size,) = struct.unpack_from(">I", data, at)
    at += 4
    end, table = at + size, {}
    while at < end:
        name = data[at + 1 : at + 1 + data[at]].decode()
        at += 1 + data[at]
        table[name], at = read_value(data, at)
    return table, end


FIXED = {"t": ">?", "b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "T": ">Q", "d": ">d"}


def read_value(data, at):
    kind = chr(data[at])
    at += 1
    if kind in FIXED:
        (value,) = struct.unpack_from(FIXED[kind], data, at)
        return value, at + struct.calcsize(FIXED[kind])
    if kind == "V":
        return None, at
    if kind == "F":
        return read_table(data, at)
    (size,) = struct.unpack_from(">I", data, at)
    at += 4
    raw = data[at : at + size]
    return (raw.decode() if kind == "S" else raw), at + size
