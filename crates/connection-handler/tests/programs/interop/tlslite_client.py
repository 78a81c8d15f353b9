"""TLS by tlslite-ng, cut into pieces that no other client would make: an echo, and what is wrong.

    tlslite_client.py PORT ALPN
"""

import socket
import sys
import time

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import AlertDescription, ContentType
from tlslite.errors import TLSRemoteAlert

PORT, ALPN = int(sys.argv[1]), sys.argv[2].encode()
TIMEOUT_S = 20


class InPieces:
    """A socket that sends so many bytes at a time."""

    def __init__(self, size):
        self.size, self.sent = size, 0
        self.socket = socket.create_connection(("127.0.0.1", PORT), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        for at in range(0, len(data), self.size):
            self.socket.sendall(data[at : at + self.size])
            self.sent += 1
            # So that it is a piece for the other side, too; a handshake has 5 s.
            time.sleep(0.002 if self.sent < 200 else 0)
        return len(data)

    sendall = send

    def __getattr__(self, name):
        return getattr(self.socket, name)


def echo(record, piece):
    connection = TLSConnection(InPieces(piece))
    connection.recordSize = record
    settings = HandshakeSettings()
    # Asked for a certificate it would compress the one that it has not, without having been asked to.
    settings.certificate_compression_send = []
    connection.handshakeClientCert(
        serverName="gatehouse", alpn=[bytearray(ALPN)], settings=settings
    )
    assert connection.version == (3, 4), connection.version
    assert connection.session.appProto == ALPN, connection.session.appProto
    said = bytes(range(256)) * 2
    connection.write(said)
    heard = connection.read(min=len(said), max=len(said))
    assert heard == said, heard
    connection.close()
    print(f"records of {record} bytes, {piece} at a time: an echo")


def refused(what, data, *reasons):
    """Sends bytes that are almost TLS, and hears why not, if there is a reason, before the end."""
    stream, begin = InPieces(len(data)), time.monotonic()
    stream.send(data)
    heard = bytearray()
    while part := stream.socket.recv(100):
        heard += part
    # Long before the deadline of a handshake.
    assert time.monotonic() - begin < 4, what
    if reasons:
        assert heard[:1] == bytes([ContentType.alert]) and len(heard) == 7, (what, heard)
        assert heard[6] in reasons, (what, AlertDescription.toStr(heard[6]))
        print(f"{what}: {AlertDescription.toStr(heard[6])}")
    else:
        assert not heard, (what, heard)
        print(f"{what}: closed")


def hello(length, body=b"\x01\x00"):
    return b"\x16\x03\x01" + length.to_bytes(2, "big") + body.ljust(length, b"\0")


for record, piece in [(16384, 16384), (64, 16384), (64, 64), (64, 1), (1, 16384), (1, 1)]:
    echo(record, piece)

refused(
    "a ClientHello of nothing but zeros",
    hello(512, b"\x01\x00\x01\xfc"),
    AlertDescription.decode_error,
    AlertDescription.illegal_parameter,
    AlertDescription.protocol_version,
)
refused("a ClientHello longer than any", hello(512, b"\x01\xff\xff\xff"))
between = b"\x17\x03\x03\x00\x01\x00"
refused("something else between its records", hello(64, b"\x01\x00\x01\xfc") + between)

# Without TLS 1.3 there is nothing.
settings = HandshakeSettings()
settings.maxVersion = (3, 3)
try:
    TLSConnection(InPieces(16384)).handshakeClientCert(alpn=[bytearray(ALPN)], settings=settings)
except TLSRemoteAlert as alert:
    assert alert.description == AlertDescription.protocol_version, alert
    print(f"TLS 1.2: {alert}")
else:
    sys.exit("TLS 1.2 is spoken")
