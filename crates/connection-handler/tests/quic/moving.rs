//! Peers that are somewhere else than they were.

use std::time::Duration;

use connection_handler::{
    ConnectionConfig, Peer,
    testing::{DatagramImpairments, UdpRelay},
};
use tokio::time::{Instant, interval, sleep};

use crate::{Event, Server, Word, client, control};

#[actix::test]
async fn a_session_survives_a_nat_that_forgets_it_every_half_second_under_loss() {
    let mut server = Server::start(ConnectionConfig::default()).await;
    let impairments = DatagramImpairments {
        seed: 7,
        loss_percent: 5,
        duplicate_percent: 2,
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(5),
        ..Default::default()
    };
    let relay = UdpRelay::start(server.port.local_addr(), impairments).await.unwrap();
    let (client, mut heard) = client(server.connector(relay.addr())).await;
    let peer = server.side.connected().await;
    assert_eq!(server.side.word().await, control("hello"));
    let begin = peer.link().remote_addr();

    let (mut moves, mut said, mut answered) = (Vec::new(), 0, 0);
    let (mut rebind, mut talk) =
        (interval(Duration::from_millis(500)), interval(Duration::from_millis(10)));
    let until = Instant::now() + Duration::from_secs(6);
    while Instant::now() < until || answered < said {
        tokio::select! {
            _ = rebind.tick(), if Instant::now() < until => relay.rebind(),
            _ = talk.tick() => {
                // Goes on to the end, so that what was lost with the last port is sent again.
                client.send(control(said.to_string()));
                said += usize::from(Instant::now() < until);
            }
            event = server.side.next() => match event {
                Event::Word(word) => peer.send(word),
                Event::Moved(moved) => moves.push((moved.from, moved.to)),
                other => panic!("{other:?}"),
            },
            word = heard.word() => {
                if answered < said {
                    assert_eq!(word, Word::Control(answered.to_string()));
                    answered += 1;
                }
            }
        }
    }
    println!("{answered} answers, {} moves, {:?}", moves.len(), peer.link().statistics());
    assert!(moves.len() >= 6, "{moves:?}");
    assert_eq!(moves[0].0, begin);
    assert!(moves.windows(2).all(|pair| pair[0].1 == pair[1].0), "{moves:?}");
    assert_eq!(peer.link().remote_addr(), begin, "it is who it was");
    assert_eq!(Some(peer.link().current_addr()), moves.last().map(|moved| moved.1));
    let statistics = peer.link().statistics().unwrap();
    assert!(statistics.packets_lost > 0 && statistics.moves as usize == moves.len());
}

#[actix::test]
async fn a_move_of_somebody_silent_is_noticed_too() {
    let mut server = Server::start(ConnectionConfig::default()).await;
    let impairments = DatagramImpairments::default();
    let relay = UdpRelay::start(server.port.local_addr(), impairments).await.unwrap();
    let (_client, _heard) = client(server.connector(relay.addr())).await;
    let peer = server.side.connected().await;
    assert_eq!(server.side.word().await, control("hello"));
    sleep(Duration::from_millis(100)).await;
    relay.rebind();
    // Its keep-alive comes from there.
    match server.side.next().await {
        Event::Moved(moved) => assert_eq!(moved.to, peer.link().current_addr()),
        other => panic!("{other:?}"),
    }
}
