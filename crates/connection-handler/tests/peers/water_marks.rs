//! What the central actor hears of a peer that is slow.

use std::time::Duration;

use connection_handler::{ConnectionConfig, Peer};
use tokio::io::AsyncReadExt;

use crate::seats::{Event, Player, Test};

const HIGH: usize = 1000;
const LOW: usize = 200;
/// On the wire.
const MESSAGE: usize = 102;
const PIPE: usize = 64;

#[actix::test]
async fn each_crossing_is_heard_once_and_in_turn() {
    let config = ConnectionConfig { high_water: HIGH, low_water: LOW, ..Default::default() };
    let mut test = Test::<0>::new(PIPE, config, []);
    let (mut pipe, peer) = test.connect().await;
    for _ in 0..3 {
        say(&peer, HIGH / MESSAGE);
        settle().await;
        assert!(!peer.is_congested(), "{} bytes", peer.queued_bytes());
        say(&peer, 2);
        assert!(peer.is_congested());
        expect(&mut test, "congested").await;
        say(&peer, 20);

        // Up to just above the low mark nothing changes.
        let mut owed = (HIGH / MESSAGE + 22) * MESSAGE;
        while owed > LOW + PIPE + 1 {
            owed -= pipe.read.read(&mut vec![0; (owed - LOW - PIPE - 1).min(16)]).await.unwrap();
        }
        settle().await;
        assert!(peer.is_congested(), "{} bytes", peer.queued_bytes());
        pipe.read.read_exact(&mut vec![0; owed]).await.unwrap();
        expect(&mut test, "writable").await;
        assert_eq!((peer.is_congested(), peer.queued_bytes()), (false, 0));
    }
    say(&peer, 20);
    drop(peer);
    expect(&mut test, "disconnected").await;
}

#[actix::test]
async fn a_mark_above_the_limit_is_never_reached() {
    let config = ConnectionConfig {
        outgoing_bytes: HIGH,
        high_water: 2 * HIGH,
        close_timeout: Duration::from_millis(20),
        ..Default::default()
    };
    let mut test = Test::<0>::new(PIPE, config, []);
    let (_pipe, peer) = test.connect().await;
    say(&peer, 20);
    expect(&mut test, "disconnected").await;
}

fn say(peer: &Player, times: usize) {
    (0..times).for_each(|_| peer.send(format!("{}.", "x".repeat(99))));
}

/// Lets everything happen that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn expect(test: &mut Test<0>, name: &str) {
    let event: Event<0> = test.next().await;
    assert_eq!(event.name(), name);
}
