//! What a capture shows of which message.

/// Sorts the messages of an enum, all of them: a new one does not compile before somebody has
/// decided. Redacted is what holds a password, a token or another secret, and what people say to
/// each other.
macro_rules! exposure {
    ($message:expr, $enum:ident {
        whole: $($whole:ident)+;
        redacted: $($redacted:ident)+;
    }) => {
        match $message {
            $($enum::$whole { .. } => Exposure::whole(stringify!($whole)),)+
            $($enum::$redacted { .. } => Exposure::redacted(stringify!($redacted)),)+
        }
    };
}
pub(super) use exposure;
