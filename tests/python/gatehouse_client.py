#!/usr/bin/env python3
"""A game client written from protocol/PROTOCOL.md alone, with nothing but Python's own library.

It walks through everything a game client can do without a game server, says a line for each step,
and exits with 0 if every step was answered as the document says, otherwise with 1.

    gatehouse_client.py --server 127.0.0.1:9000 --pin sha256:… [--name N --password P]

Section numbers are those of the document.
"""

import argparse
import hashlib
import hmac
import secrets
import socket
import ssl
import sys
import time

TIMEOUT_S = 10.0
VERSION = 0
MAX_CHUNK = 65_535
MAX_MESSAGE = 262_144


class Failure(Exception):
    """The server did not do what the document says, or cannot be reached."""


class Incomplete(Failure):
    """The message goes on behind these bytes."""


# --- 1. Connecting ---------------------------------------------------------------------------------


def der_element(data, at):
    """The element at `at`: its tag, where its content begins, and where it ends."""
    if at + 2 > len(data):
        raise Failure("the certificate ends inside an element")
    tag, length, begin = data[at], data[at + 1], at + 2
    if length >= 0x80:
        count = length - 0x80
        if not 1 <= count <= 4 or begin + count > len(data):
            raise Failure("the certificate has an element of strange length")
        length = int.from_bytes(data[begin : begin + count], "big")
        begin += count
    if begin + length > len(data):
        raise Failure("the certificate ends inside an element")
    return tag, begin, begin + length


def public_key_info(certificate):
    """The SubjectPublicKeyInfo of a certificate in DER, with its tag and length."""
    _, at, _ = der_element(certificate, 0)
    _, at, _ = der_element(certificate, at)
    tag, _, end = der_element(certificate, at)
    if tag == 0xA0:
        at = end
    for _ in range(5):
        _, _, at = der_element(certificate, at)
    tag, _, end = der_element(certificate, at)
    if tag != 0x30:
        raise Failure("the certificate has no public key where it should be")
    return certificate[at:end]


def pin_of(certificate):
    return "sha256:" + hashlib.sha256(public_key_info(certificate)).hexdigest()


def connect(host, port, pin, alpn="gatehouse-client/1", certificate=None):
    """A TLS connection to the server that has this pin; with a certificate and key from a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The pin takes the place of names and issuers. That the server has the private key of its
    # certificate is checked all the same.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols([alpn])
    if certificate:
        context.load_cert_chain(certificate)
    raw = socket.create_connection((host, port), timeout=TIMEOUT_S)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = context.wrap_socket(raw, server_hostname="gatehouse")
    except BaseException:
        raw.close()
        raise
    shown = pin_of(stream.getpeercert(binary_form=True))
    if not hmac.compare_digest(shown, pin):
        stream.close()
        raise Failure(f"the server has the pin {shown}")
    if stream.selected_alpn_protocol() != alpn:
        stream.close()
        raise Failure("the server has not agreed to the protocol")
    return stream


def echo(host, port):
    """The seconds a datagram takes to the server and back, or None where none came in time."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(1.0)
        udp.connect((host, port))
        chosen = secrets.token_bytes(12)
        for _ in range(10):
            start = time.monotonic()
            udp.send(b"\x07GH?" + chosen)
            try:
                answer = udp.recv(64)
            except TimeoutError:
                continue
            if answer != b"\x07GH!" + chosen:
                raise Failure(f"a ping was answered with {answer.hex()}")
            return time.monotonic() - start
    return None


# --- 3. Values -------------------------------------------------------------------------------------


def number(value):
    if value <= 250:
        return bytes([value])
    for first, size in ((251, 2), (252, 4), (253, 8)):
        if value < 1 << (8 * size):
            return bytes([first]) + value.to_bytes(size, "little")
    raise ValueError(f"{value} has more than 64 bits")


def text(value, limit):
    encoded = value.encode()
    if len(encoded) > limit:
        raise ValueError(f"a text of {len(encoded)} bytes, where {limit} may be")
    return number(len(encoded)) + encoded


class Reader:
    """Takes values off the front of a message."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Incomplete("the message ends before its last field")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, bits):
        first = self.take(1)[0]
        if first <= 250:
            return first
        size = {251: 2, 252: 4, 253: 8}.get(first)
        if size is None or size * 8 > bits:
            raise Failure(f"a number of {bits} bits begins with {first}")
        return int.from_bytes(self.take(size), "little")

    def u16(self):
        return self.number(16)

    def u32(self):
        return self.number(32)

    def u64(self):
        return self.number(64)

    def id(self):
        return f"{self.u64():016x}"

    def bool(self):
        value = self.take(1)[0]
        if value > 1:
            raise Failure(f"{value} is neither yes nor no")
        return value == 1

    def length(self, limit):
        length = self.u64()
        if length > limit:
            raise Failure(f"a length of {length}, where {limit} may be")
        return length

    def text(self, limit):
        value = self.take(self.length(limit)).decode()
        if any(is_forbidden(character) for character in value):
            raise Failure("a text holds what cannot be shown")
        return value

    def bytes(self, limit):
        return self.take(self.length(limit))

    def optional(self, read):
        return read() if self.bool() else None

    def list(self, limit, read):
        return [read() for _ in range(self.length(limit))]

    def one_of(self, table):
        """A table has a line for each tag: a name, and the fields with how to read them."""
        tag = self.u32()
        if tag >= len(table):
            raise Failure(f"the tag {tag} is unknown")
        name, fields = table[tag]
        return {"is": name} | self.fields(fields)

    def fields(self, fields):
        return {field: read(self) for field, read in fields.items()}

    def address(self):
        family = self.u32()
        if family == 0:
            return socket.inet_ntop(socket.AF_INET, self.take(4))
        if family == 1:
            return socket.inet_ntop(socket.AF_INET6, self.take(16))
        raise Failure(f"an address of the unknown kind {family}")


def is_forbidden(character):
    code = ord(character)
    return (
        code <= 0x1F
        or 0x7F <= code <= 0x9F
        or 0x2028 <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
        or code in (0x061C, 0x200E, 0x200F)
    )


# --- 5. and 7. Messages ----------------------------------------------------------------------------


def read_text(limit):
    return lambda reader: reader.text(limit)


def read_one_of(table):
    return lambda reader: reader.one_of(table)


def unit(*names):
    return [(name, {}) for name in names]


CHANNEL = unit("Lobby", "Server")

SPEAKER = [("Account", {"name": read_text(64)}), ("InGame", {"name": read_text(64)})]

REFUSAL = [
    *unit("NotLoggedIn", "AlreadyLoggedIn", "NameTaken"),
    ("InvalidName", {"rule": read_text(128)}),
    ("InvalidPassword", {"rule": read_text(128)}),
    *unit("WrongNameOrPassword", "SessionEnded", "UnknownServer", "ServerNotReady"),
    *unit("ServerFull", "NotOnServer"),
    ("Busy", {"retry_after_ms": Reader.u32}),
    *unit("Unavailable"),
    ("Muted", {"until": lambda reader: reader.optional(reader.u64)}),
    *unit("NotAllowed", "UnknownSession", "NotForGuests", "NotAGuest", "OnServer"),
    *unit("UnknownPlayer"),
    ("InvalidKey", {"rule": read_text(128)}),
    ("Changed", {"version": lambda reader: reader.optional(reader.u64)}),
    *unit("TooMany"),
]

GOODBYE = [
    ("YouAreTooOld", {"lowest": Reader.u16}),
    ("IAmTooOld", {"highest": Reader.u16}),
    *unit("ShuttingDown", "TakenOver"),
    ("Violation", {"what": read_text(128)}),
    *unit("NotEnrolled", "EnrollmentRefused"),
    ("Busy", {"retry_after_ms": Reader.u32}),
    *unit("Revoked", "Silent"),
    (
        "Banned",
        {"until": lambda reader: reader.optional(reader.u64), "reason": read_text(128)},
    ),
    ("ComeBack", {"after_ms": Reader.u32}),
]

STATE = unit(
    "Starting", "Ready", "Restarting", "Stopping", "Stopped", "Failed", "Unreachable"
)

PROPERTY = [
    ("Title", {"value": read_text(64)}),
    ("Game", {"value": read_text(32)}),
    ("State", {"value": read_one_of(STATE)}),
    ("Map", {"value": read_text(64)}),
    ("MaxPlayers", {"value": Reader.u16}),
    ("Detail", {"key": read_text(32), "value": read_text(64)}),
]

CHANGE = [
    ("Property", {"property": read_one_of(PROPERTY)}),
    ("PlayerEntered", {"player": Reader.u32, "name": read_text(64)}),
    ("PlayerLeft", {"player": Reader.u32}),
    ("AllPlayersLeft", {}),
]

EVENT = [
    ("Appeared", {"server": Reader.id}),
    ("Changed", {"server": Reader.id, "change": read_one_of(CHANGE)}),
    ("Disappeared", {"server": Reader.id}),
]

SESSION = {
    "number": Reader.u64,
    "this": Reader.bool,
    "opened": Reader.u64,
    "seen": Reader.u64,
    "expires": Reader.u64,
    "network": read_text(64),
    "program": read_text(64),
}

DATA_ENTRY = {
    "key": read_text(64),
    "version": Reader.u64,
    "length": Reader.u32,
    "updated": Reader.u64,
}

DATA_VALUE = {"version": Reader.u64, "bytes": lambda reader: reader.bytes(16_384)}

PROGRESS = {
    "played_ms": Reader.u64,
    "matches": Reader.u64,
    "wins": Reader.u64,
    "xp": Reader.u64,
}

TO_GAME_CLIENT = [
    (
        "Welcome",
        {"version": Reader.u16, "now": Reader.u64, "boot": Reader.id, "features": Reader.u64},
    ),
    ("Goodbye", {"why": read_one_of(GOODBYE)}),
    ("Refused", {"request": Reader.u32, "reason": read_one_of(REFUSAL)}),
    (
        "LoggedIn",
        {
            "request": Reader.u32,
            "name": read_text(64),
            "token": lambda reader: reader.take(32),
            "expires": Reader.u64,
            "on_server": lambda reader: reader.optional(reader.id),
            "continues": lambda reader: reader.optional(
                lambda: {"seen": reader.u64(), "next": reader.u64()}
            ),
        },
    ),
    ("LoggedOut", {"request": Reader.u32}),
    (
        "Servers",
        {
            "fresh": Reader.bool,
            "events": lambda reader: reader.list(256, lambda: reader.one_of(EVENT)),
        },
    ),
    (
        "Joined",
        {
            "request": Reader.u32,
            "server": Reader.id,
            "address": Reader.address,
            "port": Reader.u16,
            "secret": read_text(32),
            "ticket": read_text(1024),
        },
    ),
    ("Left", {"request": lambda reader: reader.optional(reader.u32)}),
    (
        "Said",
        {"channel": read_one_of(CHANNEL), "speaker": read_one_of(SPEAKER), "text": read_text(400)},
    ),
    ("Ping", {"nonce": Reader.u64}),
    ("Pong", {"nonce": Reader.u64}),
    ("Ack", {"seen": Reader.u64}),
    ("Queued", {"request": Reader.u32, "position": Reader.u32}),
    ("Done", {"request": Reader.u32}),
    (
        "Sessions",
        {
            "request": Reader.u32,
            "sessions": lambda reader: reader.list(32, lambda: reader.fields(SESSION)),
        },
    ),
    (
        "Exported",
        {"request": Reader.u32, "total": Reader.u64, "part": lambda r: r.bytes(32_768)},
    ),
    (
        "DataKeys",
        {
            "request": Reader.u32,
            "entries": lambda reader: reader.list(64, lambda: reader.fields(DATA_ENTRY)),
        },
    ),
    (
        "Data",
        {
            "request": Reader.u32,
            "value": lambda reader: reader.optional(lambda: reader.fields(DATA_VALUE)),
        },
    ),
    (
        "DataWritten",
        {"request": Reader.u32, "version": lambda reader: reader.optional(reader.u64)},
    ),
    ("Progress", {"request": Reader.u32, "progress": lambda reader: reader.fields(PROGRESS)}),
    ("NextKey", {"pin": lambda reader: reader.take(32)}),
]


def decode(data, table=TO_GAME_CLIENT):
    """The message that `data` is."""
    reader = Reader(data)
    message = reader.one_of(table)
    if reader.at != len(data):
        raise Failure(f"{len(data) - reader.at} bytes follow a {message['is']}")
    return message


def hello(program):
    return number(0) + text(program, 64) + number(VERSION) + number(VERSION) + number(0)


def register(request, name, password):
    return number(1) + number(request) + text(name, 64) + text(password, 128)


def log_in(request, name, password):
    return number(2) + number(request) + text(name, 64) + text(password, 128)


def resume(request, token, last=None):
    """`last`: the boot of the connection before, and how many messages it has brought."""
    message = number(3) + number(request) + token
    if last is None:
        return message + b"\x00"
    boot, count = last
    return message + b"\x01" + number(int(boot, 16)) + number(count)


def log_out(request):
    return number(4) + number(request)


def watch_servers():
    return number(5)


def unwatch_servers():
    return number(6)


def join(request, server):
    return number(7) + number(request) + number(int(server, 16))


def leave(request):
    return number(8) + number(request)


def chat(request, channel, line):
    return number(9) + number(request) + number(channel) + text(line, 400)


def ping(nonce):
    return number(10) + number(nonce)


def pong(nonce):
    return number(11) + number(nonce)


def ack(seen):
    return number(12) + number(seen)


def log_in_as_guest(request):
    return number(13) + number(request)


def claim(request, name, password):
    return number(14) + number(request) + text(name, 64) + text(password, 128)


def list_sessions(request):
    return number(15) + number(request)


def change_password(request, old, new):
    return number(17) + number(request) + text(old, 128) + text(new, 128)


def get_data(request, game, key):
    return number(21) + number(request) + text(game, 64) + text(key, 64)


def set_data(request, game, key, value, version=None):
    """Replaces the value of this version, or makes it where there is none."""
    message = number(22) + number(request) + text(game, 64) + text(key, 64)
    message += b"\x01" + number(len(value)) + value
    return message + (number(1) if version is None else number(2) + number(version))


# --- 2. Frames, and 4. the conversation -------------------------------------------------------------


def frame(message):
    """The chunks of a message."""
    chunks = [message[at : at + MAX_CHUNK] for at in range(0, len(message), MAX_CHUNK)]
    return b"".join((len(chunk) % MAX_CHUNK).to_bytes(2, "little") + chunk for chunk in chunks)


NOT_COUNTED = {"Welcome", "Goodbye", "LoggedIn", "Ping", "Pong", "Ack", "Queued", "NextKey"}


class Client:
    """A connection, from the first word to the last."""

    ALPN = "gatehouse-client/1"
    HEARS = TO_GAME_CLIENT
    ACK_EVERY = 64

    def __init__(self, host, port, pin, certificate=None):
        self.stream = connect(host, port, pin, self.ALPN, certificate)
        self.received = bytearray()
        self.requests = 0
        self.seen = None
        self.send(hello("gatehouse-python/0.1"))
        self.welcome = self.expect("Welcome")
        if self.welcome["version"] != VERSION:
            raise Failure(f"the server wants to speak version {self.welcome['version']}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def close(self):
        """Ends the connection in an orderly way."""
        self.stream.settimeout(TIMEOUT_S)
        try:
            self.stream.unwrap()
        except (OSError, ssl.SSLError):
            pass  # What the server still had to say is of no interest any more.
        self.stream.close()

    def send(self, message):
        self.stream.sendall(frame(message))

    def pong(self, nonce):
        self.send(pong(nonce))

    def ask(self, message, *fields):
        """Sends a request and waits for its answer, which may be a refusal."""
        self.requests += 1
        self.send(message(self.requests, *fields))
        return self.wait(lambda answer: answer.get("request") == self.requests)

    def expect(self, name):
        return self.wait(lambda message: message["is"] == name)

    def wait(self, wanted):
        """The next message that is wanted; all others are passed over."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            message = self.receive(deadline)
            if wanted(message):
                return message
            if message["is"] == "Goodbye":
                raise Failure(f"the server says goodbye: {described(message['why'])}")

    def receive(self, deadline):
        """The next message. Pings are answered on the way."""
        message = bytearray()
        while True:
            length = int.from_bytes(self.bytes(2, deadline), "little") or MAX_CHUNK
            message += self.bytes(length, deadline)
            if len(message) > MAX_MESSAGE:
                raise Failure("the server sends a message that is too long")
            try:
                decoded = decode(bytes(message), self.HEARS)
            except Incomplete:
                if length < MAX_CHUNK:
                    raise
                continue
            if decoded["is"] == "Ping":
                self.pong(decoded["nonce"])
            self.count(decoded)
            return decoded

    def count(self, message):
        """Counts what matters, from `LoggedIn` to `LoggedOut`."""
        if message["is"] == "LoggedIn":
            at = message["continues"]
            self.seen = at["next"] - 1 if at else 0
        elif self.seen is not None and message["is"] not in NOT_COUNTED:
            self.seen += 1
            if self.seen % self.ACK_EVERY == 0:
                self.send(ack(self.seen))
            if message["is"] == "LoggedOut":
                self.seen = None

    def last(self):
        """What the next connection says about this one."""
        return self.welcome["boot"], self.seen

    def cut(self):
        """Ends the connection without a word."""
        self.stream.close()

    def bytes(self, count, deadline):
        while len(self.received) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"no answer within {TIMEOUT_S:.0f} s")
            self.stream.settimeout(left)
            data = self.stream.recv(65_536)
            if not data:
                raise Failure("the server has ended the connection")
            self.received += data
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken


class Servers:
    """The list of game servers: the sum of its events."""

    def __init__(self):
        self.known = {}

    def apply(self, message):
        if message["fresh"]:
            self.known.clear()
        for event in message["events"]:
            server = event["server"]
            if event["is"] == "Appeared":
                self.known[server] = {"properties": {}, "players": {}}
            elif event["is"] == "Disappeared":
                self.known.pop(server, None)
            elif server in self.known:
                self.change(self.known[server], event["change"])

    @staticmethod
    def change(server, change):
        players = server["players"]
        if change["is"] == "Property":
            fact = change["property"]
            server["properties"][fact["is"], fact.get("key")] = fact["value"]
        elif change["is"] == "PlayerEntered":
            players[change["player"]] = change["name"]
        elif change["is"] == "PlayerLeft":
            players.pop(change["player"], None)
        else:
            players.clear()


def described(value):
    """A *one of* as a line."""
    fields = ", ".join(f"{key} {field}" for key, field in value.items() if key != "is")
    return f"{value['is']} ({fields})" if fields else value["is"]


# --- The steps --------------------------------------------------------------------------------------


def step(line):
    print(line, flush=True)


def answered(answer, name):
    """Makes sure that an answer is the one that is expected."""
    if answer["is"] != name:
        raise Failure(f"{name} was expected, and this came: {answer}")
    return answer


def refused(answer, *reasons):
    reason = answered(answer, "Refused")["reason"]
    if reason["is"] not in reasons:
        raise Failure(f"refused because of {described(reason)}, and not of {reasons}")
    return described(reason)


def a_wrong_pin_is_noticed(where):
    try:
        connect(*where[:2], "sha256:" + 64 * "0").close()
    except Failure:
        step("a server with another pin is not spoken to")
    else:
        raise Failure("the pin is not compared")


def enter(client, name, password):
    """Registers, or logs in when there is this account; goes out and in again."""
    answer = client.ask(register, name, password)
    if answer["is"] == "Refused" and answer["reason"]["is"] == "NameTaken":
        step(f"{name} is registered already")
    else:
        step(f"registered {answered(answer, 'LoggedIn')['name']}")
        answered(client.ask(log_out), "LoggedOut")
        step("logged out")
    reason = refused(client.ask(log_in, name, password + "!"), "WrongNameOrPassword")
    step(f"a wrong password is refused: {reason}")
    session = answered(client.ask(log_in, name, password), "LoggedIn")
    if session["expires"] <= client.welcome["now"]:
        raise Failure("the session has expired already")
    step(f"logged in as {session['name']}")
    reason = refused(client.ask(log_in, name, password), "AlreadyLoggedIn")
    step(f"logging in twice is refused: {reason}")
    return session


def look_around(client):
    client.send(watch_servers())
    servers = Servers()
    servers.apply(client.wait(lambda message: message["is"] == "Servers" and message["fresh"]))
    step(f"watching {len(servers.known)} servers")
    for server, about in servers.known.items():
        facts = about["properties"]
        title, state = facts.get(("Title", None), "?"), facts.get(("State", None), {"is": "?"})
        step(f"  {server} {title}: {state['is']}, {len(about['players'])} players")
    client.send(unwatch_servers())
    unknown = next(f"{n:016x}" for n in range(1 << 16) if f"{n:016x}" not in servers.known)
    step(f"an unknown server is refused: {refused(client.ask(join, unknown), 'UnknownServer')}")
    step(f"leaving nothing: {described_leave(client.ask(leave))}")


def described_leave(answer):
    return refused(answer, "NotOnServer") if answer["is"] == "Refused" else answer["is"]


def talk(client, name):
    line = f"hello from Python {secrets.token_hex(4)} ✓"
    client.requests += 1
    client.send(chat(client.requests, 0, line))
    said = client.wait(lambda message: message["is"] == "Said" and message["text"] == line)
    if said["speaker"] != {"is": "Account", "name": name} or said["channel"]["is"] != "Lobby":
        raise Failure(f"that was said by somebody else: {said}")
    step(f"chatted in the lobby: {line}")
    reason = refused(client.ask(chat, 1, "is anybody here?"), "NotOnServer")
    step(f"chat to the server joined is refused: {reason}")


def measure(client):
    nonce = secrets.randbits(64)
    sent = time.monotonic()
    client.send(ping(nonce))
    client.wait(lambda message: message["is"] == "Pong" and message["nonce"] == nonce)
    step(f"ping: {(time.monotonic() - sent) * 1000:.1f} ms")


def lose_nothing(where, token):
    """Cuts a connection before the answer has come, and goes on with another one."""
    with Client(*where) as first:
        if answered(first.ask(resume, token), "LoggedIn")["continues"]:
            raise Failure("who has counted nothing cannot go on")
        refused(first.ask(leave), "NotOnServer")
        last, line = first.last(), f"said once {secrets.token_hex(4)}"
        first.send(chat(100, 0, line))
        # Its pong comes when the line has: only then it is certain which side has lost what.
        measure(first)
        first.cut()
    with Client(*where) as second:
        at = answered(second.ask(resume, token, last), "LoggedIn")["continues"]
        if at != {"seen": 2, "next": 2}:
            raise Failure(f"2 were sent and 1 was seen, and it goes on at {at}")
        said, done = second.expect("Said"), second.expect("Done")
        if said["text"] != line or done["request"] != 100:
            raise Failure(f"{line} was said, and this came again: {said}, {done}")
        step("a lost connection loses nothing: its last messages come again")
        second.send(chat(100, 0, line))
        again = second.wait(lambda message: message["is"] in ("Said", "Done"))
        if again["is"] != "Done" or again["request"] != 100:
            raise Failure(f"a request that was answered is done again: {again}")
        step("a request that comes twice is done once")
        second.close()


def measure_without_a_connection(where):
    time_s = echo(*where[:2])
    step("an echo over UDP: " + ("none" if time_s is None else f"{time_s * 1000:.1f} ms"))
    return time_s is not None


def run(where, name, password):
    measure_without_a_connection(where)
    a_wrong_pin_is_noticed(where)
    with Client(*where) as client:
        step(f"connected: version {client.welcome['version']}, boot {client.welcome['boot']}")
        reason = refused(client.ask(resume, bytes(32)), "SessionEnded")
        step(f"a token that is none is refused: {reason}")
        session = enter(client, name, password)
        look_around(client)
        talk(client, session["name"])
        measure(client)
        client.close()
    lose_nothing(where, session["token"])
    with Client(*where) as first:
        resumed = answered(first.ask(resume, session["token"]), "LoggedIn")
        if resumed["name"] != session["name"]:
            raise Failure(f"the session has become that of {resumed['name']}")
        step("resumed the session on a new connection")
        with Client(*where) as second:
            answered(second.ask(resume, resumed["token"]), "LoggedIn")
            goodbye = first.expect("Goodbye")["why"]
            if goodbye["is"] != "TakenOver":
                raise Failure(f"the first connection ends because of {described(goodbye)}")
            step(f"took the session over: the first connection ends: {described(goodbye)}")
            answered(second.ask(log_out), "LoggedOut")
            step("logged out")
            reason = refused(second.ask(resume, resumed["token"]), "SessionEnded")
            step(f"the token is worth nothing now: {reason}")
            second.close()


def server_address(argument):
    host, colon, port = argument.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError("HOST:PORT is expected")
    return host.removeprefix("[").removesuffix("]"), int(port)


def pin_argument(argument):
    digits = argument.removeprefix("sha256:")
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef") or digits == argument:
        raise argparse.ArgumentTypeError("sha256: and 64 lower-case hexadecimal digits are expected")
    return argument


def main():
    parser = argparse.ArgumentParser(description="Walks through what a game client can do.")
    parser.add_argument("--server", type=server_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--pin", type=pin_argument, required=True, metavar="sha256:…")
    parser.add_argument("--name", default=f"python-{secrets.token_hex(4)}")
    parser.add_argument("--password", default=secrets.token_urlsafe(16))
    arguments = parser.parse_args()
    try:
        run((*arguments.server, arguments.pin), arguments.name, arguments.password)
    except (Failure, OSError, UnicodeDecodeError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    step("all as the document says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
