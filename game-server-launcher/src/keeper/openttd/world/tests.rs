//! What happened in a game, and what the keeper makes of it.

use super::*;

fn ready() -> World {
    let mut world = World::default();
    world.connected("password");
    let heard = world.heard(welcome(1), Instant::now());
    assert!(heard.events.contains(&GameEvent::Ready));
    let Some(ToOpenttd::Ping(nonce)) = heard.replies.last() else { panic!("{heard:?}") };
    world.heard(FromOpenttd::Pong(*nonce), Instant::now());
    world
}

fn welcome(seed: u32) -> FromOpenttd {
    FromOpenttd::Welcome(Welcome {
        name: "a server".into(),
        revision: "13.0".into(),
        seed,
        landscape: 0,
        width: 128,
        height: 256,
    })
}

fn info(client: u32, name: &str, company: u8) -> FromOpenttd {
    FromOpenttd::ClientInfo { client, name: name.into(), company }
}

fn chat(action: u8, destination: u8, client: u32) -> FromOpenttd {
    FromOpenttd::Chat { action, destination, client, text: "hi".into() }
}

fn came(client: u32, name: &str) -> GameEvent {
    entered(client, Text::lossy(name))
}

fn went(client: u32) -> GameEvent {
    GameEvent::Change(ServerChange::PlayerLeft { player: GamePlayerId(client) })
}

#[track_caller]
fn check(
    world: &mut World,
    messages: impl IntoIterator<Item = FromOpenttd>,
    expected: &[GameEvent],
) {
    let now = Instant::now();
    let heard = messages.into_iter().flat_map(|message| world.heard(message, now).events);
    assert_eq!(heard.collect::<Vec<_>>(), expected);
}

#[test]
fn the_map_is_told() {
    let mut world = World::default();
    world.connected("password");
    let map = ServerProperty::Map(Text::lossy("128x256 temperate, seed 12345"));
    let map = GameEvent::Change(ServerChange::Property(map));
    check(&mut world, [welcome(12345)], &[map, GameEvent::Ready]);
}

#[test]
fn a_client_is_in_the_game_once_it_has_joined() {
    let mut world = ready();
    check(&mut world, [info(3, "ann", 255)], &[]);
    check(&mut world, [FromOpenttd::ClientJoin(3)], &[came(3, "ann")]);
    assert_eq!(world.player_count(), 1);
}

#[test]
fn a_player_leaves_once_however_often_it_is_told() {
    let mut world = ready();
    check(&mut world, [info(3, "ann", 255), FromOpenttd::ClientJoin(3)], &[came(3, "ann")]);
    check(&mut world, [FromOpenttd::ClientQuit(3), FromOpenttd::ClientError(3)], &[went(3)]);
    check(&mut world, [FromOpenttd::ClientError(9)], &[]);
}

#[test]
fn a_new_name_is_told() {
    let mut world = ready();
    check(&mut world, [info(3, "ann", 255), FromOpenttd::ClientJoin(3)], &[came(3, "ann")]);
    let update = |name: &str| FromOpenttd::ClientUpdate { client: 3, name: name.into() };
    check(&mut world, [update("ann"), update("bob"), update("bob")], &[came(3, "bob")]);
}

#[test]
fn only_what_players_say_to_all_is_told() {
    let mut world = ready();
    check(&mut world, [info(3, "ann", 255), FromOpenttd::ClientJoin(3)], &[came(3, "ann")]);
    let said = GameEvent::Said { name: Text::lossy("ann"), text: Text::lossy("hi") };
    check(&mut world, [chat(3, 0, 3)], &[said]);
    check(&mut world, [chat(3, 1, 3), chat(10, 0, 3), chat(3, 0, SERVER), chat(3, 0, 8)], &[]);
}

#[test]
fn a_new_map_throws_everybody_out_and_is_no_second_start() {
    let mut world = ready();
    check(&mut world, [info(3, "ann", 0), FromOpenttd::ClientJoin(3)], &[came(3, "ann")]);
    let left = GameEvent::Change(ServerChange::AllPlayersLeft);
    check(&mut world, [FromOpenttd::NewGame, FromOpenttd::ClientError(3)], &[left]);
    let map = ServerProperty::Map(Text::lossy("128x256 temperate, seed 777"));
    check(&mut world, [welcome(777)], &[GameEvent::Change(ServerChange::Property(map))]);
}

#[test]
fn the_date_is_told_at_most_every_few_seconds() {
    let (mut world, now) = (ready(), Instant::now());
    let value = Text::lossy("1950-01-01");
    let date = ServerProperty::Detail { key: Text::lossy("date"), value };
    let date = GameEvent::Change(ServerChange::Property(date));
    let heard = world.heard(FromOpenttd::Date(712_223), now);
    assert_eq!(heard.events, [GameEvent::Alive, date]);
    let soon = now + Duration::from_secs(4);
    assert_eq!(world.heard(FromOpenttd::Date(712_225), soon).events, [GameEvent::Alive]);
    let later = now + Duration::from_secs(5);
    assert_eq!(world.heard(FromOpenttd::Date(712_226), later).events.len(), 2);
}

#[test]
fn a_secret_is_set_when_the_game_shows_it() {
    let mut world = ready();
    let secret = JoinSecret(Text::lossy("abc"));
    let commands = world.set_secret(&secret);
    let lines = ["server_pw abc", "setting server_password"];
    assert_eq!(commands, lines.map(|line| ToOpenttd::Rcon(line.into())));
    let end = |line: &str| FromOpenttd::RconEnd(line.into());
    check(&mut world, [end(lines[0])], &[]);
    let shown = "Current value for 'network.server_password' is 'abc'.";
    check(&mut world, [FromOpenttd::Rcon(shown.into())], &[]);
    check(&mut world, [end(lines[1])], &[GameEvent::SecretSet(secret)]);
}

#[test]
fn a_secret_that_the_game_does_not_show_is_not_set() {
    let mut world = ready();
    world.set_secret(&JoinSecret(Text::lossy("abc")));
    let shown = "Current value for 'network.server_password' is 'abcd'.";
    let end = || FromOpenttd::RconEnd("any".into());
    check(&mut world, [end(), FromOpenttd::Rcon(shown.into()), end()], &[]);
}

#[test]
fn a_reason_cannot_become_a_command() {
    let mut world = ready();
    let commands = world.kick(GamePlayerId(3), "go\" \\away");
    assert_eq!(commands, [ToOpenttd::Rcon("kick 3 \"go' /away\"".into())]);
}

#[test]
fn commands_without_answers_are_bounded() {
    let mut world = ready();
    for _ in 0..MAX_COMMANDS {
        assert_eq!(world.kick(GamePlayerId(3), "").len(), 1);
    }
    let now = Instant::now();
    assert_eq!(world.left_out(now), None);
    for (seconds, told) in [(0, Some(5)), (0, None), (1, Some(10)), (9, Some(5))] {
        (0..5).for_each(|_| assert_eq!(world.kick(GamePlayerId(3), ""), []));
        assert_eq!(world.left_out(now + Duration::from_secs(seconds)), told, "after {seconds} s");
    }
}

#[test]
fn after_a_lost_connection_who_is_in_is_counted_again() {
    let mut world = ready();
    check(&mut world, [info(3, "ann", 0), FromOpenttd::ClientJoin(3)], &[came(3, "ann")]);
    check(&mut world, [info(4, "bob", 0), FromOpenttd::ClientJoin(4)], &[came(4, "bob")]);
    world.connected("password");
    let heard = world.heard(welcome(1), Instant::now());
    assert!(heard.events.contains(&GameEvent::Ready));
    let Some(ToOpenttd::Ping(nonce)) = heard.replies.last() else { panic!("{heard:?}") };
    check(&mut world, [info(SERVER, "server", 255), info(4, "bob", 0)], &[]);
    check(&mut world, [info(5, "cid", 1), info(6, "prompt", 255)], &[came(5, "cid")]);
    check(&mut world, [FromOpenttd::Pong(*nonce)], &[GameEvent::Alive, went(3)]);
}
