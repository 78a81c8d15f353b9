//! Colour, where somebody looks at it.

use std::{
    env,
    fmt::Display,
    io::{IsTerminal, stdout},
};

/// Something worth a heading.
pub(crate) fn heading(text: impl Display) -> String {
    painted("1", text)
}

/// Something that went well.
pub(crate) fn good(text: impl Display) -> String {
    painted("32", text)
}

/// Something that did not.
pub(crate) fn bad(text: impl Display) -> String {
    painted("1;31", text)
}

/// Something of less importance.
pub(crate) fn faint(text: impl Display) -> String {
    painted("2", text)
}

fn painted(code: &str, text: impl Display) -> String {
    let wanted = stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
}
