//! Peers that say more than they may. Time stands still while anything happens.

use std::time::Duration;

use connection_handler::{
    ConnectionConfig, DisconnectReason, Peer, Rate, RateLimit, RateUnit, SharedRate, WhenExceeded,
};
use framing::chunks::ChunkSize;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, pause, timeout},
};

use crate::seats::{Pipe, Setup, Test, framed};

const SECOND: Duration = Duration::from_secs(1);
const TEN: Rate = Rate { per_second: 10, burst: 10 };

fn ten_messages() -> RateLimit {
    RateLimit { messages: Some(TEN), bytes: None }
}

fn test(config: ConnectionConfig) -> Test<0> {
    pause();
    Test::new(64 * 1024, config, [])
}

#[actix::test]
async fn who_says_too_much_waits_and_loses_nothing() {
    let config =
        ConnectionConfig { incoming_rate: ten_messages(), max_batch: 5, ..Default::default() };
    let mut test = test(config);
    let (mut pipe, _peer) = test.connect().await;
    let begun = Instant::now();
    say(&mut pipe, 50, "hello.").await;
    for _ in 0..50 {
        assert_eq!(test.message().await, "hello.");
    }
    // The last batch comes when those before it are within the limit.
    took(begun, SECOND * 7 / 2);
}

#[actix::test]
async fn a_message_costs_what_it_says() {
    let config =
        ConnectionConfig { incoming_rate: ten_messages(), max_batch: 1, ..Default::default() };
    let mut test = test(config);
    let (mut pipe, _peer) = test.connect().await;
    let begun = Instant::now();
    say(&mut pipe, 5, "dear.").await;
    for _ in 0..5 {
        test.message().await;
    }
    took(begun, SECOND * 3);
}

#[actix::test]
async fn bytes_have_a_limit_of_their_own() {
    let bytes = Some(Rate { per_second: 1000, burst: 1000 });
    let config = ConnectionConfig {
        incoming_rate: RateLimit { messages: None, bytes },
        read_budget: 100,
        ..Default::default()
    };
    let mut test = test(config);
    let (mut pipe, _peer) = test.connect().await;
    let begun = Instant::now();
    let text = format!("{}.", "x".repeat(97));
    say(&mut pipe, 50, &text).await;
    for _ in 0..50 {
        assert_eq!(test.message().await, text);
    }
    took(begun, SECOND * 39 / 10);
}

#[actix::test]
async fn who_may_not_say_more_is_disconnected_after_what_was_allowed() {
    let config = ConnectionConfig {
        incoming_rate: ten_messages(),
        when_exceeded: WhenExceeded::Disconnect,
        ..Default::default()
    };
    let mut test = test(config);
    let (mut pipe, _peer) = test.connect().await;
    say(&mut pipe, 15, "hello.").await;
    for _ in 0..10 {
        test.message().await;
    }
    match test.end().await {
        DisconnectReason::RateExceeded(exceeded) => {
            assert_eq!((exceeded.unit, exceeded.shared), (RateUnit::Messages, false));
        }
        reason => panic!("{reason}"),
    }
}

#[actix::test]
async fn connections_with_a_shared_rate_have_it_together() {
    pause();
    let shared = SharedRate::new(ten_messages());
    let setups = [0, 1].map(|_| Setup { rate: Some(shared.clone()), ..Setup::default() });
    let config = ConnectionConfig { max_batch: 1, ..Default::default() };
    let mut test = Test::<0>::new(64 * 1024, config, setups);
    let (mut one, _one) = test.connect().await;
    let (mut other, _other) = test.connect().await;
    let (mut free, _free) = test.connect().await;
    let begun = Instant::now();
    say(&mut free, 100, "free.").await;
    for _ in 0..100 {
        assert_eq!(test.message().await, "free.");
    }
    took(begun, Duration::ZERO);
    say(&mut one, 20, "hello.").await;
    say(&mut other, 20, "hello.").await;
    for _ in 0..40 {
        test.message().await;
    }
    took(begun, SECOND * 29 / 10);
}

#[actix::test]
async fn a_rate_may_be_shared_later() {
    let mut test = test(ConnectionConfig { max_batch: 1, ..Default::default() });
    let (mut pipe, peer) = test.connect().await;
    say(&mut pipe, 30, "hello.").await;
    for _ in 0..30 {
        test.message().await;
    }
    peer.link().share_rate(&SharedRate::new(ten_messages()));
    let begun = Instant::now();
    say(&mut pipe, 21, "hello.").await;
    for _ in 0..21 {
        test.message().await;
    }
    took(begun, SECOND);
}

#[actix::test]
async fn waiting_is_not_silence_of_who_has_to() {
    ends_after_waiting(b"", "idle", SECOND / 2).await;
}

#[actix::test]
async fn waiting_is_not_held_against_who_has_to() {
    ends_after_waiting(b"\x06\0hel", "message_timeout", SECOND / 4).await;
}

/// Says so much that nothing is read for a second, and then nothing but `rest`.
async fn ends_after_waiting(rest: &[u8], reason: &str, patience: Duration) {
    let messages = Some(Rate { per_second: 4, burst: 1 });
    let mut test = test(ConnectionConfig {
        incoming_rate: RateLimit { messages, bytes: None },
        idle_timeout: Some(SECOND / 2),
        message_timeout: SECOND / 4,
        ..Default::default()
    });
    let (mut pipe, _peer) = test.connect().await;
    let wire = framed("hello.", ChunkSize::MAX).repeat(5);
    pipe.write.write_all(&[&wire, rest].concat()).await.unwrap();
    for _ in 0..5 {
        test.message().await;
    }
    let begun = Instant::now();
    assert_eq!(test.end().await.label(), reason);
    took(begun, SECOND + patience);
}

#[actix::test]
async fn waiting_does_not_hold_up_the_end() {
    let incoming_rate = RateLimit { messages: Some(Rate { per_second: 1, burst: 1 }), bytes: None };
    let mut test = test(ConnectionConfig { incoming_rate, ..Default::default() });
    let (mut pipe, peer) = test.connect().await;
    say(&mut pipe, 100, "dear.").await;
    for _ in 0..100 {
        test.message().await;
    }
    peer.disconnect("enough");
    let end = timeout(SECOND * 2, test.end()).await.unwrap();
    assert_eq!(end.to_string(), "enough");
}

async fn say(pipe: &mut Pipe, times: usize, text: &str) {
    let wire = framed(text, ChunkSize::MAX).repeat(times);
    pipe.write.write_all(&wire).await.unwrap();
}

/// Since then it must be about `time`.
fn took(begun: Instant, time: Duration) {
    let error = begun.elapsed().abs_diff(time);
    assert!(error <= Duration::from_millis(100), "{:?} instead of {time:?}", begun.elapsed());
}
