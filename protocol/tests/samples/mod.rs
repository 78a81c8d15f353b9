//! At least one value of every variant of every enum that has a form on the wire.

mod controller;
mod local;
mod messages;
mod parts;

use std::fmt::Debug;

use protocol::{
    Admission, Blob, CaptureScope, Channel, Counting, ExitCause, Expect, FromGameClient,
    FromGameController, FromKeeper, FromLauncher, FromOperator, GameChange, Goodbye, KeeperChange,
    LauncherRefusal, PlayerDataAnswer, Refusal, ServerChange, ServerEvent, ServerProperty,
    ServerState, Speaker, Text, ToGameClient, ToGameController, ToKeeper, ToLauncher, ToOperator,
    Wire,
};
use serde::{Serialize, de::DeserializeOwned};

/// An enum with a form on the wire, and values of it.
pub(crate) trait Sample:
    Wire + Clone + Debug + PartialEq + Serialize + DeserializeOwned
{
    /// Its name.
    const NAME: &'static str;

    /// Its variants, in the order of their tags.
    const VARIANTS: &'static [&'static str];

    /// Named values, at least one of each variant, in the order of the variants. The first of a
    /// variant has its name, the others say behind a dot what is special about them.
    fn samples() -> Vec<(String, Self)>;

    /// The name of the variant this is.
    fn variant(&self) -> &'static str;
}

/// Does something for every [`Sample`].
pub(crate) trait Visitor {
    /// Does it for `S`.
    fn visit<S: Sample>(&mut self);
}

/// Lets `visitor` do its thing for every enum that `PROTOCOL.md` describes.
pub(crate) fn visit_public(visitor: &mut impl Visitor) {
    visitor.visit::<FromGameClient>();
    visitor.visit::<ToGameClient>();
    visitor.visit::<FromLauncher>();
    visitor.visit::<ToLauncher>();
    visitor.visit::<Goodbye>();
    visitor.visit::<Refusal>();
    visitor.visit::<Channel>();
    visitor.visit::<Speaker>();
    visitor.visit::<ServerEvent>();
    visitor.visit::<ServerChange>();
    visitor.visit::<ServerProperty>();
    visitor.visit::<ServerState>();
    visitor.visit::<Admission>();
    visitor.visit::<FromGameController>();
    visitor.visit::<ToGameController>();
    visitor.visit::<GameChange>();
    visitor.visit::<PlayerDataAnswer>();
    visitor.visit::<LauncherRefusal>();
    visitor.visit::<Expect>();
    visitor.visit::<Counting>();
}

/// Lets `visitor` do its thing for every enum that stays on one machine.
pub(crate) fn visit_local(visitor: &mut impl Visitor) {
    visitor.visit::<ToKeeper>();
    visitor.visit::<FromKeeper>();
    visitor.visit::<KeeperChange>();
    visitor.visit::<ExitCause>();
    visitor.visit::<FromOperator>();
    visitor.visit::<CaptureScope>();
    visitor.visit::<ToOperator>();
}

/// The bytes of `message`.
pub(crate) fn encoded(message: &impl Wire) -> Vec<u8> {
    let mut bytes = Vec::new();
    protocol::encode(message, &mut bytes);
    bytes
}

/// Implements [`Sample`]: one line per variant, in the order of the tags, each with one value or
/// more. The match it makes is exhaustive: without a line here a new variant does not compile.
macro_rules! samples {
    ($type:ident { $($variant:ident: $value:expr $(, $special:ident: $more:expr)*;)+ }) => {
        impl $crate::samples::Sample for $type {
            const NAME: &'static str = stringify!($type);
            const VARIANTS: &'static [&'static str] = &[$(stringify!($variant)),+];

            fn samples() -> Vec<(String, Self)> {
                vec![$(
                    (stringify!($variant).to_owned(), $value),
                    $((concat!(stringify!($variant), ".", stringify!($special)).to_owned(), $more),)*
                )+]
            }

            fn variant(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)+
                }
            }
        }
    };
}
use samples;

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::parse(text).expect("samples hold text that may be sent")
}

fn blob<const MAX: usize>(bytes: &[u8]) -> Blob<MAX> {
    Blob::try_from(bytes.to_vec()).expect("samples hold bytes that may be sent")
}
