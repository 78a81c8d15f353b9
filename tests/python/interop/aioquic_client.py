#!/usr/bin/env python3
"""The client of ../gatehouse_client.py over QUIC, by aioquic: another stack than that of the server.

It logs in, chats and resumes its session, as the other does over TLS; then it does to the connection
what only QUIC can do. It says a line for each step, and exits with 0 if all went as it should.

    aioquic_client.py --server 127.0.0.1:9000 --pin sha256:… [--come-back]
"""

import argparse
import asyncio
import hmac
import json
import pathlib
import secrets
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import aioquic.asyncio
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, HandshakeCompleted
from cryptography.hazmat.primitives.serialization import Encoding

import gatehouse_client as gatehouse
from gatehouse_client import Failure, step

TIMEOUT_S = gatehouse.TIMEOUT_S
ALPN = "gatehouse-client/1"
# TLS's alert 120 (no_application_protocol), as QUIC carries it.
NO_APPLICATION_PROTOCOL = 0x100 + 120


class Loop:
    """An event loop in a thread of its own, for those who wait without one."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work, timeout=TIMEOUT_S):
        async def limited():
            return await asyncio.wait_for(work, timeout)

        return asyncio.run_coroutine_threadsafe(limited(), self.loop).result()

    def call(self, function, *arguments):
        async def called():
            return function(*arguments)

        return self.run(called())


LOOP = Loop()


class Watching(QuicConnectionProtocol):
    """Remembers how the connection has begun and ended."""

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.begun, self.ended = self._loop.create_future(), None

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.ended = event
        if isinstance(event, (ConnectionTerminated, HandshakeCompleted)) and not self.begun.done():
            self.begun.set_result(None)
        super().quic_event_received(event)


class Stream:
    """The one stream of a connection, with the methods of a socket."""

    def __init__(self, where, alpn=ALPN, token=b"", ticket=None):
        self.timeout = TIMEOUT_S
        self.tokens, self.tickets = [], []
        self.configuration = QuicConfiguration(
            alpn_protocols=[alpn],
            server_name="gatehouse",
            verify_mode=ssl.CERT_NONE,
            token=token,
            session_ticket=ticket,
        )
        # Not `connect` as a context: what fails then waits for an end that never comes.
        self.context = aioquic.asyncio.connect(
            *where[:2],
            configuration=self.configuration,
            create_protocol=Watching,
            token_handler=self.tokens.append,
            session_ticket_handler=self.tickets.append,
            wait_connected=False,
        )
        self.protocol = LOOP.run(self.context.__aenter__())
        LOOP.call(self.protocol.transmit)
        LOOP.run(self.connected())
        self.reader, self.writer = LOOP.run(self.protocol.create_stream())

    async def connected(self):
        await self.protocol.begun
        if self.protocol.ended:
            raise Refused(self.protocol.ended)

    @property
    def quic(self):
        return self.protocol._quic

    def certificate(self):
        return self.quic.tls._peer_certificate.public_bytes(Encoding.DER)

    def settimeout(self, timeout):
        self.timeout = timeout

    def sendall(self, data):
        LOOP.call(self.writer.write, data)

    def recv(self, limit):
        return LOOP.run(self.reader.read(limit), self.timeout)

    def unwrap(self):
        """Ends our direction, and waits for the end of the other."""
        LOOP.call(self.writer.write_eof)
        while self.recv(65_536):
            pass

    def close(self, code=0, reason=""):
        LOOP.call(self.protocol.close, code, reason)
        LOOP.run(self.protocol.wait_closed())


class Refused(Failure):
    """There is no connection."""

    def __init__(self, ended):
        super().__init__(f"refused: {ended}")
        self.code = ended.error_code if ended else None


def connect(host, port, pin, alpn=ALPN, certificate=None, **more):
    """In place of gatehouse_client's."""
    assert certificate is None
    stream = Stream((host, port), alpn, **more)
    shown = gatehouse.pin_of(stream.certificate())
    if not hmac.compare_digest(shown, pin):
        stream.close()
        raise Failure(f"the server has the pin {shown}")
    if stream.quic.tls.alpn_negotiated != alpn:
        stream.close()
        raise Failure("the server has not agreed to the protocol")
    return stream


def another_protocol_is_refused(where):
    try:
        Stream(where, alpn="h3")
    except Refused as refused:
        if refused.code != NO_APPLICATION_PROTOCOL:
            raise
        step("another application protocol is refused with alert 120")
    else:
        raise Failure("another application protocol is accepted")


def what_only_quic_can_do(where, name, password):
    with gatehouse.Client(*where) as client:
        gatehouse.answered(client.ask(gatehouse.log_in, name, password), "LoggedIn")
        stream = client.stream
        LOOP.call(stream.protocol.change_connection_id)
        gatehouse.measure(client)
        step("another connection id, the same session")
        LOOP.call(stream.protocol.request_key_update)
        gatehouse.measure(client)
        step("other keys, the same session")
        moved = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        moved.bind(("::", 0))
        moved.setblocking(False)
        LOOP.run(move(stream.protocol, moved))
        gatehouse.measure(client)
        step("another port of ours, the same session")
        for byte in gatehouse.frame(gatehouse.ping(1)):
            stream.sendall(bytes([byte]))
        client.wait(lambda message: message["is"] == "Pong" and message["nonce"] == 1)
        step("a message in frames of one byte")
        gatehouse.answered(client.ask(gatehouse.log_out), "LoggedOut")
        stream.close(0x2A, "enough of this")
        step("closed with a code and a reason of our own")
        return stream


async def move(protocol, sock):
    """From now on the connection's datagrams come and go through `sock`."""
    loop = asyncio.get_running_loop()

    class Forward(asyncio.DatagramProtocol):
        def datagram_received(self, data, address):
            protocol.datagram_received(data, address)

    protocol._transport, _ = await loop.create_datagram_endpoint(Forward, sock=sock)


def coming_back(where, stream):
    """What an earlier connection has left to the next."""
    if stream.tokens:
        again = Stream(where, token=stream.tokens[-1])
        if again.quic._retry_count:
            raise Failure("who has a token has to prove its address again")
        again.close()
        step("came back with the token of an earlier connection")
    else:
        step("there are no tokens for the next connection")
    if not stream.tickets:
        step("there are no tickets: sessions of TLS are not resumed")
        return
    ticket = stream.tickets[-1]
    if ticket.max_early_data_size:
        raise Failure("the server takes early data")
    again = Stream(where, ticket=ticket)
    if not again.quic.tls.session_resumed:
        raise Failure("the ticket was not taken")
    again.close()
    step("resumed the session of TLS, without early data")


def comes_back_and_back(where):
    """Comes as often as there is a line on the input, each time with what the last time has left."""
    token, ticket = b"", None
    while True:
        stream = Stream(where, token=token, ticket=ticket)
        if ticket and not stream.quic.tls.session_resumed:
            raise Failure("the ticket was not taken")
        stream.sendall(gatehouse.frame(gatehouse.hello("comes back")))
        if not stream.recv(65_536):
            raise Failure("there is no answer")
        token, ticket = stream.tokens[-1], stream.tickets[-1]
        stream.close()
        step(json.dumps({"event": "was_there", "resumed": stream.quic.tls.session_resumed}))
        if not sys.stdin.readline():
            return


def crowded(where, pin):
    """So many begin a handshake and do not go on that newcomers have to prove their address."""
    sockets = []
    for number in range(HALF_OPEN):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.77.{number}.1", 0))
        configuration = QuicConfiguration(alpn_protocols=[ALPN], server_name="gatehouse")
        half = QuicConnection(configuration=configuration)
        half.connect(where[:2], now=time.time())
        for datagram, _ in half.datagrams_to_send(now=time.time()):
            sock.sendto(datagram, where[:2])
        sockets.append(sock)
    # Their packets are before ours.
    stream = connect(*where[:2], pin)
    if stream.quic._retry_count != 1:
        raise Failure("there was no Retry")
    step(f"after {HALF_OPEN} half-open handshakes there is a Retry, and we get in")
    stream.close()
    for sock in sockets:
        sock.close()


# A login server wants a proof of addresses above 64.
HALF_OPEN = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--pin", required=True, metavar="sha256:…")
    parser.add_argument("--come-back", action="store_true", help="for each line of input")
    options = parser.parse_args()
    host, _, port = options.server.rpartition(":")
    where = (host, int(port), options.pin)
    name, password = "py" + secrets.token_hex(4), secrets.token_hex(12)
    gatehouse.connect = connect
    try:
        if options.come_back:
            comes_back_and_back(where)
            return 0
        gatehouse.run(where, name, password)
        another_protocol_is_refused(where)
        coming_back(where, what_only_quic_can_do(where, name, password))
        crowded(where, options.pin)
    except (Failure, OSError, TimeoutError, ssl.SSLError) as error:
        print(f"failed: {error!r}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
