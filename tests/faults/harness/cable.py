"""A network namespace with one cable to it that can be cut, slow and lossy: packets pass through this process."""

import contextlib
import fcntl
import heapq
import os
import random
import selectors
import struct
import subprocess
import threading
import time

from harness.scenario import Skipped

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
HERE, THERE = "10.213.77.1", "10.213.77.2"


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], check=check, stderr=subprocess.PIPE)


class Cable(threading.Thread):
    """Passes packets between two devices; `cut`, `loss`, `delay` and `silenced` may be changed at any time.

    `silenced` are ports of connections whose packets go nowhere, in either direction.
    """

    def __init__(self, name, seed):
        super().__init__(daemon=True)
        self.namespace = name
        self.cut, self.loss, self.delay = False, 0.0, 0.0
        self.silenced = set()
        self.choose = random.Random(seed)
        self.over = False
        self.ends = [self.device(f"{name}h"), self.device(f"{name}t")]
        ip("link", "set", f"{name}t", "netns", name)
        ip("addr", "add", HERE, "peer", THERE, "dev", f"{name}h")
        ip("link", "set", f"{name}h", "up")
        inside = ["netns", "exec", name, "ip"]
        ip(*inside, "addr", "add", THERE, "peer", HERE, "dev", f"{name}t")
        ip(*inside, "link", "set", f"{name}t", "up")
        ip(*inside, "link", "set", "lo", "up")

    def passes(self, packet):
        if self.cut or self.choose.random() < self.loss:
            return False
        header = (packet[0] & 0xF) * 4
        # TCP over IPv4 begins with both ports.
        return not (self.silenced and self.silenced & set(struct.unpack_from(">HH", packet, header)))

    @staticmethod
    def device(name):
        try:
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        except OSError as error:
            raise Skipped(f"no device for a cable can be made (/dev/net/tun: {error})") from error
        return end

    def run(self):
        # (when, number, end, packet): the number keeps packets of one moment in order.
        waiting, number = [], 0
        with selectors.DefaultSelector() as ready:
            for end, other in zip(self.ends, reversed(self.ends)):
                ready.register(end, selectors.EVENT_READ, other)
            while not self.over:
                pause = max(0, waiting[0][0] - time.monotonic()) if waiting else 0.1
                for key, _ in ready.select(min(pause, 0.1)):
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            packet = os.read(key.fd, 65536)
                            if self.passes(packet):
                                number += 1
                                heapq.heappush(waiting, (time.monotonic() + self.delay, number, key.data, packet))
                while waiting and waiting[0][0] <= time.monotonic():
                    _, _, end, packet = heapq.heappop(waiting)
                    # A full device loses packets, as a full cable does.
                    with contextlib.suppress(OSError):
                        os.write(end, packet)
        for end in self.ends:
            os.close(end)


@contextlib.contextmanager
def cable(name, seed):
    """A namespace of that name and its cable, until the end of the block."""
    if os.geteuid() != 0 or ip("netns", "add", name, check=False).returncode:
        raise Skipped("network namespaces need root and a kernel that has them")
    try:
        between = Cable(name, seed)
        between.start()
        try:
            yield between
        finally:
            between.over = True
            between.join()
    finally:
        ip("netns", "del", name, check=False)
