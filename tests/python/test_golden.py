"""All of them understand and write the golden bytes: `python3 -m unittest` in this folder."""

import hashlib
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import gatehouse_client as client
import gatehouse_controller as controller
import gatehouse_launcher as launcher

GOLDEN = pathlib.Path(__file__).parents[2] / "protocol" / "tests" / "golden"


def golden(file):
    lines = (GOLDEN / f"{file}.txt").read_text().splitlines()
    return {name: bytes.fromhex(hex) for name, hex in (line.split(" ") for line in lines)}


class Golden(unittest.TestCase):
    def test_every_message_to_a_game_client_is_understood(self):
        lines = golden("to_game_client")
        for name, data in lines.items():
            self.assertEqual(client.decode(data)["is"], name.split(".")[0], name)
        self.assertEqual(len(client.TO_GAME_CLIENT), len({n.split(".")[0] for n in lines}))

    def test_every_value_is_understood(self):
        for file, table in {
            "goodbye": client.GOODBYE,
            "refusal": client.REFUSAL,
            "channel": client.CHANNEL,
            "speaker": client.SPEAKER,
            "server_event": client.EVENT,
            "server_change": client.CHANGE,
            "server_property": client.PROPERTY,
            "server_state": client.STATE,
        }.items():
            for name, data in golden(file).items():
                reader = client.Reader(data)
                self.assertEqual(reader.one_of(table)["is"], name.split(".")[0], f"{file} {name}")
                self.assertEqual(reader.at, len(data), f"{file} {name}")

    def test_fields_have_their_values(self):
        lines = golden("to_game_client")
        joined = client.decode(lines["Joined.ipv6"])
        self.assertEqual(joined["address"], "2001:db8::1")
        self.assertEqual((joined["port"], joined["server"]), (3979, "0123456789abcdef"))
        logged_in = client.decode(lines["LoggedIn"])
        self.assertEqual((logged_in["token"], logged_in["on_server"]), (bytes(range(32)), None))
        servers = client.Servers()
        servers.apply(client.decode(lines["Servers"]))
        servers.apply(client.decode(lines["Servers.change"]))
        server = servers.known["0123456789abcdef"]
        self.assertEqual(server["players"], {2: "Ada"})
        self.assertEqual(server["properties"]["State", None], {"is": "Unreachable"})

    def test_every_message_of_a_game_client_is_written(self):
        password = "correct horse battery"
        server = "0123456789abcdef"
        for name, data in {
            "Hello": client.hello("gatehouse/0.1.0"),
            "Register": client.register(1, "ada", password),
            "LogIn": client.log_in(2, "ada", password),
            "LogIn.unicode": client.log_in(300, "Zoë", "pässwörd"),
            "Resume": client.resume(3, bytes(range(32))),
            "Resume.goes_on": client.resume(3, bytes(range(32)), ("fedcba9876543210", 300)),
            "Ack": client.ack(64),
            "LogOut": client.log_out(4),
            "WatchServers": client.watch_servers(),
            "UnwatchServers": client.unwatch_servers(),
            "Join": client.join(5, server),
            "Leave": client.leave(6),
            "Chat": client.chat(7, 0, "hello, world"),
            "Chat.longest": client.chat(70_000, 1, "é" * 200),
            "Ping": client.ping(8),
            "Ping.four_bytes": client.ping(65_536),
            "Ping.eight_bytes": client.ping(0x0102030405060708),
            "Pong": client.pong(9),
            "LogInAsGuest": client.log_in_as_guest(11),
            "Claim": client.claim(12, "ada", password),
            "ListSessions": client.list_sessions(13),
            "ChangePassword": client.change_password(15, password, "pässwörd"),
            "GetData": client.get_data(19, "chess", "opening"),
            "SetData": client.set_data(20, "chess", "opening", b"e4", 41),
        }.items():
            self.assertEqual(data.hex(), golden("from_game_client")[name].hex(), name)

    def test_every_message_to_a_launcher_is_understood(self):
        lines = golden("to_launcher")
        for name, data in lines.items():
            self.assertEqual(client.decode(data, launcher.TO_LAUNCHER)["is"], name)
        self.assertEqual(len(launcher.TO_LAUNCHER), len(lines))

    def test_messages_of_a_launcher_are_written(self):
        server = "0123456789abcdef"
        for name, data in {
            "Enroll": launcher.enroll(bytes([0xA5]) * 32),
            "Servers": launcher.servers(
                True,
                launcher.appeared(server),
                launcher.fact(server, 0, client.text("A friendly server", 64)),
                launcher.fact(server, 1, client.text("openttd", 32)),
                launcher.fact(server, 2, client.number(1)),
                launcher.entered(server, 2, "Ada"),
            ),
            "Reachable": launcher.reachable(server, [], 3979),
            "Admitted": launcher.granted(5, "k3jyt8wq2zbvx5rmpa7e"),
            "Said": launcher.said(server, "Player", "all aboard"),
            "Ping": launcher.ping(11),
            "Pong": launcher.pong(12),
            "Arrived": launcher.arrived("v4.public.eyJqdGkiOiIi", 2),
            "Left": launcher.left(bytes(range(16))),
        }.items():
            self.assertEqual(data.hex(), golden("from_launcher")[name].hex(), name)

    def test_chunks(self):
        lines = golden("chunks")
        for name in ("WatchServers", "Hello"):
            message = golden("from_game_client")[name]
            self.assertEqual(client.frame(message), lines[f"65535.{name}"], name)
        full = bytes(client.MAX_CHUNK)
        self.assertEqual(client.frame(full), b"\0\0" + full)
        self.assertEqual(client.frame(full + b"x"), b"\0\0" + full + b"\1\0x")

    def test_what_is_broken_is_refused(self):
        for data in (b"\xfe", b"\x0b", b"\x04\xfd" + bytes(8), b"\x05\x02\x00", b"\x04\x01\x00"):
            self.assertRaises(client.Failure, client.decode, data)
        whole = golden("to_game_client")["Servers"]
        for length in range(len(whole)):
            self.assertRaises(client.Incomplete, client.decode, whole[:length])


class Controller(unittest.TestCase):
    """The messages of game servers with a game controller in them."""

    def test_every_message_to_a_game_is_understood(self):
        lines = golden("to_game_controller")
        for name, data in lines.items():
            reader = client.Reader(data)
            self.assertEqual(reader.one_of(controller.TO_GAME)["is"], name.split(".")[0], name)
            self.assertEqual(reader.at, len(data), name)
        self.assertEqual(len(controller.TO_GAME), len({n.split(".")[0] for n in lines}))
        start = client.Reader(lines["Start"]).one_of(controller.TO_GAME)
        self.assertEqual((start["bind"], start["port"]), ("127.0.0.1", 7777))
        self.assertEqual((start["map"], start["context"]), ("quarry", b"round 7"))
        for name, data in golden("player_data_answer").items():
            self.assertEqual(client.Reader(data).one_of(controller.ANSWER)["is"], name)

    def test_every_message_of_a_game_is_written(self):
        harbour, red = controller.map_is("harbour"), controller.team(0, "Red")
        ada, least = controller.entered(2, "Ada", "ada"), controller.score(0, -1)
        result = controller.result("ada", 90_000, True)
        self.check("from_game_controller", {
            "Hello": controller.hello("arena/0.1.0"),
            "Prove": controller.prove("Gk2vR7pXq9LmT4sZ"),
            "Ready": controller.ready(),
            "Changes": controller.changes(True, harbour, red, ada, least),
            "Expected": controller.expected(5),
            "Said": controller.said("Ada", "well played"),
            "MatchEnded": controller.match_ended(
                b"round 7", "quarry", ["harbour", "quarry"], 15_000, [result]
            ),
            "MatchEnded.unknown": controller.match_ended(b"", None, [], 0),
            "AskPlayerData": controller.ask_player_data(1, "ada", "loadout/medium/2"),
            "Ping": controller.ping(13),
            "Pong": controller.pong(14),
        })
        self.check("game_change", {
            "Mode": controller.mode("capture the flag"),
            "Map": harbour,
            "MaxPlayers": controller.max_players(8),
            "Team": red,
            "Team.last": controller.team(255, ""),
            "Score": controller.score(0, 3),
            "Score.negative": controller.score(0, -3),
            "Score.least": controller.score(0, -(2**31)),
            "Score.most": controller.score(0, 2**31 - 1),
            "Clock": controller.clock(90_000, True),
            "Clock.endless": controller.clock(None, False),
            "Detail": controller.detail("weather", "fog"),
            "PlayerEntered": ada,
            "PlayerEntered.bot": controller.entered(2, "Bot 1"),
            "PlayerTeam": controller.player_team(2, 0),
            "PlayerTeam.none": controller.player_team(2, None),
            "PlayerScore": controller.player_score(2, 12),
            "PlayerLeft": controller.left(2),
        })

    def check(self, file, written):
        lines = golden(file)
        for name, data in written.items():
            self.assertEqual(data.hex(), lines[name].hex(), name)
        self.assertEqual(lines.keys(), written.keys())


class Pin(unittest.TestCase):
    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates")
    def test_the_pin_is_what_openssl_says(self):
        for key in ("ec:prime256v1", "rsa:2048", "ed25519"):
            with self.subTest(key), tempfile.TemporaryDirectory() as folder:
                self.check(key, pathlib.Path(folder))

    def check(self, key, folder):
        kind, _, curve = key.partition(":")
        new = ["-newkey", key if kind == "rsa" else kind]
        new += ["-pkeyopt", f"ec_paramgen_curve:{curve}"] if kind == "ec" else []

        def openssl(*arguments, **more):
            command = ["openssl", *arguments]
            return subprocess.run(
                command, check=True, capture_output=True, cwd=folder, **more
            ).stdout

        openssl("req", "-x509", *new, "-nodes", "-subj", "/CN=x", "-keyout", "k", "-out", "c")
        public = openssl("x509", "-in", "c", "-noout", "-pubkey")
        spki = openssl("pkey", "-pubin", "-outform", "DER", input=public)
        certificate = openssl("x509", "-in", "c", "-outform", "DER")
        self.assertEqual(client.pin_of(certificate), "sha256:" + hashlib.sha256(spki).hexdigest())
        for length in range(0, len(certificate), 7):
            self.assertRaises(client.Failure, client.pin_of, certificate[:length])


if __name__ == "__main__":
    unittest.main()
