//! Who is sent which bytes, and how often they are made.

use connection_handler::{Broadcast, ConnectionConfig, Peer};
use framing::chunks::ChunkSize;
use tokio::io::AsyncReadExt;

use crate::seats::{Class, Pipe, Player, Setup, Spectator, Test, framed};

#[actix::test]
async fn a_message_is_encoded_once_for_each_class() {
    let setup = |version, class| Setup { version, class, ..Setup::default() };
    let mut test = players([
        setup(1, Class::Right),
        setup(2, Class::Right),
        setup(1, Class::Right),
        setup(2, Class::Right),
        setup(1, Class::None),
        setup(1, Class::OfAnotherWriter),
        setup(1, Class::OfAnotherWriter),
    ]);
    let (pipes, players) = connect(&mut test, 7).await;
    Peer::send_to_all(&players, "hello.".into());
    assert_eq!(test.encoded(), 5, "two classes, and three that cannot share");
    Peer::send_to_all(&players[..0], "nobody.".into());
    assert_eq!(test.encoded(), 5);
    for mut pipe in pipes {
        hears(&mut pipe, &framed("hello.", ChunkSize::MAX)).await;
    }
}

#[actix::test]
async fn who_does_not_know_a_message_is_left_out() {
    let setup = |version, class| Setup { version, class, ..Setup::default() };
    let mut test = players([setup(1, Class::Right), setup(2, Class::Right), setup(1, Class::None)]);
    let (mut pipes, players) = connect(&mut test, 3).await;
    Peer::send_to_all(&players, "what?.".into());
    players.iter().for_each(|player| player.send("who?.".into()));
    Peer::send_to_all(&players, "well.".into());

    let well = framed("well.", ChunkSize::MAX);
    let [what, who] = ["what?.", "who?."].map(|text| framed(text, ChunkSize::MAX));
    hears(&mut pipes[0], &well).await;
    hears(&mut pipes[1], &[what, who, well.clone()].concat()).await;
    hears(&mut pipes[2], &well).await;
}

#[actix::test]
async fn several_messages_reach_everybody_in_order() {
    let mut test = players([]);
    let (mut pipes, players) = connect(&mut test, 3).await;
    players[1].send("before.".into());
    let said = test.encoded();
    Peer::send_each_to_all(&players, ["one.", "two.", "three."].map(String::from));
    assert_eq!(test.encoded() - said, 3, "once each");
    Peer::send_each_to_all(&players, []);
    let all = ["one.", "two.", "three."].map(|text| framed(text, ChunkSize::MAX)).concat();
    hears(&mut pipes[0], &all).await;
    hears(&mut pipes[1], &[framed("before.", ChunkSize::MAX), all.clone()].concat()).await;
    hears(&mut pipes[2], &all).await;
}

#[actix::test]
async fn chunks_are_cut_as_each_peer_wants_them() {
    let sizes = [3, 4, 5, 65_535].map(|size| ChunkSize::new(size).unwrap());
    for first in 0..sizes.len() {
        let sizes = [&sizes[first..], &sizes[..first]].concat();
        let setups = sizes.iter().map(|&chunks| Setup { chunks, ..Setup::default() });
        let mut test = players(setups);
        let (mut pipes, players) = connect(&mut test, sizes.len()).await;
        for length in 1..30 {
            let text = format!("{}.", "x".repeat(length - 1));
            Peer::send_to_all(&players, text.clone());
            assert_eq!(test.encoded(), length, "once each");
            for (pipe, size) in pipes.iter_mut().zip(&sizes) {
                hears(pipe, &framed(&text, *size)).await;
            }
        }
    }
}

#[actix::test]
async fn a_new_version_is_another_class() {
    let mut test = players([]);
    let (mut pipes, players) = connect(&mut test, 2).await;
    let class = players[1].link().encoding_class().unwrap();
    players[1].link().set_encoding_class(class.with_version(2));
    Peer::send_to_all(&players, "hello.".into());
    assert_eq!(test.encoded(), 2);
    for pipe in &mut pipes {
        hears(pipe, &framed("hello.", ChunkSize::MAX)).await;
    }
}

#[actix::test]
async fn kinds_that_hear_the_same_share_it() {
    let mut players: Test<0> = players([]);
    let mut spectators: Test<1> = Test::new(1024, ConnectionConfig::default(), []);
    let (mut pipe, player): (_, Player) = players.connect().await;
    let (mut other, spectator): (_, Spectator) = spectators.connect().await;
    Broadcast::new("hello.".to_owned()).to([&player]).to([&spectator]);
    assert_eq!((players.encoded(), spectators.encoded()), (1, 0));
    hears(&mut pipe, &framed("hello.", ChunkSize::MAX)).await;
    hears(&mut other, &framed("hello.", ChunkSize::MAX)).await;
}

#[actix::test]
async fn a_message_that_cannot_be_encoded_ends_who_it_was_for() {
    let mut test = players([]);
    let (_pipes, players) = connect(&mut test, 2).await;
    Peer::send_to_all(&players, String::new());
    for _ in 0..2 {
        assert_eq!(test.end().await.label(), "bug");
    }
}

fn players(setups: impl IntoIterator<Item = Setup>) -> Test<0> {
    Test::new(1024, ConnectionConfig::default(), setups)
}

async fn connect(test: &mut Test<0>, count: usize) -> (Vec<Pipe>, Vec<Player>) {
    let (mut pipes, mut players) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (pipe, player) = test.connect().await;
        pipes.push(pipe);
        players.push(player);
    }
    (pipes, players)
}

async fn hears(pipe: &mut Pipe, wire: &[u8]) {
    let mut heard = vec![0; wire.len()];
    pipe.read.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, wire);
}
