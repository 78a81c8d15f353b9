//! Tickets of players of a real game: checked, used up, and remembered.

use protocol::{Admission, ServerState};
use rustix::process::Signal;

use crate::{
    launcher::{Launcher, ONE_SERVER, send},
    login_server::LoginServer,
};

#[actix::test]
async fn a_player_comes_in_with_the_code_of_a_ticket_and_the_ticket_works_once() {
    let mut login = LoginServer::start().await;
    // Clocks differ: tickets are checked by that of the login server.
    login.behind_ms = 3_600_000;
    let mut launcher = Launcher::enrolled(ONE_SERVER, &login).await;
    login.until_state(ServerState::Ready).await;
    let (secret, port) = login.secret("ann").await;
    assert_eq!(secret, login.announced["ann"].code);
    let ticket = login.announced["ann"].id;
    // Under another name: she is the only one who is expected.
    let client = login.enters(launcher.path(), "tycoon", port, &secret).await;
    login.until("ann's ticket", |login| login.arrived.contains_key(&ticket)).await;
    let known = login.server().1.players.keys().next().copied();
    assert_eq!(login.arrived[&ticket], known.unwrap());
    assert_eq!(login.admit_again("ann").await, Admission::TicketRefused, "it is used up");

    launcher.end(Signal::KILL).await;
    launcher.start();
    login.until("a second snapshot", |login| login.snapshots == 2).await;
    login.until("ann's ticket again", |login| login.arrived.contains_key(&ticket)).await;
    drop(client);
    login.until("that ann has left", |login| login.arrived.is_empty()).await;
    assert_eq!(login.admit_again("ann").await, Admission::TicketRefused);

    // Not even a keeper that is killed forgets it.
    send(launcher.pid("keeper_pid"), Signal::KILL);
    login.until_state(ServerState::Restarting).await;
    login.until_state(ServerState::Ready).await;
    assert_eq!(login.admit_again("ann").await, Admission::TicketRefused);
    assert!(matches!(login.admit("ann").await, Admission::Granted { .. }), "with a new one");
}

#[actix::test]
async fn a_ticket_of_another_key_or_for_another_player_lets_nobody_in() {
    let mut login = LoginServer::start().await;
    let _launcher = Launcher::enrolled(ONE_SERVER, &login).await;
    login.until_state(ServerState::Ready).await;
    assert!(matches!(login.admit("ann").await, Admission::Granted { .. }));
    let of_ann = login.announced["ann"].clone();
    login.announced.insert("bob".to_owned(), of_ann);
    assert_eq!(login.admit_again("bob").await, Admission::TicketRefused, "it is ann's");

    login.ticket_keys.rotate(0).unwrap();
    assert!(matches!(login.admit("cid").await, Admission::Granted { .. }), "it was announced");
    login.ticket_keys.replace().unwrap();
    assert_eq!(login.admit("dan").await, Admission::TicketRefused, "nobody knows this key");
    login.tell_keys();
    assert!(matches!(login.admit("dan").await, Admission::Granted { .. }));
}
