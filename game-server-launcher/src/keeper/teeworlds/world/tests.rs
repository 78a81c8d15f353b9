use super::*;

/// A world whose console is open, and which has told all there is.
fn open() -> World {
    let mut world = World::default();
    assert_eq!(world.connected("console"), []);
    assert_eq!(hears(&mut world, FromTeeworlds::PasswordWanted), (vec![], lines(&["console"])));
    let asked = lines(&["sv_map", "status", "echo gatehouse-1"]);
    assert_eq!(hears(&mut world, FromTeeworlds::Authenticated), (vec![], asked));
    let map = GameEvent::Change(ServerChange::Property(ServerProperty::Map(Text::lossy("dm1"))));
    assert_eq!(hears(&mut world, value("dm1")).0, [map]);
    assert_eq!(hears(&mut world, echo(1)).0, [GameEvent::Ready]);
    world
}

fn hears(world: &mut World, message: FromTeeworlds) -> (Vec<GameEvent>, Vec<ToTeeworlds>) {
    let Meaning { events, replies } = world.heard(message, Instant::now());
    (events, replies)
}

fn lines(lines: &[&str]) -> Vec<ToTeeworlds> {
    lines.iter().map(|line| ToTeeworlds((*line).to_owned())).collect()
}

fn value(value: &str) -> FromTeeworlds {
    FromTeeworlds::Value(value.to_owned())
}

fn echo(number: u64) -> FromTeeworlds {
    FromTeeworlds::Echo(format!("{ECHO}{number}"))
}

fn joins(client: u32, name: &str) -> FromTeeworlds {
    FromTeeworlds::TeamJoin { client, name: name.to_owned() }
}

fn status(client: u32, name: &str, score: i32) -> FromTeeworlds {
    FromTeeworlds::Status { client, name: name.to_owned(), score }
}

fn entered(client: u32, name: &str) -> GameEvent {
    let (player, name) = (GamePlayerId(client), Text::lossy(name));
    GameEvent::Change(ServerChange::PlayerEntered { player, name })
}

fn left(client: u32) -> GameEvent {
    GameEvent::Change(ServerChange::PlayerLeft { player: GamePlayerId(client) })
}

#[test]
fn a_player_enters_speaks_and_leaves_once() {
    let mut world = open();
    assert_eq!(hears(&mut world, joins(3, "a: b")).0, [entered(3, "a: b")]);
    assert_eq!(hears(&mut world, joins(3, "a: b")).0, [], "only another side");
    let chat = |line: &str| FromTeeworlds::Chat { client: 3, line: line.to_owned() };
    let said = GameEvent::Said { name: Text::lossy("a: b"), text: Text::lossy("hi: you") };
    assert_eq!(hears(&mut world, chat("a: b: hi: you")).0, [said]);
    assert_eq!(hears(&mut world, chat("somebody else: hi")).0, []);
    assert_eq!(world.player_count(), 1);
    assert_eq!(hears(&mut world, FromTeeworlds::Dropped { client: 3 }).0, [left(3)]);
    assert_eq!(hears(&mut world, FromTeeworlds::Leave { client: 3 }).0, []);
    assert_eq!(hears(&mut world, FromTeeworlds::Dropped { client: 9 }).0, []);
}

#[test]
fn a_census_finds_who_came_and_went_unseen_and_who_leads() {
    let mut world = open();
    hears(&mut world, joins(0, "gone"));
    assert_eq!(world.ping(), lines(&["sv_map", "status", "echo gatehouse-2"]));
    hears(&mut world, value("dm1"));
    assert_eq!(hears(&mut world, status(1, "ann", 5)).0, [entered(1, "ann")]);
    assert_eq!(hears(&mut world, status(2, "bob", 7)).0, [entered(2, "bob")]);
    let leader =
        ServerProperty::Detail { key: Text::lossy("leader"), value: Text::lossy("bob: 7") };
    let leader = GameEvent::Change(ServerChange::Property(leader));
    assert_eq!(hears(&mut world, echo(2)).0, [left(0), leader, GameEvent::Alive]);
    assert_eq!(hears(&mut world, echo(2)).0, [], "only once");
}

#[test]
fn a_secret_counts_once_the_game_shows_it() {
    let mut world = open();
    let secret = JoinSecret(Text::lossy("s3cret"));
    assert_eq!(world.set_secret(&secret), lines(&["password s3cret", "password"]));
    assert_eq!(hears(&mut world, value("s3cret")).0, [GameEvent::SecretSet(secret.clone())]);
    world.set_secret(&secret);
    assert_eq!(hears(&mut world, value("another")).0, []);
    world.set_secret(&secret);
    world.ping();
    // The answer to the second question has been lost: the end of the census ends that too.
    hears(&mut world, echo(2));
    assert_eq!(hears(&mut world, value("s3cret")).0, []);
}

#[test]
fn what_is_said_is_one_argument() {
    let mut world = open();
    let said = world.say("bob", "\"; shutdown; \\");
    assert_eq!(said, lines(&["say \"bob: '; shutdown; /\""]));
    assert_eq!(world.kick(GamePlayerId(3), "a;b"), lines(&["kick 3 \"a;b\""]));
}

#[test]
fn a_game_that_does_not_answer_is_asked_so_often_and_no_more() {
    let mut world = open();
    let asked = (0..1000).filter(|_| !world.ping().is_empty()).count();
    assert_eq!(asked, MAX_QUESTIONS / 2);
    assert_eq!(world.say("bob", "hello"), []);
    assert_eq!(world.left_out(Instant::now()), Some(1000 - asked as u64 + 1));
    world.connected("console");
    assert_eq!(world.say("bob", "hello"), [], "not before the password");
    hears(&mut world, FromTeeworlds::Authenticated);
    assert_eq!(world.say("bob", "hello").len(), 1);
}
