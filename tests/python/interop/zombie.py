#!/usr/bin/env python3
"""A game client over QUIC that goes on talking and acknowledges nothing.

For the idle timeout of QUIC it lives, for ever. It has to be thrown out all the same, and says when.

    zombie.py --server 127.0.0.1:9000 --pin sha256:…
"""

import argparse
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import aioquic_client
from aioquic_client import LOOP

import gatehouse_client as gatehouse
from gatehouse_client import Failure

# What the other side calls it.
SLOW_CONSUMER = 7
LIMIT_S = 120


def acknowledge_nothing(quic):
    def nothing(builder, space, now):
        space.ack_at = None

    quic._write_ack_frame = nothing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--pin", required=True, metavar="sha256:…")
    options = parser.parse_args()
    host, _, port = options.server.rpartition(":")
    gatehouse.connect = aioquic_client.connect
    try:
        client = gatehouse.Client(host, int(port), options.pin)
        protocol = client.stream.protocol
        LOOP.call(acknowledge_nothing, client.stream.quic)
        begin, said = time.monotonic(), 0
        while not protocol.ended:
            if time.monotonic() - begin > LIMIT_S:
                raise Failure(f"still connected after {LIMIT_S} s")
            client.send(gatehouse.ping(said))
            said += 1
            time.sleep(0.5)
        if protocol.ended.error_code != SLOW_CONSUMER:
            raise Failure(f"it has ended otherwise: {protocol.ended}")
        lived = time.monotonic() - begin
        print(f"thrown out after {said} pings and {lived:.0f} s: {protocol.ended.reason_phrase!r}")
    except (Failure, OSError, TimeoutError) as failure:
        print(f"failed: {failure!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
