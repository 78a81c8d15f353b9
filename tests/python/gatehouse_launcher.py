#!/usr/bin/env python3
"""A launcher written from protocol/PROTOCOL.md alone: it has a game server that does not exist.

It enrols, lists the server, and plays the player too: sees the server, joins it, chats with who is
in the game, leaves, and sees it go. It says a line for each step, and exits with 0 if every step
was answered as the document says, otherwise with 1.

    gatehouse_launcher.py gatehouse-enroll:… [--name N --password P]

The key and certificate are made by the program `openssl`.
"""

import argparse
import base64
import secrets
import subprocess
import sys
import tempfile

import gatehouse_client as gatehouse
from gatehouse_client import Failure, Reader, answered, number, read_text, step, text

LAUNCHER_REFUSAL = [
    ("TooManyServers", {"server": Reader.id, "most": Reader.u32}),
    ("NotYourPlayer", {"ticket": lambda reader: reader.optional(lambda: reader.take(16))}),
]

COUNTING = gatehouse.unit("Counts", "NotAllowed", "Impossible", "UnknownPlayer", "Unavailable")

TO_LAUNCHER = [
    *gatehouse.TO_GAME_CLIENT[:2],
    ("Enrolled", {"name": read_text(64)}),
    (
        "TicketKeys",
        {
            "now": Reader.u64,
            "keys": lambda reader: reader.list(8, lambda: reader.take(32)),
        },
    ),
    (
        "Admit",
        {
            "request": Reader.u32,
            "server": Reader.id,
            "player": read_text(64),
            "ticket": read_text(1024),
            "code": read_text(32),
        },
    ),
    ("Dismiss", {"server": Reader.id, "player": read_text(64)}),
    ("Say", {"server": Reader.id, "speaker": read_text(64), "text": read_text(400)}),
    ("Kick", {"server": Reader.id, "player": Reader.u32, "reason": read_text(128)}),
    ("Refused", {"why": gatehouse.read_one_of(LAUNCHER_REFUSAL)}),
    ("Ping", {"nonce": Reader.u64}),
    ("Pong", {"nonce": Reader.u64}),
    ("Counted", {"request": Reader.u32, "counting": gatehouse.read_one_of(COUNTING)}),
    ("NextKey", {"pin": lambda reader: reader.take(32)}),
]


def server_id(server):
    return number(int(server, 16))


def enroll(secret):
    return number(1) + secret


def servers(fresh, *events):
    return number(2) + bytes([fresh]) + number(len(events)) + b"".join(events)


def reachable(server, addresses, port):
    packed = b"".join(number(0) + bytes(map(int, ip.split("."))) for ip in addresses)
    return number(3) + server_id(server) + number(len(addresses)) + packed + number(port)


def granted(request, secret):
    return number(4) + number(request) + number(0) + text(secret, 32)


def said(server, name, line):
    return number(5) + server_id(server) + text(name, 64) + text(line, 400)


def ping(nonce):
    return number(6) + number(nonce)


def pong(nonce):
    return number(7) + number(nonce)


def arrived(ticket, player):
    return number(8) + text(ticket, 1024) + number(player)


def left(ticket):
    return number(9) + ticket


def appeared(server):
    return number(0) + server_id(server)


def fact(server, tag, value):
    return number(1) + server_id(server) + number(0) + number(tag) + value


def entered(server, player, name):
    return number(1) + server_id(server) + number(1) + number(player) + text(name, 64)


def disappeared(server):
    return number(2) + server_id(server)


class Launcher(gatehouse.Client):
    """A connection of a launcher."""

    ALPN = "gatehouse-launcher/1"
    HEARS = TO_LAUNCHER

    def pong(self, nonce):
        self.send(pong(nonce))


def make_certificate(folder):
    """A key and a certificate signed with it, in one file."""
    file = f"{folder}/launcher.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *key, "-subj", "/CN=launcher"]
    made = subprocess.run([*command, "-keyout", "-"], check=True, capture_output=True)
    with open(file, "wb") as out:
        out.write(made.stdout)
    return file


def parse(enrollment):
    """Where the login server is, its pin, and the secret."""
    address, pin, secret = enrollment.removeprefix("gatehouse-enroll:").split("/")
    host, port = gatehouse.server_address(address)
    return (host, port, "sha256:" + pin), base64.urlsafe_b64decode(secret + "=")


def strangers_are_turned_away(where, certificate):
    try:
        Launcher(*where).close()
    except Failure as failure:
        step(f"without a certificate: {failure}")
    else:
        raise Failure("a launcher without a certificate was welcomed")
    with Launcher(*where, certificate) as launcher:
        launcher.send(enroll(bytes(32)))
        goodbye = launcher.expect("Goodbye")["why"]
        if goodbye["is"] != "EnrollmentRefused":
            raise Failure(f"a wrong secret is answered by {goodbye}")
        step(f"with a wrong secret: {goodbye['is']}")


def server_of(player, listed):
    """The id that game clients know of the server with only this player in its game."""
    return next((id for id, server in listed.known.items() if server["players"] == player), None)


def speak_of_a_player(launcher, ticket):
    """The player arrives, which is taken, and so does nobody, which is not."""
    launcher.send(arrived(ticket, 7))
    launcher.send(arrived("v4.public.AAAA", 8))
    launcher.send(left(bytes(16)))
    for wanted in (None, bytes(16)):
        refused = launcher.expect("Refused")["why"]
        if (refused["is"], refused["ticket"]) != ("NotYourPlayer", wanted):
            raise Failure(f"a player without a ticket is answered by {refused}")
    step("only who has a ticket is a player of ours")


def play(launcher, client, own):
    """A player finds the server, joins, talks, and leaves. `own` is its id on our own link."""
    listed = gatehouse.Servers()
    client.send(gatehouse.watch_servers())
    while (server := server_of({7: "Grace"}, listed)) is None:
        listed.apply(client.expect("Servers"))
    if server == own:
        raise Failure("a launcher can choose the id that players know")
    step(f"a player sees the server: {listed.known[server]}")

    client.requests += 1
    client.send(gatehouse.join(client.requests, server))
    admit = launcher.expect("Admit")
    if admit["server"] != own:
        raise Failure(f"{own} was expected, and this came: {admit}")
    launcher.send(granted(admit["request"], "a secret"))
    ticket = answered(client.wait(lambda m: m.get("request") == client.requests), "Joined")
    wanted = {"server": server, "address": "127.0.0.1", "port": 3979, "secret": "a secret"}
    if not wanted.items() <= ticket.items():
        raise Failure(f"{wanted} was expected, and this came: {ticket}")
    if ticket["ticket"] != admit["ticket"]:
        raise Failure("the player and the launcher got different tickets")
    step(f"{admit['player']} joined it: {ticket['address']}, port {ticket['port']}")
    speak_of_a_player(launcher, admit["ticket"])

    client.requests += 1
    client.send(gatehouse.chat(client.requests, 1, "hello, game"))
    say = launcher.expect("Say")
    step(f"{say['speaker']} said in the game: {say['text']}")
    launcher.send(said(own, "Grace", "hello, player"))
    heard = client.wait(lambda m: m["is"] == "Said" and m["speaker"]["is"] == "InGame")
    step(f"{heard['speaker']['name']} said to the player: {heard['text']}")

    answered(client.ask(gatehouse.leave), "Left")
    step(f"the player left: {launcher.expect('Dismiss')['player']} is no longer expected")
    launcher.send(servers(False, disappeared(own)))
    while server in listed.known:
        listed.apply(client.expect("Servers"))
    step("the server is gone from the list")


def run(enrollment, name, password, certificate):
    where, secret = parse(enrollment)
    strangers_are_turned_away(where, certificate)
    with Launcher(*where, certificate) as launcher:
        launcher.send(enroll(secret))
        step(f"enrolled as {launcher.expect('Enrolled')['name']}")
        launcher.close()
    with Launcher(*where, certificate) as launcher:
        step(f"known by its key, as {launcher.expect('Enrolled')['name']}")
        server = f"{secrets.randbits(64):016x}"
        launcher.send(
            servers(
                True,
                appeared(server),
                fact(server, 0, text("A server of Python", 64)),
                fact(server, 1, text("openttd", 32)),
                fact(server, 2, number(1)),
                fact(server, 4, number(16)),
                entered(server, 7, "Grace"),
            )
        )
        launcher.send(reachable(server, ["127.0.0.1"], 3979))
        launcher.send(ping(1))
        launcher.expect("Pong")
        step("listed a server, and said where it is")
        with gatehouse.Client(*where) as client:
            answered(client.ask(gatehouse.register, name, password), "LoggedIn")
            play(launcher, client, server)
            client.close()
        launcher.close()


def main():
    parser = argparse.ArgumentParser(description="Walks through what a launcher can do.")
    parser.add_argument("enrollment", metavar="gatehouse-enroll:…")
    parser.add_argument("--name", default=f"python-{secrets.token_hex(4)}")
    parser.add_argument("--password", default=secrets.token_urlsafe(16))
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            certificate = make_certificate(folder)
            run(arguments.enrollment, arguments.name, arguments.password, certificate)
    except (Failure, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    step("all as the document says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
