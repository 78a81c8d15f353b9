#!/usr/bin/env python3
"""A game server with a game controller in it, written from protocol/PROTOCOL.md alone.

A launcher starts it. Players connect over TCP and speak lines: `join NAME SECRET` is answered by
`welcome` or `refused`, `point` gives a point to the one team there is, `over` ends the match. It
says a line for each step, and ends with 0 when it is told to stop.
"""

import contextlib
import os
import select
import socket
import sys
import time

from gatehouse_client import (
    GOODBYE,
    MAX_CHUNK,
    Failure,
    Incomplete,
    Reader,
    frame,
    number,
    read_one_of,
    read_text,
    step,
    text,
    unit,
)

VERSION = 1
PLAYER, TEAM = 7, 0


def read_bytes(limit):
    return lambda reader: reader.take(reader.length(limit))


ANSWER = [("Value", {"value": read_bytes(16_384)}), *unit("Nothing", "NotHere", "Unavailable")]

TO_GAME = [
    (
        "Welcome",
        {"version": Reader.u16, "now": Reader.u64, "boot": Reader.id, "features": Reader.u64},
    ),
    ("Goodbye", {"why": read_one_of(GOODBYE)}),
    (
        "Start",
        {
            "title": read_text(64),
            "bind": Reader.address,
            "port": Reader.u16,
            "max_players": Reader.u16,
            "context": read_bytes(65_536),
            "map": lambda reader: reader.optional(lambda: reader.text(64)),
        },
    ),
    (
        "Expect",
        {
            "request": Reader.u32,
            "account": read_text(64),
            "secret": read_text(32),
            "within_ms": Reader.u32,
        },
    ),
    ("Dismiss", {"account": read_text(64)}),
    ("Remove", {"player": Reader.u32, "reason": read_text(128)}),
    ("Say", {"speaker": read_text(64), "text": read_text(400)}),
    ("NextMap", {"map": lambda reader: reader.optional(lambda: reader.text(64))}),
    ("PlayerData", {"request": Reader.u32, "answer": read_one_of(ANSWER)}),
    ("Stop", {"within_ms": Reader.u32}),
    ("Ping", {"nonce": Reader.u64}),
    ("Pong", {"nonce": Reader.u64}),
    ("GoOn", {"account": read_text(64), "port": Reader.u16, "secret": read_text(32)}),
]


def optional(value):
    return bytes([0]) if value is None else bytes([1]) + value


def signed(value):
    return number(2 * value if value >= 0 else -2 * value - 1)


def listed(values):
    return number(len(values)) + b"".join(values)


def hello(program):
    return number(0) + text(program, 64) + number(VERSION) + number(VERSION) + number(0)


def prove(token):
    return number(1) + text(token, 64)


def ready():
    return number(2)


def changes(fresh, *these):
    return number(3) + bytes([fresh]) + listed(these)


def expected(request):
    return number(4) + number(request)


def said(name, line):
    return number(5) + text(name, 64) + text(line, 400)


def match_ended(context, following, votable, vote_ms, results=()):
    context = number(len(context)) + context
    following = optional(None if following is None else text(following, 64))
    votable = listed([text(name, 64) for name in votable])
    return number(6) + context + following + votable + number(vote_ms) + listed(results)


def result(account, played_ms, won):
    return text(account, 64) + number(played_ms) + bytes([won])


def ask_player_data(request, account, key):
    return number(7) + number(request) + text(account, 64) + text(key, 64)


def ping(nonce):
    return number(8) + number(nonce)


def pong(nonce):
    return number(9) + number(nonce)


def mode(value):
    return number(0) + text(value, 32)


def map_is(value):
    return number(1) + text(value, 64)


def max_players(value):
    return number(2) + number(value)


def team(which, name):
    return number(3) + bytes([which]) + text(name, 32)


def score(which, value):
    return number(4) + bytes([which]) + signed(value)


def clock(left_ms, runs):
    return number(5) + optional(None if left_ms is None else number(left_ms)) + bytes([runs])


def detail(key, value):
    return number(6) + text(key, 32) + text(value, 64)


def entered(player, name, account=None):
    account = optional(None if account is None else text(account, 64))
    return number(7) + number(player) + text(name, 64) + account


def player_team(player, which):
    return number(8) + number(player) + optional(None if which is None else bytes([which]))


def player_score(player, value):
    return number(9) + number(player) + signed(value)


def left(player):
    return number(10) + number(player)


class Keeper:
    """The connection to the keeper."""

    def __init__(self):
        host, _, port = os.environ["GATEHOUSE_CONTROLLER"].rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        self.received = b""

    def send(self, message):
        self.socket.sendall(frame(message))

    def expect(self, name):
        while (message := self.next()) is None:
            self.receive()
        if message["is"] != name:
            raise Failure(f"{message} instead of {name}")
        return message

    def receive(self):
        data = self.socket.recv(65_536)
        if not data:
            raise Failure("the keeper has closed the connection")
        self.received += data

    def next(self):
        """The next message, if all of it is there."""
        message, at = b"", 0
        while at + 2 <= len(self.received):
            length = int.from_bytes(self.received[at : at + 2], "little") or MAX_CHUNK
            message, at = message + self.received[at + 2 : at + 2 + length], at + 2 + length
            if at > len(self.received):
                return None
            reader = Reader(message)
            try:
                value = reader.one_of(TO_GAME)
            except Incomplete:
                if length == MAX_CHUNK:
                    continue
                raise
            if reader.at != len(message):
                raise Failure("bytes follow a message")
            self.received = self.received[at:]
            return value
        return None


class Game:
    """One player, one team."""

    def __init__(self, keeper, start):
        self.keeper = keeper
        self.expected = {}
        self.points = 0
        self.guests = {}
        self.player = None
        family = socket.AF_INET6 if ":" in start["bind"] else socket.AF_INET
        self.listener = socket.create_server((start["bind"], start["port"]), family=family)

    def heard(self, message):
        """What the keeper wants. Whether the game goes on."""
        kind = message["is"]
        if kind == "Ping":
            self.keeper.send(pong(message["nonce"]))
        elif kind == "Expect":
            until = time.monotonic() + message["within_ms"] / 1000
            self.expected[message["account"]] = (message["secret"], until)
            self.keeper.send(expected(message["request"]))
        elif kind == "Dismiss":
            self.expected.pop(message["account"], None)
        elif kind == "Say":
            self.tell(f"said {message['speaker']} {message['text']}")
        elif kind == "Remove":
            self.tell(f"removed {message['reason']}")
            self.leaves(self.player)
        elif kind == "NextMap":
            step(f"next map: {message['map']}")
            self.keeper.send(changes(False, map_is(message["map"] or "anywhere")))
        elif kind == "Stop":
            self.tell("closing")
            return False
        return True

    def line(self, guest, words):
        if words[0] == "join" and self.player is None:
            account = self.admit(words[2])
            if account is None:
                guest.sendall(b"refused\n")
                return self.leaves(guest)
            self.player = guest
            step(f"{account} plays as {words[1]}")
            player = entered(PLAYER, words[1], account)
            self.keeper.send(changes(False, player, player_team(PLAYER, TEAM)))
            guest.sendall(b"welcome\n")
        elif words[0] == "say":
            self.keeper.send(said("Grace", " ".join(words[1:])))
        elif words[0] == "point":
            self.points += 1
            points = score(TEAM, self.points), player_score(PLAYER, self.points)
            self.keeper.send(changes(False, *points))
        elif words[0] == "over":
            self.keeper.send(match_ended(b"\x07", "quarry", ["harbour", "quarry"], 100))

    def admit(self, secret):
        for account, (known, until) in self.expected.items():
            if known == secret and time.monotonic() < until:
                del self.expected[account]
                return account
        return None

    def tell(self, line):
        if self.player is not None:
            with contextlib.suppress(ConnectionError):
                self.player.sendall(line.encode() + b"\n")

    def leaves(self, guest):
        if self.guests.pop(guest, None) is not None:
            guest.close()
        if guest is self.player:
            self.player = None
            self.keeper.send(changes(False, left(PLAYER)))

    def run(self):
        while True:
            sources = [self.keeper.socket, self.listener, *self.guests]
            for source in select.select(sources, [], [])[0]:
                if source is self.keeper.socket:
                    self.keeper.receive()
                    while (message := self.keeper.next()) is not None:
                        if not self.heard(message):
                            return
                elif source is self.listener:
                    self.guests[self.listener.accept()[0]] = b""
                elif source in self.guests:
                    data = b""
                    with contextlib.suppress(ConnectionError):
                        data = source.recv(4096)
                    *lines, rest = (self.guests[source] + data).split(b"\n")
                    self.guests[source] = rest
                    for line in lines:
                        self.line(source, line.decode().split(" "))
                    if not data:
                        self.leaves(source)


def main():
    keeper = Keeper()
    keeper.send(hello("python/1"))
    if keeper.expect("Welcome")["version"] != VERSION:
        raise Failure("another version than ours")
    keeper.send(prove(os.environ["GATEHOUSE_TOKEN"]))
    start = keeper.expect("Start")
    before = start["context"].hex() or "nothing"
    step(f"to be {start['title']!r} on port {start['port']}, after {before}")
    game = Game(keeper, start)
    everybody = team(TEAM, "All"), score(TEAM, 0)
    keeper.send(changes(True, mode("solitaire"), map_is("harbour"), *everybody, clock(None, True)))
    keeper.send(ready())
    game.run()
    step("closed")


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError) as failure:
        sys.exit(f"gatehouse_controller.py: {failure}")
