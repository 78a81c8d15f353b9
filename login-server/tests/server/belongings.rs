//! What players may do with what is theirs, over the wire and in the store.

use protocol::{
    Blob, DataVersion, Expect, ExportPart, FromGameClient, Goodbye, LoggedIn, Password, Progress,
    Refusal, RequestId, SessionInfo, SessionList, SessionNumber, Text, ToGameClient,
};
use serde_json::Value;

use crate::{
    commands::command,
    support::{Client, PASSWORD, REQUEST, Server, goodbye, log_in},
};

fn password(text: &str) -> Password {
    Password(Text::lossy(text))
}

fn resume(logged_in: &LoggedIn) -> FromGameClient {
    FromGameClient::Resume { request: REQUEST, token: logged_in.token.clone(), last: None }
}

/// A player and what they ask for, each with a number of its own.
struct Player {
    client: Client,
    requests: u32,
}

impl Player {
    fn new(client: Client) -> Self {
        Self { client, requests: 100 }
    }

    async fn ask(&mut self, message: impl FnOnce(RequestId) -> FromGameClient) -> ToGameClient {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.client.send(message(request)).await;
        loop {
            let answer = self.client.receive().await;
            if answer.answers() == Some(request) {
                return answer;
            }
        }
    }

    #[track_caller]
    fn done(
        &mut self,
        message: impl FnOnce(RequestId) -> FromGameClient,
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let answer = self.ask(message).await;
            assert!(matches!(answer, ToGameClient::Done { .. }), "{caller}: {answer:?}");
        }
    }

    #[track_caller]
    fn refused(
        &mut self,
        message: impl FnOnce(RequestId) -> FromGameClient,
    ) -> impl Future<Output = Refusal> {
        let caller = std::panic::Location::caller();
        async move {
            match self.ask(message).await {
                ToGameClient::Refused { reason, .. } => reason,
                other => panic!("{caller}: {other:?}"),
            }
        }
    }

    async fn sessions(&mut self) -> Vec<SessionInfo> {
        match self.ask(|request| FromGameClient::ListSessions { request }).await {
            ToGameClient::Sessions(SessionList { sessions, .. }) => sessions.into(),
            other => panic!("{other:?}"),
        }
    }

    async fn export(&mut self) -> Value {
        let mut bytes = Vec::new();
        loop {
            let offset = bytes.len() as u64;
            match self.ask(|request| FromGameClient::Export { request, offset }).await {
                ToGameClient::Exported(ExportPart { total, part, .. }) => {
                    bytes.extend_from_slice(&part);
                    if bytes.len() as u64 == total {
                        return serde_json::from_slice(&bytes).unwrap();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn set(&mut self, key: &str, value: Option<&[u8]>, expect: Expect) -> ToGameClient {
        let (game, key) = (Text::lossy("chess"), Text::lossy(key));
        let value = value.map(|value| Blob::try_from(value.to_vec()).unwrap());
        self.ask(|request| FromGameClient::SetData { request, game, key, value, expect }).await
    }

    async fn get(&mut self, key: &str) -> Option<(u64, Vec<u8>)> {
        let (game, key) = (Text::lossy("chess"), Text::lossy(key));
        match self.ask(|request| FromGameClient::GetData { request, game, key }).await {
            ToGameClient::Data { value, .. } => {
                value.map(|value| (value.version.0, value.bytes.to_vec()))
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Server {
    async fn player(&self, name: &str) -> (Player, LoggedIn) {
        let (client, logged_in) = self.registered(name).await;
        (Player::new(client), logged_in)
    }

    async fn guest(&self) -> (Player, LoggedIn) {
        let mut client = self.client().await;
        client.send(FromGameClient::LogInAsGuest { request: REQUEST }).await;
        let logged_in = client.logged_in().await;
        (Player::new(client), logged_in)
    }

    async fn logs_in(&self, name: &str, password: &str) -> Result<Client, Refusal> {
        let mut client = self.client().await;
        client.send(log_in(name, password)).await;
        match client.receive().await {
            ToGameClient::LoggedIn(_) => Ok(client),
            ToGameClient::Refused { reason, .. } => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    async fn resumes(&self, logged_in: &LoggedIn) -> Result<(Player, LoggedIn), Refusal> {
        let mut client = self.client().await;
        client.send(resume(logged_in)).await;
        match client.receive().await {
            ToGameClient::LoggedIn(logged_in) => Ok((Player::new(client), logged_in)),
            ToGameClient::Refused { reason, .. } => Err(reason),
            other => panic!("{other:?}"),
        }
    }
}

fn version(answer: &ToGameClient) -> u64 {
    match answer {
        ToGameClient::DataWritten { version: Some(version), .. } => version.0,
        other => panic!("{other:?}"),
    }
}

#[actix::test]
async fn sessions_are_listed_and_ended_one_by_one_and_all_others() {
    let server = Server::start().await;
    let (_, first) = server.player("ann").await;
    server.logs_in("ann", PASSWORD).await.unwrap();
    let third = server.logs_in("ann", PASSWORD).await.unwrap();
    let mut ann = Player::new(third);
    let sessions = ann.sessions().await;
    assert_eq!(sessions.len(), 3, "{sessions:?}");
    let this: Vec<_> = sessions.iter().map(|session| session.this).collect();
    assert_eq!(this, [true, false, false], "the one seen last is the first");
    for session in &sessions {
        assert_eq!((session.network.as_str(), session.program.as_str()), ("127.0.0.0/24", "test"));
    }
    let number = Some(sessions[2].number);
    ann.done(|request| FromGameClient::RevokeSessions { request, number }).await;
    assert_eq!(server.resumes(&first).await.err(), Some(Refusal::SessionEnded));
    let again = ann.refused(|request| FromGameClient::RevokeSessions { request, number }).await;
    assert_eq!(again, Refusal::UnknownSession);
    ann.done(|request| FromGameClient::RevokeSessions { request, number: None }).await;
    let left = ann.sessions().await;
    assert_eq!(left.iter().map(|session| session.number).collect::<Vec<_>>(), [sessions[0].number]);
    // Its own: the answer comes, and then the end.
    let number = Some(left[0].number);
    ann.done(|request| FromGameClient::RevokeSessions { request, number }).await;
    assert_eq!(goodbye(&ann.client.rest().await), &Goodbye::Revoked);
    server.stop().await;
}

#[actix::test]
async fn nobody_ends_sessions_of_others() {
    let server = Server::start().await;
    let (mut ann, _) = server.player("ann").await;
    let (mut bob, bobs) = server.player("bob").await;
    for number in (1..10).map(SessionNumber) {
        if ann.sessions().await[0].number != number {
            let number = Some(number);
            let refused =
                ann.refused(|request| FromGameClient::RevokeSessions { request, number }).await;
            assert_eq!(refused, Refusal::UnknownSession);
        }
    }
    assert_eq!(bob.sessions().await.len(), 1);
    server.resumes(&bobs).await.unwrap();
    server.stop().await;
}

#[actix::test]
async fn a_password_is_changed_with_the_old_one_and_other_sessions_end() {
    let server = Server::start().await;
    let (_, other) = server.player("ann").await;
    let mut ann = Player::new(server.logs_in("ann", PASSWORD).await.unwrap());
    let change = |old, new| {
        move |request| FromGameClient::ChangePassword {
            request,
            old: password(old),
            new: password(new),
        }
    };
    let wrong = ann.refused(change("not hers at all", "another horse")).await;
    assert_eq!(wrong, Refusal::WrongNameOrPassword);
    let short = ann.refused(change(PASSWORD, "short")).await;
    assert!(matches!(short, Refusal::InvalidPassword { .. }), "{short:?}");
    ann.done(change(PASSWORD, "another horse")).await;
    assert_eq!(ann.sessions().await.len(), 1, "she is still here");
    assert_eq!(server.resumes(&other).await.err(), Some(Refusal::SessionEnded));
    assert_eq!(server.logs_in("ann", PASSWORD).await.err(), Some(Refusal::WrongNameOrPassword));
    server.logs_in("ann", "another horse").await.unwrap();
    server.stop().await;
}

#[actix::test]
async fn who_guesses_passwords_in_a_stolen_session_is_locked_out() {
    let server = Server::start().await;
    let (mut thief, _) = server.player("ann").await;
    let mut refusals = Vec::new();
    for guess in 0..6 {
        let old = password(&format!("guess number {guess}"));
        let change = |request| FromGameClient::ChangePassword {
            request,
            old,
            new: password("the thief's own"),
        };
        refusals.push(thief.refused(change).await);
    }
    assert_eq!(refusals[..5], vec![Refusal::WrongNameOrPassword; 5]);
    assert!(matches!(refusals[5], Refusal::Busy { .. }), "{refusals:?}");
    server.stop().await;
}

#[actix::test]
async fn everything_about_a_player_is_exported_and_then_forgotten() {
    let server = Server::start().await;
    let (mut ann, logged_in) = server.player("ann").await;
    // More than fits into one part.
    for key in ["one", "two", "three"] {
        let written = ann.set(key, Some(&[7; 16_384]), Expect::Nothing).await;
        version(&written);
    }
    let export = ann.export().await;
    assert_eq!(export["account"]["name"], "ann");
    assert_eq!(export["data"].as_array().unwrap().len(), 3);
    assert!(!export.to_string().contains("argon2"), "no hash of a password");
    let soon = ann.refused(|request| FromGameClient::Export { request, offset: 0 }).await;
    assert!(matches!(soon, Refusal::Busy { .. }), "one in ten seconds: {soon:?}");

    let delete = |text: Option<&str>| {
        let password = text.map(password);
        move |request| FromGameClient::DeleteAccount { request, password }
    };
    assert_eq!(ann.refused(delete(None)).await, Refusal::WrongNameOrPassword);
    assert_eq!(ann.refused(delete(Some("not hers"))).await, Refusal::WrongNameOrPassword);
    let deleted = ann.ask(delete(Some(PASSWORD))).await;
    assert!(matches!(deleted, ToGameClient::LoggedOut { .. }), "{deleted:?}");
    assert_eq!(server.resumes(&logged_in).await.err(), Some(Refusal::SessionEnded));
    assert_eq!(server.logs_in("ann", PASSWORD).await.err(), Some(Refusal::WrongNameOrPassword));
    // The name is free, and whoever has it now has nothing of hers.
    let (mut other, _) = server.player("ann").await;
    assert_eq!(other.get("one").await, None);
    server.stop().await;
}

#[actix::test]
async fn two_devices_do_not_overwrite_each_other() {
    let server = Server::start().await;
    let (mut ann, _) = server.player("ann").await;
    assert_eq!(ann.get("opening").await, None);
    let first = version(&ann.set("opening", Some(b"e4"), Expect::Nothing).await);
    assert_eq!(ann.get("opening").await, Some((first, b"e4".to_vec())));
    let expect = Expect::Version(DataVersion(first));
    let second = version(&ann.set("opening", Some(b"d4"), expect).await);
    // The other device has read the first one.
    match ann.set("opening", Some(b"c4"), expect).await {
        ToGameClient::Refused { reason, .. } => {
            assert_eq!(reason, Refusal::Changed { version: Some(DataVersion(second)) });
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ann.get("opening").await, Some((second, b"d4".to_vec())));
    let game = Text::lossy("chess");
    match ann.ask(|request| FromGameClient::ListData { request, game }).await {
        ToGameClient::DataKeys { entries, .. } => {
            let entries: Vec<_> = Vec::from(entries);
            assert_eq!(entries.len(), 1);
            assert_eq!((entries[0].key.as_str(), entries[0].length), ("opening", 2));
        }
        other => panic!("{other:?}"),
    }
    match ann.set("opening", None, Expect::Version(DataVersion(second))).await {
        ToGameClient::DataWritten { version: None, .. } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(ann.get("opening").await, None);
    match ann.set("Not A Key", Some(b"x"), Expect::Anything).await {
        ToGameClient::Refused { reason: Refusal::InvalidKey { .. }, .. } => {}
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

#[actix::test]
async fn so_many_values_are_kept_and_the_next_is_refused() {
    let server = Server::start().await;
    let (mut ann, _) = server.player("ann").await;
    let mut written = 0;
    while written < 64 {
        match ann.set(&format!("k{written}"), Some(b"x"), Expect::Nothing).await {
            ToGameClient::DataWritten { .. } => written += 1,
            ToGameClient::Refused { reason: Refusal::Busy { retry_after_ms }, .. } => {
                tokio::time::sleep(std::time::Duration::from_millis(retry_after_ms.into())).await;
            }
            other => panic!("{other:?}"),
        }
    }
    loop {
        match ann.set("one-more", Some(b"x"), Expect::Nothing).await {
            ToGameClient::Refused { reason: Refusal::TooMany, .. } => break,
            ToGameClient::Refused { reason: Refusal::Busy { retry_after_ms }, .. } => {
                tokio::time::sleep(std::time::Duration::from_millis(retry_after_ms.into())).await;
            }
            other => panic!("{other:?}"),
        }
    }
    server.stop().await;
}

#[actix::test]
async fn a_guest_is_kept_with_the_first_value_and_comes_back_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path()).await;
    let (mut kept, keeps) = server.guest().await;
    let (_nobody, forgotten) = server.guest().await;
    assert!(keeps.name.starts_with('~') && keeps.name != forgotten.name);
    assert_eq!(list(&server, "~").await, 0, "nobody is stored yet");
    version(&kept.set("opening", Some(b"e4"), Expect::Nothing).await);
    assert_eq!(list(&server, "~").await, 1);
    assert_eq!(kept.get("opening").await.map(|(_, value)| value), Some(b"e4".to_vec()));
    assert_eq!(kept.export().await["account"]["guest"], true);
    let (old, new) = (password(PASSWORD), password(PASSWORD));
    let no = kept.refused(|request| FromGameClient::ChangePassword { request, old, new }).await;
    assert_eq!(no, Refusal::NotForGuests);
    let config = server.config.clone();
    server.stop().await;

    let server = Server::start_with(config).await;
    assert_eq!(server.resumes(&forgotten).await.err(), Some(Refusal::SessionEnded));
    let (mut kept, again) = server.resumes(&keeps).await.unwrap();
    assert_eq!((&again.name, &again.token), (&keeps.name, &keeps.token));
    assert_eq!(kept.get("opening").await.map(|(_, value)| value), Some(b"e4".to_vec()));
    // Without a password, for there is none.
    let delete = |request| FromGameClient::DeleteAccount { request, password: None };
    assert!(matches!(kept.ask(delete).await, ToGameClient::LoggedOut { .. }));
    assert_eq!(list(&server, "~").await, 0);
    server.stop().await;
}

#[actix::test]
async fn a_guest_claims_a_name_kept_or_not_and_what_they_have_stays() {
    let server = Server::start().await;
    let (_taken, _) = server.player("taken").await;
    let claim = |name: &str| {
        let (name, password) = (Text::lossy(name), password(PASSWORD));
        move |request| FromGameClient::Claim { request, name, password }
    };
    for kept in [false, true] {
        let name = if kept { "kept" } else { "fresh" };
        let (mut guest, before) = server.guest().await;
        if kept {
            version(&guest.set("opening", Some(b"e4"), Expect::Nothing).await);
        }
        assert_eq!(guest.refused(claim("taken")).await, Refusal::NameTaken);
        let reserved = guest.refused(claim("admin")).await;
        assert!(matches!(reserved, Refusal::InvalidName { .. }), "{reserved:?}");
        guest.done(claim(name)).await;
        let value = guest.get("opening").await.map(|(_, value)| value);
        assert_eq!(value, kept.then(|| b"e4".to_vec()));
        assert_eq!(guest.refused(claim("another")).await, Refusal::NotAGuest);
        let sessions = guest.sessions().await;
        assert!(sessions.len() == 1 && sessions[0].this, "{sessions:?}");
        // The token is the same, the name is not.
        let (_, again) = server.resumes(&before).await.unwrap();
        assert_eq!(again.name.as_str(), name);
        server.logs_in(name, PASSWORD).await.unwrap();
    }
    server.stop().await;
}

#[actix::test]
async fn a_report_reaches_the_operator_and_guests_may_not_make_one() {
    let server = Server::start().await;
    let (mut ann, _) = server.player("ann").await;
    let (_bob, _) = server.player("bob").await;
    let (mut guest, logged_in) = server.guest().await;
    let report = |player: &str| {
        let (player, text) = (Text::lossy(player), Text::lossy("moves my pieces"));
        move |request| FromGameClient::Report { request, player, text }
    };
    assert_eq!(guest.refused(report("bob")).await, Refusal::NotAllowed);
    assert_eq!(ann.refused(report("nobody")).await, Refusal::UnknownPlayer);
    ann.done(report("bob")).await;
    ann.done(report(&logged_in.name)).await;
    let reports = command(&server, &["--json", "report", "list"]).await.unwrap();
    let reports: Vec<Value> =
        reports.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2, "{reports:?}");
    assert_eq!(
        (&reports[0]["said"], &reports[0]["place"]),
        (&"moves my pieces".into(), &"lobby".into())
    );
    assert_eq!(list(&server, "~").await, 1, "the guest who was reported is kept");
    server.stop().await;
}

#[actix::test]
async fn who_has_not_played_has_achieved_nothing() {
    let server = Server::start().await;
    let (mut ann, _) = server.player("ann").await;
    let game = Text::lossy("chess");
    match ann.ask(|request| FromGameClient::GetProgress { request, game }).await {
        ToGameClient::Progress { progress, .. } => assert_eq!(progress, Progress::default()),
        other => panic!("{other:?}"),
    }
    server.stop().await;
}

/// How many accounts there are whose names begin like this.
async fn list(server: &Server, prefix: &str) -> usize {
    let accounts = command(server, &["--json", "account", "list"]).await.unwrap();
    let accounts = accounts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let names: Vec<_> = accounts.filter_map(|a| a["name"].as_str().map(str::to_owned)).collect();
    names.iter().filter(|name| name.starts_with(prefix)).count()
}
