//! What operators have done about players, launchers and the data: with or without a running
//! server, by the same code.

use std::{net::IpAddr, path::Path, time::Duration};

use ::tickets::SigningKeys;
use accounts::{
    Account, AccountName, AddressRange, AuditAction, AuditFilter, Audited, Author, HashQueue,
    LauncherLimits, LauncherName, NewSanction, Origin, Password, RoleName, SanctionFilter,
    SanctionId, SanctionKind, SanctionTarget, SecretFile, SessionNumber, Store,
};
use anyhow::{Context, bail, ensure};
use connection_handler::transport::keys::Identity;
use protocol::{Field, List, Penalty, Task, Text, UnixMillis};
use zeroize::Zeroizing;

use crate::{
    keys::Keys,
    lobby::{Event, LauncherKey, Mute, SessionId, Whom},
    store::now,
    tickets,
};

/// Does what operators want done.
#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) store: Store,
    pub(crate) hashes: HashQueue,
    pub(crate) keys: Keys,
    /// Where keys lie that belong to a backup.
    pub(crate) data_dir: std::path::PathBuf,
}

/// What came of a task: what is to be shown, and what the lobby has to know at once.
#[derive(Debug, Default)]
pub(crate) struct Performed {
    pub(crate) records: Vec<Record>,
    pub(crate) events: Vec<Event>,
}

/// What is shown of one thing: names and values.
pub(crate) type Record = List<Field, 16>;

impl Admin {
    /// Does it.
    pub(crate) async fn perform(&self, task: Task) -> anyhow::Result<Performed> {
        let (by, at) = (&Author::Console, now());
        let mut done = Performed::default();
        match task {
            Task::AddOperator { name, password } => {
                let account = match (self.find(&name).await, password) {
                    (Ok(account), None) => account.id,
                    (Ok(_), Some(_)) => bail!("there is an account {name}: give no password"),
                    (Err(_), Some(password)) => self.create(&name, password.reveal()).await?,
                    (Err(error), None) => return Err(error),
                };
                self.store.give_role(account, &RoleName::operator(), by, at).await?;
                done.events.push(self.role_event(account).await?);
            }
            Task::Accounts => {
                let mut after = None;
                loop {
                    let page = self.store.accounts(after, PAGE).await?;
                    let Some(last) = page.last() else { break };
                    after = Some(last.id);
                    done.records.extend(page.iter().map(account_record));
                    ensure!(done.records.len() < MAX_RECORDS, "too many to be shown");
                }
            }
            Task::ShowAccount { name } => {
                let account = self.find(&name).await?;
                done.records.push(account_record(&account));
                for sanction in self.store.sanctions_against(Some(account.id), None, at).await? {
                    done.records.push(sanction_record(&sanction));
                }
            }
            Task::SetPassword { name, password } => {
                let account = self.find(&name).await?;
                let hash = self.hash(password.reveal()).await?;
                self.store.set_password(account.id, hash, None, by, at).await?;
                done.events.push(ended(&account, None));
            }
            Task::RenameAccount { name, to } => {
                let (account, to) = (self.find(&name).await?, AccountName::parse(&to)?);
                let renamed = self.store.rename_account(account.id, &to, by, at).await?;
                ensure!(renamed, "a guest has no name of their own");
                done.events.push(ended(&account, None));
                self.store.revoke_sessions(account.id, None).await?;
            }
            Task::ExportAccount { name, file } => {
                let account = self.find(&name).await?;
                let json = self.store.export_account(account.id, by, at).await?;
                let json = json.context("there is no such account")?;
                write_private(Path::new(file.as_str()), &serde_json::to_vec_pretty(&json)?)?;
            }
            Task::EraseAccount { name } => {
                let account = self.find(&name).await?;
                self.store.erase_account(account.id, by, at).await?;
                done.events.push(ended(&account, None));
            }
            Task::GiveRole { name, role } => {
                let account = self.find(&name).await?;
                self.store.give_role(account.id, &RoleName::parse(&role)?, by, at).await?;
                done.events.push(self.role_event(account.id).await?);
            }
            Task::Roles => {
                for role in self.store.roles().await? {
                    done.records.push(record([
                        ("role", role.name.to_string()),
                        ("rank", role.rank.to_string()),
                        ("permissions", role.permissions.to_string()),
                    ]));
                }
            }
            Task::Sanction { penalty, target, minutes, reason } => {
                self.sanction(penalty, &target, minutes, reason, &mut done).await?;
            }
            Task::Lift { number } => {
                let all = self.store.sanctions(SanctionFilter::default(), PAGE).await?;
                let lifted = self.store.lift(SanctionId(number), by, at).await?;
                ensure!(lifted, "nothing of this number holds");
                let sanction = all.into_iter().find(|sanction| sanction.id.0 == number);
                if let Some(sanction) = sanction.filter(|s| s.kind == SanctionKind::Mute) {
                    let whom = whom(&sanction.target);
                    done.events.push(Event::Muted { whom, mute: None });
                }
            }
            Task::Sanctions => {
                let filter = SanctionFilter { holding_at: Some(at), ..Default::default() };
                let sanctions = self.store.sanctions(filter, PAGE).await?;
                done.records.extend(sanctions.iter().map(sanction_record));
            }
            Task::Sessions { name } => {
                let account = self.find(&name).await?;
                for session in self.store.sessions(account.id, at).await? {
                    done.records.push(record([
                        ("session", session.number.0.to_string()),
                        ("opened", session.created.as_millis().to_string()),
                        ("seen", session.seen.as_millis().to_string()),
                        ("expires", session.expires.as_millis().to_string()),
                        ("network", session.prefix.unwrap_or_default()),
                        ("program", session.client.as_str().to_owned()),
                    ]));
                }
            }
            Task::RevokeSessions { name, number } => {
                let account = self.find(&name).await?;
                match number {
                    Some(number) => {
                        let number = SessionNumber(number);
                        let revoked = self.store.revoke_session(account.id, number).await?;
                        ensure!(revoked, "there is no such session");
                    }
                    None => {
                        self.store.revoke_sessions(account.id, None).await?;
                    }
                }
                let audited = Audited::of(AuditAction::SessionsRevoked, by).on(account.id);
                self.store.audit(&audited, at).await?;
                done.events.push(ended(&account, number));
            }
            Task::RenameLauncher { name, to } => {
                let (old, new) = (LauncherName::parse(&name)?, LauncherName::parse(&to)?);
                self.store.rename_launcher(&old, &new, by, at).await?;
            }
            Task::LimitLauncher { name, max_servers, counts_progress } => {
                let limits = LauncherLimits { max_servers, counts_progress };
                let name = LauncherName::parse(&name)?;
                let limited = self.store.limit_launcher(&name, limits, by, at).await?;
                ensure!(limited, "no launcher has this name");
                let launchers = self.store.launchers().await?.into_iter();
                let keys = launchers.filter(|known| known.name == name).map(|known| known.key);
                let events = keys.map(|key| Event::LauncherLimited { key: LauncherKey(key) });
                done.events.extend(events);
            }
            Task::Audit { count } => {
                for entry in self.store.audit_entries(AuditFilter::default(), count).await? {
                    done.records.push(record([
                        ("number", entry.number.to_string()),
                        ("at", entry.at.as_millis().to_string()),
                        ("author", entry.author.to_string()),
                        ("action", entry.action.clone()),
                        ("account", entry.subject.map(|id| id.to_string()).unwrap_or_default()),
                        ("detail", entry.detail.as_str().to_owned()),
                    ]));
                }
            }
            Task::Reports => {
                for report in self.store.open_reports(None, PAGE).await? {
                    let reporter = report.reporter.map(|id| id.to_string()).unwrap_or_default();
                    done.records.push(record([
                        ("report", report.number.to_string()),
                        ("by", reporter),
                        ("about", report.about.to_string()),
                        ("place", report.place.as_str().to_owned()),
                        ("said", report.said.as_str().to_owned()),
                        ("at", report.created.as_millis().to_string()),
                    ]));
                }
            }
            Task::CloseReport { number, resolution } => {
                let closed = self.store.close_report(number, &resolution, by, at).await?;
                ensure!(closed, "no open report has this number");
            }
            Task::TicketKeys => {
                let keys = tickets::load_or_create(&self.data_dir)?;
                done.records = ticket_key_records(&keys);
            }
            Task::RotateTicketKeys { stolen } => {
                let keys = tickets::rotate(&self.data_dir, stolen, at.as_millis())?;
                let audited = Audited::of(AuditAction::KeysRotated, by);
                let how = if stolen { "tickets: all replaced" } else { "tickets" };
                self.store.audit(&audited.saying(how), at).await?;
                done.records = ticket_key_records(&keys);
                done.events.push(Event::TicketKeys(keys.into()));
            }
            Task::Backup { file } => {
                let secrets = self.secrets()?;
                let path = Path::new(file.as_str());
                let summary = self.store.backup(path, &secrets, by, at).await?;
                done.records.push(record([
                    ("backup", file.to_string()),
                    ("rows", summary.rows.to_string()),
                ]));
            }
            Task::Keys => done.records.push(self.keys_record()),
            Task::RotateKey { after_s } => {
                let from = at.saturating_add(Duration::from_secs(after_s.into()));
                let keys = self.keys.clone();
                let next = tokio::task::spawn_blocking(move || keys.rotate(from)).await??;
                done.events.push(Event::NextKey { next: Some(next.pin()) });
                done.records.push(self.keys_record());
            }
        }
        Ok(done)
    }

    async fn sanction(
        &self,
        penalty: Penalty,
        target: &str,
        minutes: Option<u32>,
        reason: Text<128>,
        done: &mut Performed,
    ) -> anyhow::Result<()> {
        let at = now();
        let target = match (target.parse::<AddressRange>(), target.parse::<IpAddr>()) {
            (Ok(range), _) => SanctionTarget::Addresses(range),
            (_, Ok(address)) => SanctionTarget::Addresses(AddressRange::of(address)),
            _ => SanctionTarget::Account(self.find(target).await?.id),
        };
        let expires =
            minutes.map(|minutes| at.saturating_add(Duration::from_secs(60 * u64::from(minutes))));
        let kind = match penalty {
            Penalty::Ban => SanctionKind::Ban,
            Penalty::Mute => SanctionKind::Mute,
        };
        let whom = whom(&target);
        let sanction = NewSanction { kind, target, reason: &reason, expires };
        let id = self.store.impose(&sanction, &Author::Console, at).await?;
        let id = id.context("there is no such account")?;
        let until = expires.map(|expires| UnixMillis(expires.as_millis()));
        done.records.push(record([("number", id.0.to_string())]));
        done.events.push(match penalty {
            Penalty::Ban => Event::Banned { whom, until, reason },
            Penalty::Mute => Event::Muted { whom, mute: Some(Mute { until }) },
        });
        Ok(())
    }

    async fn find(&self, name: &str) -> anyhow::Result<Account> {
        let parsed = AccountName::parse(name)?;
        self.store.account(&parsed).await?.with_context(|| format!("there is no account {name}"))
    }

    async fn create(&self, name: &str, password: &str) -> anyhow::Result<accounts::AccountId> {
        let (name, hash) = (AccountName::parse(name)?, self.hash(password).await?);
        Ok(self.store.create_account(&name, hash, now()).await?)
    }

    async fn hash(&self, password: &str) -> anyhow::Result<accounts::PasswordHash> {
        let password = Password::new(password.to_owned())?;
        let origin = Origin::new(IpAddr::from([127, 0, 0, 1]), u64::MAX);
        Ok(self.hashes.hash(origin, password).await?)
    }

    async fn role_event(&self, account: accounts::AccountId) -> anyhow::Result<Event> {
        let known = self.store.account_by_id(account).await?;
        let role = known.context("the account is gone")?.role;
        let roles = self.store.roles().await?;
        let permissions = roles.iter().find(|known| known.name == role).map(|r| r.permissions);
        let (account, permissions) = (SessionId(account.as_u64()), permissions.unwrap_or_default());
        Ok(Event::RoleGiven { account, permissions })
    }

    fn keys_record(&self) -> Record {
        let (ours, next) = (self.keys.ours(), self.keys.next());
        let pin = |identity: &Identity| identity.fingerprint().to_string();
        record([
            ("pin", pin(&ours)),
            ("next", next.as_ref().map(|next| pin(&next.identity)).unwrap_or_default()),
            ("from", next.map(|next| next.from.as_millis().to_string()).unwrap_or_default()),
        ])
    }

    /// The keys without which a backup is worth little.
    fn secrets(&self) -> anyhow::Result<Vec<SecretFile>> {
        let next = NEXT_SECRETS.iter().filter(|name| self.data_dir.join(name).exists());
        SECRETS
            .iter()
            .chain(next)
            .map(|name| {
                let path = self.data_dir.join(name);
                let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
                Ok(SecretFile { name: (*name).to_owned(), bytes: Zeroizing::new(bytes) })
            })
            .collect()
    }
}

/// Puts a backup in the place of everything there is. No server may run there.
pub(crate) async fn restore(store: &Store, data_dir: &Path, file: &Path) -> anyhow::Result<u64> {
    let (_, secrets) = Store::check_backup(file).await?;
    let summary = store.restore(file, &Author::Console, now()).await?;
    for secret in secrets {
        let is_ours = SECRETS.iter().chain(&NEXT_SECRETS).any(|name| **name == *secret.name);
        ensure!(is_ours, "{} is no file of ours", secret.name);
        let path = data_dir.join(&secret.name);
        // A name of its own, then one step: there is the old key or the new one.
        let new = data_dir.join(format!("{}.restored", secret.name));
        let _ = std::fs::remove_file(&new);
        write_private(&new, &secret.bytes)?;
        std::fs::rename(&new, &path).with_context(|| path.display().to_string())?;
    }
    Ok(summary.rows)
}

/// Writes a new file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| path.display().to_string())?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}

fn whom(target: &SanctionTarget) -> Whom {
    match target {
        SanctionTarget::Account(account) => Whom::Account(SessionId(account.as_u64())),
        SanctionTarget::Addresses(range) => Whom::Addresses(*range),
    }
}

fn ended(account: &Account, number: Option<u64>) -> Event {
    Event::SessionsEnded { account: SessionId(account.id.as_u64()), number }
}

/// The keys, by the ids that stand in tickets.
fn ticket_key_records(keys: &SigningKeys) -> Vec<Record> {
    let states = ["signs", "next"].into_iter().chain(std::iter::repeat("retired"));
    let all = keys.remembered();
    let ids = all.iter().map(|key| key.id().to_text());
    ids.zip(states).map(|(id, state)| record([("key", id), ("state", state.to_owned())])).collect()
}

fn account_record(account: &Account) -> Record {
    record([
        ("account", account.id.to_string()),
        ("name", account.name.as_str().to_owned()),
        ("role", account.role.to_string()),
        ("created", account.created.as_millis().to_string()),
        ("seen", account.seen.as_millis().to_string()),
    ])
}

fn sanction_record(sanction: &accounts::Sanction) -> Record {
    let target = match &sanction.target {
        SanctionTarget::Account(account) => format!("account {account}"),
        SanctionTarget::Addresses(range) => range.to_string(),
    };
    let until = sanction.expires.map(|expires| expires.as_millis().to_string());
    record([
        ("number", sanction.id.0.to_string()),
        ("kind", format!("{:?}", sanction.kind).to_lowercase()),
        ("target", target),
        ("reason", sanction.reason.as_str().to_owned()),
        ("author", sanction.author.to_string()),
        ("until", until.unwrap_or_else(|| "lifted".to_owned())),
    ])
}

fn record<const N: usize>(fields: [(&str, String); N]) -> Record {
    let fields = fields
        .into_iter()
        .map(|(name, value)| Field { name: Text::lossy(name), value: Text::lossy(&value) });
    List::first_of(fields)
}

/// Files in the data directory that belong to a backup.
const SECRETS: [&str; 4] =
    ["session.key", tickets::FILE, "login-server.key.pem", "login-server.cert.pem"];

/// Likewise, while another key is announced.
const NEXT_SECRETS: [&str; 3] =
    ["login-server-next.key.pem", "login-server-next.cert.pem", "login-server-next.from"];

/// Rows asked from the store at a time.
const PAGE: u32 = 500;

/// Most that is shown of one list.
const MAX_RECORDS: usize = 100_000;
