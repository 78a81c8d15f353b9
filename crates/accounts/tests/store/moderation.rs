//! Roles, bans and mutes, reports, and the log of it all.

use std::net::IpAddr;

use accounts::*;

use crate::common::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ban(target: SanctionTarget) -> NewSanction<'static> {
    NewSanction { kind: SanctionKind::Ban, target, reason: "cheats", expires: None }
}

fn range(text: &str) -> SanctionTarget {
    SanctionTarget::Addresses(text.parse().unwrap())
}

async fn against(store: &Store, who: Option<AccountId>, from: &str, now: UnixMillis) -> usize {
    store.sanctions_against(who, Some(address(from)), now).await.unwrap().len()
}

async fn actions(store: &Store) -> Vec<String> {
    let entries = store.audit_entries(AuditFilter::default(), 100).await.unwrap();
    entries.into_iter().rev().map(|entry| entry.action).collect()
}

in_every_database! {
    async fn a_ban_holds_at_once_and_after_a_restart_until_it_is_lifted(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let by = Author::Account(rosa);
        let id = store.impose(&ban(SanctionTarget::Account(rosa)), &by, NOW).await.unwrap().unwrap();
        assert_eq!(against(&store, Some(rosa), "192.0.2.1", NOW).await, 1);
        store.close().await;

        let store = database.open().await;
        let [held] = &store.sanctions_against(Some(rosa), None, NOW).await.unwrap()[..] else {
            panic!("one ban")
        };
        assert_eq!((held.id, held.kind, &held.author, held.created), (id, SanctionKind::Ban, &by, NOW));
        assert_eq!((held.reason.as_str(), held.holds(MUCH_LATER)), ("cheats", true));
        assert!(store.lift(id, &BY, LATER).await.unwrap());
        assert!(!store.lift(id, &BY, LATER).await.unwrap(), "once");
        assert_eq!(against(&store, Some(rosa), "192.0.2.1", LATER).await, 0);
        let all = store.sanctions(SanctionFilter::default(), 10).await.unwrap();
        assert_eq!(all[0].lifted, Some((LATER, BY)));
        assert_eq!(actions(&store).await, ["sanctioned", "sanction-lifted"]);
    }

    async fn a_mute_ends_by_itself(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let mute = NewSanction { kind: SanctionKind::Mute, expires: Some(LATER), ..ban(SanctionTarget::Account(rosa)) };
        store.impose(&mute, &BY, NOW).await.unwrap().unwrap();
        assert_eq!(against(&store, Some(rosa), "192.0.2.1", NOW).await, 1);
        assert_eq!(against(&store, Some(rosa), "192.0.2.1", LATER).await, 0);
        let holding = |now| SanctionFilter { holding_at: Some(now), account: Some(rosa), before: None };
        assert_eq!(store.sanctions(holding(NOW), 10).await.unwrap().len(), 1);
        assert_eq!(store.sanctions(holding(LATER), 10).await.unwrap().len(), 0);
    }

    async fn a_range_of_addresses_is_banned_and_no_other(database: &Database) {
        let store = database.open().await;
        for text in ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"] {
            store.impose(&ban(range(text)), &BY, NOW).await.unwrap().unwrap();
        }
        for (from, expected) in [
            ("192.0.2.0", 1), ("192.0.2.255", 1), ("::ffff:192.0.2.9", 1), ("192.0.3.0", 0),
            ("192.0.1.255", 0), ("198.51.100.7", 1), ("198.51.100.8", 0), ("2001:db8:ffff::1", 1),
            ("2001:db9::", 0), ("::", 0),
        ] {
            assert_eq!(against(&store, None, from, NOW).await, expected, "{from}");
        }
        let all = store.sanctions(SanctionFilter::default(), 10).await.unwrap();
        let targets: Vec<_> = all.iter().map(|sanction| sanction.target).collect();
        assert_eq!(targets, [range("198.51.100.7"), range("2001:db8::/32"), range("192.0.2.0/24")]);
        let before = SanctionFilter { before: Some(all[0].id), ..Default::default() };
        assert_eq!(store.sanctions(before, 1).await.unwrap(), all[1..2]);
    }

    async fn nobody_is_banned_who_does_not_exist(database: &Database) {
        let store = database.open().await;
        let nobody = SanctionTarget::Account(AccountId::from_u64(99));
        assert_eq!(store.impose(&ban(nobody), &BY, NOW).await.unwrap(), None);
        assert_eq!(actions(&store).await, [""; 0]);
    }

    async fn roles_are_data(database: &Database) {
        let store = database.open().await;
        let names: Vec<_> = store.roles().await.unwrap().iter().map(|r| r.name.to_string()).collect();
        assert_eq!(names, ["operator", "admin", "moderator", "player"]);
        let operator = &store.roles().await.unwrap()[0];
        assert!(Permission::ALL.into_iter().all(|permission| operator.may(permission)));

        let referee = Role {
            name: RoleName::parse("Referee").unwrap(),
            rank: 20,
            permissions: [Permission::Chat, Permission::Kick].into_iter().collect(),
        };
        store.set_role(&referee, &BY, NOW).await.unwrap();
        let rosa = account(&store, "Rosa").await;
        assert!(!store.has_operator().await.unwrap());
        store.give_role(rosa, &referee.name, &BY, NOW).await.unwrap();
        assert_eq!(store.account_by_id(rosa).await.unwrap().unwrap().role, referee.name);
        let changed = Role { rank: 30, ..referee.clone() };
        store.set_role(&changed, &BY, NOW).await.unwrap();
        assert!(store.roles().await.unwrap().contains(&changed));

        let error = store.remove_role(&referee.name, &BY, NOW).await.unwrap_err();
        assert!(matches!(error, RoleError::InUse), "{error:?}");
        store.give_role(rosa, &RoleName::operator(), &BY, NOW).await.unwrap();
        assert!(store.has_operator().await.unwrap());
        store.remove_role(&referee.name, &BY, NOW).await.unwrap();
        let error = store.give_role(rosa, &referee.name, &BY, NOW).await.unwrap_err();
        assert!(matches!(error, RoleError::UnknownRole), "{error:?}");
        let nobody = AccountId::from_u64(99);
        let error = store.give_role(nobody, &RoleName::player(), &BY, NOW).await.unwrap_err();
        assert!(matches!(error, RoleError::UnknownAccount), "{error:?}");
    }

    async fn nobody_makes_themselves_an_operator_by_changing_roles(database: &Database) {
        let store = database.open().await;
        let operator = Role { name: RoleName::operator(), rank: 0, permissions: Permissions::NONE };
        let error = store.set_role(&operator, &BY, NOW).await.unwrap_err();
        assert!(matches!(error, RoleError::Fixed), "{error:?}");
        let equal = Role { name: RoleName::parse("boss").unwrap(), rank: 100, ..operator };
        let error = store.set_role(&equal, &BY, NOW).await.unwrap_err();
        assert!(matches!(error, RoleError::Rank), "{error:?}");
        for fixed in [RoleName::operator(), RoleName::player()] {
            let error = store.remove_role(&fixed, &BY, NOW).await.unwrap_err();
            assert!(matches!(error, RoleError::Fixed), "{error:?}");
        }
    }

    async fn reports_are_kept_and_closed_and_bounded(database: &Database) {
        let store = database.open().await;
        let (rosa, karl) = (account(&store, "Rosa").await, account(&store, "Karl").await);
        let report = NewReport { reporter: rosa, about: karl, place: "lobby", said: "was rude" };
        let first = store.file_report(&report, NOW).await.unwrap();
        for _ in 1..Store::MAX_OPEN_REPORTS {
            store.file_report(&report, NOW).await.unwrap();
        }
        let error = store.file_report(&report, NOW).await.unwrap_err();
        assert!(matches!(error, ReportError::TooMany), "{error:?}");
        let by_karl = NewReport { reporter: karl, about: rosa, ..report };
        store.file_report(&by_karl, NOW).await.unwrap();

        let open = store.open_reports(None, 100).await.unwrap();
        assert_eq!((open.len(), open[0].number, open[0].said.as_str()), (21, first, "was rude"));
        assert_eq!(store.open_reports(Some(first), 1).await.unwrap(), open[1..2]);
        assert!(store.close_report(first, "talked to him", &BY, LATER).await.unwrap());
        assert!(!store.close_report(first, "again", &BY, LATER).await.unwrap());
        assert_eq!(store.open_reports(None, 100).await.unwrap().len(), 20);
        let about = store.reports_about(karl, 100).await.unwrap();
        assert_eq!(about.last().unwrap().closed, Some((LATER, BY, "talked to him".into())));
        store.file_report(&report, NOW).await.unwrap();

        let nobody = NewReport { about: AccountId::from_u64(99), ..by_karl };
        let error = store.file_report(&nobody, NOW).await.unwrap_err();
        assert!(matches!(error, ReportError::UnknownAccount), "{error:?}");
    }

    async fn the_audit_log_says_who_did_what_to_whom(database: &Database) {
        let store = database.open().await;
        let (rosa, karl) = (account(&store, "Rosa").await, account(&store, "Karl").await);
        let by = Author::Account(rosa);
        let kicked = Audited { address: Some(address("::ffff:192.0.2.7")), ..Audited::of(AuditAction::Kicked, &by) };
        store.audit(&kicked.on(karl).saying("was\nrude"), NOW).await.unwrap();
        store.audit(&Audited::of(AuditAction::Announced, &BY), LATER).await.unwrap();
        let entries = store.audit_entries(AuditFilter::default(), 10).await.unwrap();
        let [announced, kicked] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!((announced.at, &announced.author, announced.subject), (LATER, &BY, None));
        assert_eq!((&kicked.author, kicked.action.as_str(), kicked.subject), (&by, "kicked", Some(karl)));
        assert_eq!((kicked.detail.as_str(), kicked.address), ("was rude", Some(address("192.0.2.7"))));
        let about = AuditFilter { subject: Some(karl), ..Default::default() };
        assert_eq!(store.audit_entries(about, 10).await.unwrap(), entries[1..]);
        let before = AuditFilter { before: Some(announced.number), ..Default::default() };
        assert_eq!(store.audit_entries(before, 10).await.unwrap(), entries[1..]);
    }

    async fn addresses_are_forgotten_in_time_and_nothing_else(database: &Database) {
        let store = database.open().await;
        let rosa = account(&store, "Rosa").await;
        let token = token(1);
        let from = Some(Prefix::of(address("192.0.2.7")));
        let seen = NewSession { prefix: from, ..session(&token, UnixMillis::MAX) };
        store.open_session(rosa, &seen, NOW).await.unwrap();
        let here = Audited { address: Some(address("192.0.2.7")), ..Audited::of(AuditAction::Kicked, &BY) };
        store.audit(&here, NOW).await.unwrap();
        store.audit(&here, LATER).await.unwrap();

        let keep = Retention { addresses: std::time::Duration::from_secs(60), ..Default::default() };
        let swept = store.sweep(&keep, LATER).await.unwrap();
        assert_eq!(swept.addresses, 0, "not yet");
        let a_moment_later = UnixMillis::from_millis(LATER.as_millis() + 1);
        assert_eq!(store.sweep(&keep, a_moment_later).await.unwrap().addresses, 2);
        let entries = store.audit_entries(AuditFilter::default(), 10).await.unwrap();
        assert_eq!((entries[0].address.is_some(), entries[1].address), (true, None));
        assert_eq!(store.sessions(rosa, LATER).await.unwrap()[0].prefix, None);
    }
}
