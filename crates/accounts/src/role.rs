//! Who may do what.

use std::fmt;

use crate::name::{LauncherName, NameError};

/// The name of a role: as [`LauncherName`], in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleName(Box<str>);

impl RoleName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// The first rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        LauncherName::parse(text).map(|name| Self(name.key().into()))
    }

    /// What every account is that is not something else: `player`. Cannot be removed.
    pub fn player() -> Self {
        Self("player".into())
    }

    /// What may do everything: `operator`. Cannot be removed or changed.
    pub fn operator() -> Self {
        Self("operator".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What those who have it may do, and whom they stand above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// 0 to 100. Nobody acts on somebody of the same rank or of a higher one.
    pub rank: u8,
    /// What it allows.
    pub permissions: Permissions,
}

impl Role {
    /// Whether it allows `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Whether it allows to do this to somebody of the role `target`: to nobody of the same rank or
    /// of a higher one, so that two of a kind cannot fight it out.
    pub fn may_to(&self, permission: Permission, target: &Self) -> bool {
        self.may(permission) && self.rank > target.rank
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// Whether `permission` is among them.
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those among them, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }

    /// Reads what [`Permissions::to_string`] wrote. Words it does not know, a newer program's,
    /// allow nothing.
    pub(crate) fn from_words(text: &str) -> Self {
        text.split(' ').filter_map(Permission::from_name).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | permission.bit()))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, permission) in self.iter().enumerate() {
            write!(f, "{}{permission}", if number == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One thing that not everybody may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// All there are.
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$name),*];

            /// What operators call it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The one operators call `name`.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)* _ => None }
            }
        }
    };
}

permissions! {
    /// Speak.
    Chat = "chat",
    /// Join game servers.
    Join = "join",
    /// Report other players.
    Report = "report",
    /// Read and close reports.
    SeeReports = "see-reports",
    /// See who is banned and muted, by whom and why.
    SeeSanctions = "see-sanctions",
    /// Mute, and end a mute.
    Mute = "mute",
    /// Put somebody off a game server or out of the lobby.
    Kick = "kick",
    /// Ban, and end a ban.
    Ban = "ban",
    /// See addresses of players.
    SeeAddresses = "see-addresses",
    /// Read the audit log.
    SeeAudit = "see-audit",
    /// Rename, erase and export accounts, set passwords, end sessions.
    ManageAccounts = "manage-accounts",
    /// Invite, rename, limit and revoke launchers.
    ManageLaunchers = "manage-launchers",
    /// Change roles, and who has which.
    ManageRoles = "manage-roles",
    /// Make backups, which contain everything.
    Backup = "backup",
}

impl Permission {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_survive_the_way_through_text() {
        let all: Permissions = Permission::ALL.into_iter().collect();
        assert_eq!(Permissions::from_words(&all.to_string()), all);
        assert_eq!(Permissions::from_words(""), Permissions::NONE);
        assert_eq!(Permissions::from_words("chat fly").to_string(), "chat");
    }

    #[test]
    fn nobody_acts_on_their_equals() {
        let role = |rank, permissions: &[Permission]| Role {
            name: RoleName::player(),
            rank,
            permissions: permissions.iter().copied().collect(),
        };
        let (player, moderator) = (role(0, &[]), role(40, &[Permission::Mute]));
        assert!(moderator.may_to(Permission::Mute, &player));
        assert!(!moderator.may_to(Permission::Ban, &player));
        assert!(!moderator.may_to(Permission::Mute, &moderator));
    }
}
