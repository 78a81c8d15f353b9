#!/usr/bin/env python3
"""A player of the sample game server, as a command for `gatehouse join`.

    arena_player.py NAME ADDRESS PORT SECRET

Joins, says hello, goes on where the game sends its players, and leaves when it is told to end.
"""

import socket
import sys


def join(name, address, port, secret):
    game = socket.create_connection((address, int(port)))
    game.sendall(f"join {name} {secret}\n".encode())
    return game.makefile("rw")


def main(name, address, port, secret):
    game = join(name, address, port, secret)
    spoken = False
    while line := game.readline():
        word, *rest = line.split()
        if word == "welcome" and not spoken:
            spoken = True
            game.write(f"say {name} is in\n")
            game.flush()
        elif word == "go":
            game = join(name, address, *rest)
        elif word in ("refused", "removed"):
            sys.exit(line.strip())


if __name__ == "__main__":
    main(*sys.argv[1:])
