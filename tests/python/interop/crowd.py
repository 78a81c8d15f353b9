#!/usr/bin/env python3
"""A crowd that begins handshakes and does not go on: over QUIC, by aioquic, and over TCP.

Each of them comes from the same address. It goes there for each line on the input, and says what
became of it when the server has had the time to forget it.

    crowd.py --server 127.0.0.1:9000 --pin sha256:…
"""

import argparse
import json
import select
import socket
import sys
import time

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

ADDRESS = "127.77.7.1"
CROWD = 500
# So many get more than a Retry; the others knock when these have been heard.
FIRST = 50
# A handshake has 5 s.
FORGOTTEN_S = 7


def first_packets(where):
    configuration = QuicConfiguration(
        alpn_protocols=["gatehouse-client/1"], server_name="gatehouse"
    )
    quic = QuicConnection(configuration=configuration)
    quic.connect(where, now=time.time())
    return [datagram for datagram, _ in quic.datagrams_to_send(now=time.time())]


def say(event, **facts):
    print(json.dumps({"event": event} | facts), flush=True)


class Group:
    """So many sockets, and what was said and heard with them."""

    def __init__(self, poll, by_number, flights, where):
        self.sent, self.received = 0, 0
        for flight in flights:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.bind((ADDRESS, 0))
            udp.setblocking(False)
            poll.register(udp, select.POLLIN)
            by_number[udp.fileno()] = udp, self
            for datagram in flight:
                self.sent += udp.sendto(datagram, where)
            # As fast as the server reads, or the kernel throws them away.
            time.sleep(0.001)

    def factor(self):
        return self.received / self.sent


def listen(poll, by_number, until):
    while (left := until - time.monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            udp, group = by_number[number]
            group.received += len(udp.recv(65_536))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--pin", required=True, metavar="sha256:…")
    host, _, port = parser.parse_args().server.rpartition(":")
    where = (host, int(port))
    while True:
        flights = [first_packets(where) for _ in range(CROWD)]
        say("prepared", of=CROWD)
        if not sys.stdin.readline():
            return
        crowd(flights, where)


def crowd(flights, where):
    begin = time.monotonic()
    poll, by_number = select.poll(), {}
    first = Group(poll, by_number, flights[:FIRST], where)
    listen(poll, by_number, time.monotonic() + 0.3)
    others = Group(poll, by_number, flights[FIRST:], where)
    silent = [socket.create_connection(where, source_address=(ADDRESS, 0)) for _ in range(CROWD)]
    say("there", quic=CROWD, tcp=len(silent), after_s=time.monotonic() - begin)
    listen(poll, by_number, begin + FORGOTTEN_S)
    closed = 0
    for tcp in silent:
        tcp.settimeout(FORGOTTEN_S)
        try:
            closed += tcp.recv(1) == b""
        except ConnectionError:
            closed += 1
        tcp.close()
    for udp, _ in by_number.values():
        udp.close()
    factors = {"first": first.factor(), "others": others.factor()}
    say("forgotten", closed=closed, factors=factors, sent=first.sent + others.sent)


if __name__ == "__main__":
    main()
