"""Strangers hold open all connections that they can get, with few file descriptors left: those who are logged in go on, the
queues go on, and when the strangers are gone everybody gets in."""

import contextlib
import socket
import time

from harness.amqp import Closed
from harness.load import Load
from harness.model import judge
from harness.scenario import Verdict
from harness.server import wait_for

LIMIT = 1_024
# Large enough that the log needs new files meanwhile.
SIZES = [1_000, 300_000]


def silent(address, count):
    """Sockets that say nothing, as many as are taken."""
    sockets = []
    for _ in range(count):
        try:
            sockets.append(socket.create_connection(address, 2))
        except OSError:
            break
    return sockets


def run(context):
    server = context.server("descriptors", prefix=["prlimit", f"--nofile={LIMIT}:{LIMIT}"]).start()
    load = Load(server, senders=3, sizes=SIZES, seed=context.seed).start()
    faults, held = [], 0
    try:
        for number in range(context.of(1, 10)):
            load.more(100)
            sockets = []
            for port in (server.http_port, server.amqp_port):
                sockets += silent((server.host, port), LIMIT + 100)
            held = max(held, len(sockets))
            if not load.more(100, deadline=30):
                faults.append(f"round {number}: those who are connected cannot go on beside {len(sockets)} silent strangers")
            for each in sockets:
                each.close()
            begun = time.monotonic()
            with contextlib.suppress(AssertionError):
                wait_for(server.ready, "well again", 30)
            if not server.ready():
                faults.append(f"round {number}: not well {time.monotonic() - begun:.0f} s after the strangers left")
            if server.process.poll() is not None or faults:
                break
        if server.process.poll() is not None:
            faults.append(f"the server ended with {server.process.returncode}")
            server.start()
        try:
            load.arkiv.connect().close()
        except (Closed, OSError) as closed:
            faults.append(f"a newcomer does not get in when the strangers are gone: {closed}")
        history = load.finish()
    finally:
        load.stop_sending.set()
        load.stop_receiving.set()
        server.kill()
    counts = load.counts() | {"file descriptors": LIMIT, "silent connections": held}
    return Verdict(counts, faults + judge(history, expected_refusals=(503, 429)))
