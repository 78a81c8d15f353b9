//! Whether the world is still there.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use protocol::ServerState;
use rustix::process::Signal;

use crate::{
    launcher::{Launcher, ONE_SERVER, send},
    login_server::LoginServer,
};

/// A map by chance: it is the same only if it is the same.
fn config() -> String {
    ONE_SERVER.replace("seed = 12345", "")
}

async fn ready(config: &str) -> (LoginServer, Launcher) {
    let mut login = LoginServer::start().await;
    let launcher = Launcher::enrolled(config, &login).await;
    login.until_state(ServerState::Ready).await;
    (login, launcher)
}

/// Stops everything in order, and starts it again.
async fn again(login: &mut LoginServer, launcher: &mut Launcher) {
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    login.until_state(ServerState::Stopped).await;
    launcher.start();
    login.until_state(ServerState::Ready).await;
}

fn date(login: &LoginServer) -> &str {
    login.server().1.details.get("date").map_or("", String::as_str)
}

async fn kill_game(login: &mut LoginServer, launcher: &Launcher) {
    send(launcher.pid("pid"), Signal::KILL);
    login.until_state(ServerState::Restarting).await;
    login.until_state(ServerState::Ready).await;
}

fn saves(launcher: &Launcher) -> PathBuf {
    launcher.data_dir().join("servers/one/game/save")
}

/// Puts a save there that is newer than the others, and damaged in the middle or cut.
fn damaged(launcher: &Launcher, name: &str, cut: bool) {
    let mut save = fs::read(saves(launcher).join("gatehouse.sav")).unwrap();
    let middle = save.len() / 2;
    match cut {
        true => save.truncate(middle),
        false => save[middle..middle + 100].fill(0x55),
    }
    let path = saves(launcher).join("autosave").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, save).unwrap();
    let later = SystemTime::now() + Duration::from_secs(60);
    File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
}

#[actix::test]
async fn a_world_is_there_again_after_a_stop_and_after_a_crash() {
    let (mut login, mut launcher) = ready(&config()).await;
    let map = login.server().1.map.clone();
    login.until("a later day", |login| date(login) >= "1950-01-03").await;
    again(&mut login, &mut launcher).await;
    assert_eq!(login.server().1.map, map);
    login.until("a date", |login| login.server().1.details.contains_key("date")).await;
    assert!(date(&login) >= "1950-01-03", "{}", date(&login));
    launcher.until_written("data/servers/one/keeper.log", "world=\"gatehouse.sav\"").await;

    kill_game(&mut login, &launcher).await;
    assert_eq!(login.server().1.map, map);
}

#[actix::test]
async fn a_damaged_save_is_followed_by_the_next_older_one() {
    let (mut login, mut launcher) = ready(&config()).await;
    let map = login.server().1.map.clone();
    again(&mut login, &mut launcher).await;
    damaged(&launcher, "autosave0.sav", false);
    damaged(&launcher, "autosave1.sav", true);
    let started = std::time::Instant::now();
    kill_game(&mut login, &launcher).await;
    login
        .until("the same map", |login| {
            let server = login.server().1;
            server.map == map && server.state == Some(ServerState::Ready)
        })
        .await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let log = "data/servers/one/keeper.log";
    launcher.until_written(log, "autosave0.sav cannot be loaded").await;
    launcher.until_written(log, "a save is not whole").await;
    assert_eq!(launcher.status()["trouble"], "");
}

#[actix::test]
async fn a_world_that_shall_not_be_kept_is_a_new_one() {
    let (mut login, mut launcher) = ready(&format!("{}keep_world = false\n", config())).await;
    again(&mut login, &mut launcher).await;
    let log = fs::read_to_string(launcher.path().join("data/servers/one/keeper.log")).unwrap();
    assert_eq!(log.matches("world=\"a new one\"").count(), 2, "{log}");
    assert!(!saves(&launcher).join("gatehouse.sav").exists());
}
