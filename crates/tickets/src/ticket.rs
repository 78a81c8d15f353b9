//! A ticket, and what has to be true of it.

use std::fmt;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::date;
use crate::keys::{KeyId, RandomError, VerifyingKeys, millis};
use crate::paseto::Unverified;

/// Permission for one player to join one server, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Which ticket: spent once.
    pub id: TicketId,
    /// The number of the player's account.
    pub account: u64,
    /// The player's name, as everybody sees it.
    pub player: String,
    /// The server it is for.
    pub server: ServerName,
    /// When it was made, in milliseconds since 1970; whole seconds.
    pub issued_ms: u64,
    /// When it is worth nothing any more, in milliseconds since 1970; whole seconds.
    pub expires_ms: u64,
}

/// Which ticket: 16 random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId(pub [u8; 16]);

/// What a server is called in its tickets: 1 to 128 printable ASCII characters without space. The
/// login server and the launcher agree on it; it has to be another one for every server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerName(Box<str>);

/// A text that cannot name a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server is named by 1 to 128 printable ASCII characters")]
pub struct ServerNameError;

/// Why there is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketNameError {
    /// A player's name of more than 84 bytes (a guest's of 21 characters has so many at most), or
    /// with control characters.
    #[error("this name cannot stand in a ticket")]
    Player,
    /// The system has no random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Why a ticket is not good. For logs; a player is told only that it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// No ticket at all.
    #[error("not a ticket")]
    Malformed,
    /// Signed with a key that is not believed, or not any more.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// Changed, or signed by somebody else.
    #[error("the signature is wrong")]
    Forged,
    /// For another server.
    #[error("for another server")]
    AnotherServer,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// From the future: by more than [`Ticket::CLOCK_TOLERANCE`].
    #[error("not valid yet: clocks differ")]
    NotYet,
}

impl ServerName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When it cannot name a server.
    pub fn parse(text: &str) -> Result<Self, ServerNameError> {
        let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(ServerNameError) }
    }

    /// What the server with this id is called, of the launcher whose key has this fingerprint:
    /// `LAUNCHER/SERVER`, in hexadecimal digits.
    pub fn of_launcher(fingerprint: &[u8; 32], server: u64) -> Self {
        let name = format!("{}/{server:016x}", HEXLOWER.encode(fingerprint));
        Self(name.into())
    }

    /// The fingerprint and the id that [`ServerName::of_launcher`] was given; none when the name is
    /// another one.
    pub fn launcher(&self) -> Option<([u8; 32], u64)> {
        let (fingerprint, server) = self.0.split_once('/')?;
        let fingerprint = HEXLOWER.decode(fingerprint.as_bytes()).ok()?.try_into().ok()?;
        let server = u64::from_str_radix(server, 16).ok()?;
        (Self::of_launcher(&fingerprint, server) == *self).then_some((fingerprint, server))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Signed with every ticket and sent with none: what else is ever signed with these keys is no
/// ticket.
pub(crate) const IMPLICIT: &[u8] = b"gatehouse ticket 1";

/// As it is signed. Claims this program does not know are somebody else's.
#[derive(Serialize, Deserialize)]
struct Claims {
    jti: String,
    sub: String,
    name: String,
    aud: String,
    iat: String,
    exp: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Footer {
    kid: String,
}

impl Ticket {
    /// Most bytes of a ticket on the wire; the longest there is has some 700.
    pub const MAX_BYTES: usize = 1024;

    /// How long a ticket is valid at most.
    pub const LONGEST: Duration = Duration::from_secs(600);

    /// How far clocks may differ: a ticket may be so much from the future, and is taken so much
    /// longer than it says.
    pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(15);

    /// A new ticket, from `now_ms` on for `lifetime` (at most [`Ticket::LONGEST`]).
    ///
    /// # Errors
    ///
    /// See [`TicketNameError`].
    pub fn new(
        account: u64,
        player: &str,
        server: ServerName,
        now_ms: u64,
        lifetime: Duration,
    ) -> Result<Self, TicketNameError> {
        if !is_player(player) {
            return Err(TicketNameError::Player);
        }
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).map_err(|_| RandomError)?;
        let issued_ms = now_ms / 1000 * 1000;
        let lifetime = millis(lifetime.min(Self::LONGEST)).div_ceil(1000) * 1000;
        Ok(Self {
            id: TicketId(id),
            account,
            player: player.to_owned(),
            server,
            issued_ms,
            expires_ms: issued_ms.saturating_add(lifetime),
        })
    }

    /// Reads a ticket and checks everything but whether it was spent: it is for `server`, valid at
    /// `now_ms`, and signed with one of `keys`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn check(
        text: &str,
        server: &ServerName,
        keys: &VerifyingKeys,
        now_ms: u64,
    ) -> Result<Self, TicketError> {
        let ticket = Self::read(text, keys)?;
        if ticket.server != *server {
            return Err(TicketError::AnotherServer);
        }
        let tolerance = millis(Self::CLOCK_TOLERANCE);
        if ticket.issued_ms > now_ms.saturating_add(tolerance) {
            return Err(TicketError::NotYet);
        }
        if ticket.worthless_from_ms() <= now_ms {
            return Err(TicketError::Expired);
        }
        Ok(ticket)
    }

    /// From when on nobody admits it: until then its id has to be remembered.
    pub fn worthless_from_ms(&self) -> u64 {
        self.expires_ms.saturating_add(millis(Self::CLOCK_TOLERANCE))
    }

    /// Reads a ticket and checks only that it was signed with one of `keys`: lets nobody in, but
    /// says whose ticket it is, and was.
    ///
    /// # Errors
    ///
    /// [`TicketError::Malformed`], [`TicketError::UnknownKey`] or [`TicketError::Forged`].
    pub fn read(text: &str, keys: &VerifyingKeys) -> Result<Self, TicketError> {
        if text.len() > Self::MAX_BYTES {
            return Err(TicketError::Malformed);
        }
        let unverified = Unverified::parse(text).ok_or(TicketError::Malformed)?;
        let footer: Footer =
            serde_json::from_slice(&unverified.footer).map_err(|_| TicketError::Malformed)?;
        let id = KeyId::parse(&footer.kid).ok_or(TicketError::Malformed)?;
        let key = keys.find(id).ok_or(TicketError::UnknownKey)?;
        let payload = unverified.verify(key.as_bytes(), IMPLICIT).ok_or(TicketError::Forged)?;
        let claims = serde_json::from_slice(payload).map_err(|_| TicketError::Malformed)?;
        Self::from_claims(claims).ok_or(TicketError::Malformed)
    }

    fn from_claims(claims: Claims) -> Option<Self> {
        let id = BASE64URL_NOPAD.decode(claims.jti.as_bytes()).ok()?;
        let (issued_ms, expires_ms) = (date::parse(&claims.iat)?, date::parse(&claims.exp)?);
        // Also what is rightly signed cannot last for ever: ids are remembered for that long.
        let lasts = expires_ms.checked_sub(issued_ms)?;
        let fits = lasts <= millis(Self::LONGEST) && is_player(&claims.name);
        fits.then_some(Self {
            id: TicketId(id.try_into().ok()?),
            account: claims.sub.parse().ok()?,
            player: claims.name,
            server: ServerName::parse(&claims.aud).ok()?,
            issued_ms,
            expires_ms,
        })
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let claims = Claims {
            jti: BASE64URL_NOPAD.encode(&self.id.0),
            sub: self.account.to_string(),
            name: self.player.clone(),
            aud: self.server.as_str().to_owned(),
            iat: date::format(self.issued_ms),
            exp: date::format(self.expires_ms),
        };
        serde_json::to_vec(&claims).expect("texts are JSON")
    }

    pub(crate) fn footer(&self, key: KeyId) -> Vec<u8> {
        serde_json::to_vec(&Footer { kid: key.to_text() }).expect("a text is JSON")
    }
}

fn is_player(name: &str) -> bool {
    (1..=84).contains(&name.len()) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::SigningKeys;

    const NOW: u64 = 1_800_000_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    fn server(text: &str) -> ServerName {
        ServerName::parse(text).unwrap()
    }

    fn ticket() -> Ticket {
        Ticket::new(17, "Rosa", server("home/7"), NOW, MINUTE).unwrap()
    }

    #[test]
    fn a_ticket_is_good_for_its_server_in_its_time_with_its_key() {
        let keys = SigningKeys::generate().unwrap();
        let (ticket, public) = (ticket(), keys.public(NOW));
        let text = keys.sign(&ticket);
        let check =
            |name, keys: &VerifyingKeys, now| Ticket::check(&text, &server(name), keys, now);
        assert_eq!(check("home/7", &public, NOW), Ok(ticket));
        assert_eq!(check("home/8", &public, NOW), Err(TicketError::AnotherServer));
        let stranger = SigningKeys::generate().unwrap().public(NOW);
        assert_eq!(check("home/7", &stranger, NOW), Err(TicketError::UnknownKey));
        assert_eq!(check("home/7", &VerifyingKeys::default(), NOW), Err(TicketError::UnknownKey));
        assert!(check("home/7", &public, NOW + 74_999).is_ok());
        assert_eq!(check("home/7", &public, NOW + 75_000), Err(TicketError::Expired));
        assert!(check("home/7", &public, NOW - 15_000).is_ok());
        assert_eq!(check("home/7", &public, NOW - 15_001), Err(TicketError::NotYet));
    }

    #[test]
    fn a_server_of_a_launcher_has_a_name_that_can_be_read() {
        let name = ServerName::of_launcher(&[0xab; 32], 0x1234);
        assert_eq!(name.as_str(), format!("{}/0000000000001234", "ab".repeat(32)));
        assert_eq!(ServerName::parse(name.as_str()), Ok(name.clone()));
        assert_eq!(name.launcher(), Some(([0xab; 32], 0x1234)));
        let digits = "ab".repeat(32);
        for other in ["home/7", &format!("{digits}/1234"), &format!("{digits}/000000000000AB34")] {
            assert_eq!(server(other).launcher(), None, "{other}");
        }
    }

    #[test]
    fn an_old_ticket_still_says_whose_it_was() {
        let mut keys = SigningKeys::generate().unwrap();
        let text = keys.sign(&ticket());
        keys.rotate(NOW).unwrap();
        let later = NOW + 24 * 3600 * 1000;
        assert_eq!(Ticket::read(&text, &keys.public(later)), Err(TicketError::UnknownKey));
        let read = Ticket::read(&text, &keys.remembered()).unwrap();
        assert_eq!((read.account, read.player.as_str()), (17, "Rosa"));
        keys.replace().unwrap();
        assert_eq!(Ticket::read(&text, &keys.remembered()), Err(TicketError::UnknownKey));
    }

    #[test]
    fn the_longest_ticket_fits() {
        let keys = SigningKeys::generate().unwrap();
        let name = server(&"\\".repeat(128));
        let ticket = Ticket::new(u64::MAX, &"\\".repeat(84), name, NOW, Ticket::LONGEST).unwrap();
        let text = keys.sign(&ticket);
        assert!(text.len() <= Ticket::MAX_BYTES, "{}", text.len());
        assert_eq!(Ticket::check(&text, &ticket.server, &keys.public(NOW), NOW), Ok(ticket));
    }

    #[test]
    fn no_ticket_lasts_longer_than_the_longest() {
        let day = Duration::from_secs(24 * 3600);
        let mut ticket = Ticket::new(1, "Rosa", server("s"), NOW, day).unwrap();
        assert_eq!(ticket.expires_ms - ticket.issued_ms, 600_000);
        ticket.expires_ms += 1000;
        let keys = SigningKeys::generate().unwrap();
        let checked = Ticket::check(&keys.sign(&ticket), &server("s"), &keys.public(NOW), NOW);
        assert_eq!(checked, Err(TicketError::Malformed), "also when it is signed");
    }

    #[test]
    fn a_ticket_of_a_retired_key_is_good_for_as_long_as_it_lasts() {
        let mut keys = SigningKeys::generate().unwrap();
        let (given, text) = (keys.public(NOW), keys.sign(&ticket()));
        keys.rotate(NOW + 1000).unwrap();
        let check = |text: &str, keys: VerifyingKeys, now| {
            Ticket::check(text, &server("home/7"), &keys, now)
        };
        assert!(check(&text, keys.public(NOW + 2000), NOW + 2000).is_ok());
        let new = keys.sign(&ticket());
        assert!(
            check(&new, given, NOW + 2000).is_ok(),
            "who knew the announced key needs no other"
        );
        keys.replace().unwrap();
        assert_eq!(check(&text, keys.public(NOW), NOW), Err(TicketError::UnknownKey));
    }

    #[test]
    fn what_else_is_signed_with_the_key_is_no_ticket() {
        let keys = SigningKeys::generate().unwrap();
        let public = keys.public(NOW);
        let kid = public.iter().next().unwrap().id();
        let other = SigningKeys::generate().unwrap();
        // The key's name with another key's signature.
        let text = other.sign(&ticket());
        let body = text.rsplit_once('.').unwrap().0;
        let forged = format!("{body}.{}", BASE64URL_NOPAD.encode(&ticket().footer(kid)));
        assert_eq!(
            Ticket::check(&forged, &server("home/7"), &public, NOW),
            Err(TicketError::Forged)
        );
    }

    #[test]
    fn names_that_cannot_stand_in_a_ticket_are_refused() {
        for name in ["", "a\nb", &"x".repeat(85)] {
            let made = Ticket::new(1, name, server("s"), NOW, MINUTE);
            assert_eq!(made.unwrap_err(), TicketNameError::Player);
        }
        for name in ["", "a b", "\u{e9}", &"x".repeat(129)] {
            assert_eq!(ServerName::parse(name), Err(ServerNameError));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_ticket_survives_the_way_through_text(
            account: u64,
            player in "[^\\p{Cc}]{1,20}",
            name in "[!-~]{1,128}",
            now in 0_u64..4_000_000_000_000,
            seconds in 0_u64..1000,
        ) {
            let keys = SigningKeys::generate().unwrap();
            let name = server(&name);
            let ticket = Ticket::new(account, &player, name.clone(), now, Duration::from_secs(seconds)).unwrap();
            let checked = Ticket::check(&keys.sign(&ticket), &name, &keys.public(now), now);
            prop_assert_eq!(checked, Ok(ticket));
        }

        #[test]
        fn a_ticket_with_a_changed_character_is_refused(place: prop::sample::Index, to in "[A-Za-z0-9_.-]") {
            let keys = SigningKeys::generate().unwrap();
            let mut text = keys.sign(&ticket());
            let place = place.index(text.len());
            prop_assume!(text[place..=place] != to);
            text.replace_range(place..=place, &to);
            prop_assert!(Ticket::check(&text, &server("home/7"), &keys.public(NOW), NOW).is_err());
        }

        #[test]
        fn whatever_is_said_is_refused_without_a_panic(text in ".{0,200}", token in "(v4\\.public\\.)?[A-Za-z0-9_.-]{0,300}") {
            let keys = SigningKeys::generate().unwrap().public(NOW);
            prop_assert!(Ticket::check(&text, &server("s"), &keys, NOW).is_err());
            prop_assert!(Ticket::check(&token, &server("s"), &keys, NOW).is_err());
        }
    }
}
