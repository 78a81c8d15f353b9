#!/usr/bin/env python3
"""The last words of a login server, and the end after them, over every transport it has.

Over TCP and TLS by Python's own library, over QUIC by aioquic, as a WebSocket by websockets.

    last_words.py --server 127.0.0.1:9000 --pin sha256:… --refusals 40
    last_words.py --server 127.0.0.1:9000 --pin sha256:… --until-it-stops
"""

import argparse
import hmac
import json
import pathlib
import socket
import ssl
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import aioquic_client
from aioquic_client import LOOP
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as websocket

import gatehouse_client as gatehouse
from gatehouse_client import Failure

TIMEOUT_S = 15.0


class Framed:
    """A stream of bytes with messages in it."""

    def __init__(self, where):
        self.stream = self.connect(*where)
        self.stream.settimeout(TIMEOUT_S)

    def send(self, message):
        self.stream.sendall(gatehouse.frame(message))

    def messages(self):
        """All messages until the end, which has to be one."""
        received = bytearray()
        while data := self.stream.recv(65_536):
            received += data
            while len(received) >= 2:
                end = 2 + int.from_bytes(received[:2], "little")
                if len(received) < end:
                    break
                yield gatehouse.decode(bytes(received[2:end]))
                del received[:end]
        if received:
            raise Failure(f"{self.name}: the last word is cut off after {len(received)} bytes")

    def close(self):
        self.stream.close()


class Tcp(Framed):
    name = "tcp"

    def connect(self, host, port, _pin):
        return socket.create_connection((host, port))

    def end(self):
        # An end that is none would have been an error.
        return "its direction has ended"


class Tls(Framed):
    name = "tls"

    def connect(self, host, port, pin):
        stream = gatehouse.connect(host, port, pin)
        # The end of TCP is not the end of TLS.
        stream.suppress_ragged_eofs = False
        return stream

    def end(self):
        return "close_notify"


class Quic(Framed):
    name = "quic"

    def connect(self, host, port, pin):
        return aioquic_client.connect(host, port, pin)

    def end(self):
        protocol = self.stream.protocol
        LOOP.run(protocol.wait_closed(), TIMEOUT_S)
        if not protocol.ended.reason_phrase or protocol.ended.frame_type is not None:
            raise Failure(f"no reason of the program: {protocol.ended}")
        return protocol.ended.error_code, protocol.ended.reason_phrase

    def close(self):
        pass


class WebSocket:
    name = "websocket"

    def __init__(self, where):
        host, port, pin = where
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = websocket(
            f"wss://{host}:{port}/websocket",
            ssl=context,
            subprotocols=["gatehouse-client.1"],
            compression=None,
            open_timeout=TIMEOUT_S,
        )
        shown = gatehouse.pin_of(self.socket.socket.getpeercert(binary_form=True))
        if not hmac.compare_digest(shown, pin):
            raise Failure(f"the server has the pin {shown}")
        self.ended = None

    def send(self, message):
        self.socket.send(message)

    def messages(self):
        try:
            while True:
                yield gatehouse.decode(self.socket.recv(TIMEOUT_S))
        except ConnectionClosed as ended:
            if not ended.rcvd:
                raise Failure("the WebSocket has ended without a goodbye") from ended
            self.ended = ended.rcvd

    def end(self):
        return self.ended.code, self.ended.reason

    def close(self):
        pass


WAYS = [Tcp, Tls, Quic, WebSocket]


def say(event, **facts):
    print(json.dumps({"event": event} | facts), flush=True)


def last(way, wanted, connection, messages):
    """The goodbye that is the last message, and how the connection has ended after it."""
    messages = list(messages)
    if not messages or messages[-1]["is"] != "Goodbye":
        raise Failure(f"{way.name}: the last word is {messages[-1:]}")
    why = messages[-1]["why"]["is"]
    if why not in wanted:
        raise Failure(f"{way.name}: goodbye because of {why}, and not of {wanted}")
    end = connection.end()
    connection.close()
    return why, end


def refusals(where, count):
    """A version that no server speaks is answered with a goodbye, and that with the end."""
    version = gatehouse.number(60_000)
    hello = gatehouse.number(0) + gatehouse.text("last words", 64)
    hello += version + version + gatehouse.number(0)
    for way in WAYS:
        ends = set()
        for _ in range(count):
            connection = way(where)
            connection.send(hello)
            ends.add(last(way, {"IAmTooOld"}, connection, connection.messages()))
        say("heard", transport=way.name, of=count, ends=[str(end) for end in ends])


def until_it_stops(where):
    connections, failures = [], []
    for way in WAYS:
        connection = way(where)
        connection.send(gatehouse.hello("last words"))
        messages = connection.messages()
        gatehouse.answered(next(messages), "Welcome")
        connections.append((way, connection, messages))

    def listen(way, connection, messages):
        try:
            why, end = last(way, {"ComeBack"}, connection, messages)
            say("heard", transport=way.name, goodbye=why, end=str(end))
            if way is WebSocket and end[0] != 1001:
                raise Failure(f"a close code of {end[0]}")
        except (Failure, OSError, TimeoutError) as failure:
            failures.append(f"{way.name}: {failure!r}")

    threads = [threading.Thread(target=listen, args=each) for each in connections]
    for thread in threads:
        thread.start()
    say("connected")
    for thread in threads:
        thread.join()
    if failures:
        raise Failure("; ".join(failures))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--pin", required=True, metavar="sha256:…")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--refusals", type=int, metavar="N")
    what.add_argument("--until-it-stops", action="store_true")
    options = parser.parse_args()
    host, _, port = options.server.rpartition(":")
    where = (host, int(port), options.pin)
    try:
        if options.refusals:
            refusals(where, options.refusals)
        else:
            until_it_stops(where)
    except (Failure, OSError, TimeoutError) as failure:
        print(f"failed: {failure!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
