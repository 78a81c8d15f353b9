//! Accounts, from outside: what was acknowledged stays, and what is wrong is refused.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use protocol::Refusal;
use tests::World;
use tokio::{sync::Mutex, task::JoinSet, time::timeout};

use crate::raw::{RawClient, address_of};

#[test]
fn a_wrong_password_and_an_unknown_name_get_the_same_answer() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    let ann = world.player(&server, "ann")?;
    ann.register(&world)?;
    let wrong = tests::Player { password: "not hers at all".into(), ..ann.clone() };
    let unknown = world.player(&server, "nobody")?;
    let mut answers = Vec::new();
    for player in [wrong, unknown] {
        let arguments = ["login", &player.name, "--password-stdin"];
        let (status, events) = player.try_run(&world, &arguments, Some(&player.password))?;
        assert_eq!(status.code(), Some(1));
        let refused = events.iter().find(|event| event.kind() == "refused").cloned();
        assert_eq!(refused.as_ref().map(|e| e.text("reason")), Some("wrong_name_or_password"));
        answers.push(refused);
    }
    assert_eq!(answers[0], answers[1]);
    ann.log_in(&world)?;
    Ok(())
}

#[test]
fn a_name_is_taken_once() -> Result<()> {
    let world = World::new()?;
    let server = world.login_server()?;
    world.player(&server, "ann")?.register(&world)?;
    let second = world.player(&server, "ann")?.elsewhere(&world, "second")?;
    let arguments = ["register", "ann", "--password-stdin"];
    let (status, events) = second.try_run(&world, &arguments, Some("another password"))?;
    assert_eq!(status.code(), Some(1));
    let refused = events.iter().find(|event| event.kind() == "refused");
    assert_eq!(refused.map(|event| event.text("reason")), Some("name_taken"), "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_account_outlives_kill_9() -> Result<()> {
    let world = World::new()?;
    let mut server = world.login_server()?;
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    for round in 0..ROUNDS {
        let mut registering = JoinSet::new();
        for worker in 0..WORKERS {
            let (address, acknowledged) = (server.address, Arc::clone(&acknowledged));
            registering.spawn(async move {
                // Each from a network of its own: how many one network may make is limited.
                for number in 0.. {
                    let name = format!("r{round}w{worker}n{number}");
                    let from = address_of((round * WORKERS + worker) * 64 + number % 64);
                    let mut client = RawClient::greeted(address, from).await?;
                    client.register(&name, &format!("password of {name}")).await?;
                    acknowledged.lock().await.push((name, from));
                }
                anyhow::Ok(())
            });
        }
        let wanted = usize::from(round + 1) * ACCOUNTS;
        let enough = async {
            while acknowledged.lock().await.len() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), enough).await?;
        server.kill_and_restart(&world)?;
        // The registrations that were cut off have ended with their connection.
        registering.abort_all();
        while registering.join_next().await.is_some() {}
    }
    for (name, from) in acknowledged.lock().await.iter() {
        let mut client = RawClient::greeted(server.address, *from).await?;
        let logged_in = client.log_in(name, &format!("password of {name}")).await?;
        assert_eq!(&*logged_in.name, name);
        let mut stranger = RawClient::greeted(server.address, *from).await?;
        let refused = stranger.log_in(name, "password of another").await.unwrap_err();
        let refused = refused.downcast_ref();
        ensure!(matches!(refused, Some(Refusal::WrongNameOrPassword)), "{name}: {refused:?}");
    }
    Ok(())
}

const ROUNDS: u16 = 2;
const WORKERS: u16 = 4;
/// Acknowledged in a round before its kill.
const ACCOUNTS: usize = 8;
