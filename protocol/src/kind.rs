//! Which message it is, without what it says: for tables of rules and for counting.

/// Makes an enum of the variants of another one. Without a line here a new variant does not compile.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident of $type:ident { $($variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "they are documented where they have fields")]
        pub enum $kind {
            $($variant,)+
        }

        impl $kind {
            /// All there are, in the order of their tags.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }

        impl $type {
            /// Which message this is.
            pub const fn kind(&self) -> $kind {
                match self {
                    $(Self::$variant { .. } => $kind::$variant,)+
                }
            }
        }
    };
}
pub(crate) use kinds;

use crate::{Goodbye, LauncherRefusal, Refusal};

kinds! {
    /// Why something was refused, without its fields.
    RefusalKind of Refusal {
        NotLoggedIn, AlreadyLoggedIn, NameTaken, InvalidName, InvalidPassword,
        WrongNameOrPassword, SessionEnded, UnknownServer, ServerNotReady, ServerFull, NotOnServer,
        Busy, Unavailable, Muted, NotAllowed, UnknownSession, NotForGuests, NotAGuest, OnServer,
        UnknownPlayer, InvalidKey, Changed, TooMany,
    }
}

kinds! {
    /// Why a connection has ended, without its fields.
    GoodbyeKind of Goodbye {
        YouAreTooOld, IAmTooOld, ShuttingDown, TakenOver, Violation, NotEnrolled,
        EnrollmentRefused, Busy, Revoked, Silent, Banned, ComeBack,
    }
}

kinds! {
    /// Why something a launcher has said is not taken, without its fields.
    LauncherRefusalKind of LauncherRefusal {
        TooManyServers, NotYourPlayer,
    }
}
