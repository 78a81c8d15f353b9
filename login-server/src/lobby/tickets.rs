//! Who holds which ticket: what launchers may say about players, and what not.
//!
//! A launcher may speak about a player whose ticket for one of its servers it names, from the moment
//! it is asked to admit them until [`RELEASED_FOR`] after they are no longer expected there. All
//! else is refused, and counted by who carries the refusal out.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use protocol::{
    GamePlayerId, JoinSecret, LauncherRefusal, List, ServerId, SignedTicket, Text, TicketId,
    TicketKey, ToLauncher, UnixMillis,
};
use tickets::SigningKeys;

use super::{Effect, LauncherKey, LinkId, Lobby, SessionId, server_ids::OwnId};

/// Makes and reads tickets: cheap, some ten microseconds each.
pub trait TicketOffice: fmt::Debug {
    /// A ticket for a player, and a code; none when the system has no random numbers.
    fn issue(&self, subject: &Subject, now: UnixMillis) -> Option<Issued>;

    /// What a ticket says that we have signed, at whatever time; none when we have not.
    fn read(&self, ticket: &SignedTicket) -> Option<Shown>;

    /// The public keys.
    fn keys(&self, now: UnixMillis) -> List<TicketKey, 8>;

    /// Signs with other keys from now on.
    fn use_keys(&mut self, keys: Arc<SigningKeys>);
}

/// Whom a ticket lets in, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The account.
    pub account: SessionId,
    /// Its name.
    pub player: Text<64>,
    /// Whose server it is.
    pub launcher: LauncherKey,
    /// The server, as its launcher names it.
    pub server: ServerId,
}

/// A ticket that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Which one.
    pub id: TicketId,
    /// As it is shown.
    pub ticket: SignedTicket,
    /// What is shown where nobody takes tickets.
    pub code: JoinSecret,
}

/// What a ticket says that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Which one.
    pub id: TicketId,
    /// Whom it lets in, and where.
    pub subject: Subject,
    /// When it was made.
    pub issued: UnixMillis,
    /// When nobody is let in with it any more.
    pub worthless_from: UnixMillis,
}

/// Tickets that launchers may speak of.
#[derive(Debug)]
pub(super) struct Tickets {
    office: Box<dyn TicketOffice>,
    held: BTreeMap<TicketId, Held>,
    /// Tickets that nobody needs any more, since when.
    released: VecDeque<(Duration, TicketId)>,
    /// When we began: what is older was made in a life before this one.
    begun: UnixMillis,
}

/// A ticket, and what its launcher has said of who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    account: SessionId,
    launcher: LauncherKey,
    own: OwnId,
    /// In the game, under this number.
    playing: Option<GamePlayerId>,
}

impl Tickets {
    pub(super) fn new(office: Box<dyn TicketOffice>, begun: UnixMillis) -> Self {
        Self { office, held: BTreeMap::new(), released: VecDeque::new(), begun }
    }

    pub(super) fn issue(&mut self, subject: Subject, now: UnixMillis) -> Option<Issued> {
        let issued = self.office.issue(&subject, now)?;
        self.hold(issued.id, subject);
        Some(issued)
    }

    /// Nobody needs this ticket any more, except to say how it ended.
    pub(super) fn release(&mut self, id: TicketId, now: Duration) {
        if self.released.len() >= MAX_RELEASED {
            self.forget_the_first();
        }
        self.released.push_back((now, id));
    }

    pub(super) fn expire(&mut self, now: Duration) {
        while let Some((since, _)) = self.released.front()
            && now.saturating_sub(*since) >= RELEASED_FOR
        {
            self.forget_the_first();
        }
    }

    fn forget_the_first(&mut self) {
        if let Some((_, id)) = self.released.pop_front() {
            self.held.remove(&id);
        }
    }

    fn hold(&mut self, id: TicketId, subject: Subject) {
        let Subject { account, launcher, server, .. } = subject;
        self.held.insert(id, Held { account, launcher, own: OwnId(server), playing: None });
    }

    /// A guest's place has another number from now on.
    pub(super) fn now_is(&mut self, guest: SessionId, account: SessionId) {
        let of_guest = self.held.values_mut().filter(|held| held.account == guest);
        of_guest.for_each(|held| held.account = account);
    }

    /// A launcher is gone for good, and what it said with it.
    pub(super) fn forget_launcher(&mut self, key: LauncherKey) {
        self.held.retain(|_, held| held.launcher != key);
    }

    fn may_be_taken(&self, shown: &Shown, now: UnixMillis) -> bool {
        let life = now.0.saturating_sub(self.begun.0);
        let of_a_life_before =
            shown.issued <= self.begun && u128::from(life) < SAID_AGAIN.as_millis();
        now < shown.worthless_from || of_a_life_before
    }
}

impl Lobby {
    /// Signs with other keys from now on, and tells all who check.
    pub(super) fn ticket_keys_changed(&mut self, keys: Arc<SigningKeys>) {
        self.tickets.office.use_keys(keys);
        let links: Vec<_> = self.enrolled.values().copied().collect();
        links.into_iter().for_each(|link| self.send_ticket_keys(link));
    }

    pub(super) fn send_ticket_keys(&mut self, link: LinkId) {
        let now = self.now.clock;
        let keys = ToLauncher::TicketKeys { now, keys: self.tickets.office.keys(now) };
        self.effects.push(Effect::ToLauncher(link, keys));
    }

    /// A player has come into a game.
    pub(super) fn arrived(&mut self, link: LinkId, ticket: &SignedTicket, player: GamePlayerId) {
        let key = self.launchers.get(&link).and_then(|launcher| launcher.key);
        let shown = self.tickets.office.read(ticket);
        let id = shown.as_ref().map(|shown| shown.id);
        let now = self.now;
        let Some(shown) = shown.filter(|shown| {
            let known = self.tickets.held.contains_key(&shown.id);
            Some(shown.subject.launcher) == key
                && (known || self.tickets.may_be_taken(shown, now.clock))
        }) else {
            return self.not_your_player(link, id);
        };
        if !self.tickets.held.contains_key(&shown.id) {
            self.tickets.hold(shown.id, shown.subject);
            self.tickets.release(shown.id, now.running);
        }
        if let Some(held) = self.tickets.held.get_mut(&shown.id) {
            held.playing = Some(player);
        }
    }

    /// A player is not in the game any more.
    pub(super) fn left(&mut self, link: LinkId, ticket: TicketId) {
        if self.holder(link, ticket).is_some()
            && let Some(held) = self.tickets.held.get_mut(&ticket)
        {
            held.playing = None;
        }
    }

    /// The account of who holds a ticket for a server of this launcher. There is none: the launcher
    /// is told so.
    pub(super) fn holder(&mut self, link: LinkId, ticket: TicketId) -> Option<SessionId> {
        let key = self.launchers.get(&link).and_then(|launcher| launcher.key);
        let held = self.tickets.held.get(&ticket).filter(|held| Some(held.launcher) == key);
        let account = held.map(|held| held.account);
        if account.is_none() {
            self.not_your_player(link, Some(ticket));
        }
        account
    }

    /// Which game is played where a ticket is for; empty when nobody has said.
    pub(super) fn game_of(&self, ticket: TicketId) -> Text<64> {
        let held = self.tickets.held.get(&ticket);
        let server = held.and_then(|held| self.servers.get(held.own.public(held.launcher)));
        Text::lossy(server.map(|(_, view)| view.game()).unwrap_or_default())
    }

    /// Throws a player out of every game they are in.
    pub(super) fn kick_from_games(&mut self, account: SessionId, reason: &Text<128>) {
        let playing = self.tickets.held.values_mut().filter(|held| held.account == account);
        for held in playing {
            let link = self.enrolled.get(&held.launcher);
            if let (Some(player), Some(link)) = (held.playing.take(), link) {
                let (server, reason) = (held.own.0, reason.clone());
                let kick = ToLauncher::Kick { server, player, reason };
                self.effects.push(Effect::ToLauncher(*link, kick));
            }
        }
    }

    fn not_your_player(&mut self, link: LinkId, ticket: Option<TicketId>) {
        let refused = ToLauncher::Refused(LauncherRefusal::NotYourPlayer { ticket });
        self.effects.push(Effect::ToLauncher(link, refused));
    }

    #[cfg(test)]
    pub(super) fn tickets_held(&self) -> usize {
        self.tickets.held.len()
    }

    /// Who is in a game, as launchers say.
    #[cfg(test)]
    pub(super) fn playing(&self) -> Vec<(SessionId, GamePlayerId)> {
        let held = self.tickets.held.values();
        held.filter_map(|held| Some((held.account, held.playing?))).collect()
    }
}

/// How long a launcher may still say what became of a player who is not expected any more: the end
/// of a match, for example.
const RELEASED_FOR: Duration = Duration::from_secs(600);

/// Tickets that nobody needs any more, remembered at a time. One more makes the oldest be forgotten.
const MAX_RELEASED: usize = 20_000;

/// For so long after we began, launchers may say who came in before: they are back within seconds.
const SAID_AGAIN: Duration = Duration::from_secs(600);
