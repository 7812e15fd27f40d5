"""Plays the core to a blocker: packets of requests over a SOCK_SEQPACKET pair (schemas/ban.h)."""

import ipaddress
import os
import select
import socket
import struct
import subprocess
import time

REQUEST = struct.Struct("=Q4B16s8HII64s40s4x")
RESULT = struct.Struct("=QB95s")
ADD, REMOVE, ALLOW, SYNC_BEGIN, SYNC_END = 1, 2, 3, 4, 5
DONE, FAILED, NO, LOST = 1, 2, 3, 4
BATCH = 512


def request(id, verb, network="0.0.0.0/32", seconds=0, protocol=0, ports=(), rule="test", times=1):
    net = ipaddress.ip_network(network)
    ports = tuple(ports) + (0,) * (8 - len(ports))
    return REQUEST.pack(id, verb, net.version, net.prefixlen, protocol,
                        net.network_address.packed.ljust(16, b"\0"), *ports, seconds, times,
                        rule.encode(), b"A1")


def numbered(id, first, seconds):
    """A ban of the IPv4 address number id + first: quicker, for many."""
    return REQUEST.pack(id, ADD, 4, 32, 0, struct.pack(">I12x", first + id), *(0,) * 8, seconds, 1,
                        b"test", b"A1")


class Blocker:
    """One process of the driver; what it says and was not waited for is kept in `others`."""

    def __init__(self, config, root="", stderr=None):
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.line = ours
        self.others = []
        self.process = subprocess.Popen(
            [os.environ["TW_BUILD"] + "/tests/integration/bans-nft-driver", config,
             str(its.fileno()), root], pass_fds=[its.fileno()], stderr=stderr)
        its.close()

    def send(self, requests):
        for i in range(0, len(requests), BATCH):
            self.line.send(b"".join(requests[i:i + BATCH]))

    def take(self, patience=5):
        """The results of one packet; [] when none came in time."""
        if not select.select([self.line], [], [], patience)[0]:
            return []
        packet = self.line.recv(1 << 17)
        if not packet:
            raise EOFError("the blocker has ended")
        return [(id, said, why.split(b"\0")[0].decode()) for id, said, why
                in RESULT.iter_unpack(packet)]

    def ask(self, requests, patience=20):
        """Sends and returns {id: (said, why)} of all of them."""
        want, got = {REQUEST.unpack(r)[0] for r in requests}, {}
        queue, end = list(requests), time.monotonic() + patience
        while len(got) < len(want):
            if time.monotonic() > end:
                raise TimeoutError(f"{len(want) - len(got)} answers are missing")
            if queue and select.select([], [self.line], [], 0)[1]:
                try:
                    self.line.send(b"".join(queue[:BATCH]), socket.MSG_DONTWAIT)
                    queue = queue[BATCH:]
                except BlockingIOError: # as the core does: never wait for a blocker that waits
                    pass
            for id, said, why in self.take(0.001 if queue else 1):
                if id in want:
                    got[id] = (said, why)
                else:
                    self.others.append((id, said, why))
        return got

    def one(self, *args, **kw):
        return self.ask([request(1, *args, **kw)])[1]

    def lost(self, patience=10):
        """Waits until it says that what was done is gone."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for i, (_, said, why) in enumerate(self.others):
                if said == LOST:
                    del self.others[i]
                    return why
            self.others += self.take(0.5)
        raise TimeoutError("nothing was lost")

    def sync(self, requests):
        got = self.ask([request(1 << 40, SYNC_BEGIN)] + requests + [request(1 << 41, SYNC_END)])
        return got[1 << 41][1], got

    def end(self):
        self.line.close()
        return self.process.wait(10)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.line.close()
