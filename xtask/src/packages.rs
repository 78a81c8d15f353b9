//! What of Debian is needed, and how it gets here.

use std::{
    env, fmt,
    io::{IsTerminal, Write, stdin, stdout},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::console::{faint, heading};

/// A Debian package.
#[derive(Debug)]
pub(crate) struct Package {
    name: &'static str,
    /// What needs it.
    why: &'static str,
    /// It is there when this is: a program on the path, or a file.
    sign: &'static str,
}

/// What the demo needs.
pub(crate) const GAME: &[Package] = &[OPENTTD, OPENGFX];

/// What the tests need.
pub(crate) const ALL: &[Package] = &[
    OPENTTD,
    OPENGFX,
    Package {
        name: "teeworlds-server",
        why: "another real game server",
        sign: "/usr/games/teeworlds-server",
    },
    Package { name: "teeworlds", why: "its client", sign: "/usr/games/teeworlds" },
    Package {
        name: "libgl1-mesa-dri",
        why: "draws what that client shows, without a graphics card",
        sign: "/usr/share/bug/libgl1-mesa-dri/control",
    },
    Package {
        name: "postgresql-15",
        why: "accounts are kept in it, too",
        sign: "/usr/lib/postgresql/15/bin/initdb",
    },
    Package { name: "chromium", why: "a browser, with a player in it", sign: "chromium" },
    Package { name: "chromium-driver", why: "tells it what to do", sign: "chromedriver" },
    Package { name: "python3", why: "a client written from PROTOCOL.md alone", sign: "python3" },
    Package {
        name: "systemd",
        why: "starts the login server with sockets it has opened",
        sign: "/usr/bin/systemd-socket-activate",
    },
    Package { name: "xvfb", why: "a display for the real game client", sign: "Xvfb" },
    Package { name: "xdotool", why: "types into the real game client", sign: "xdotool" },
];

/// What `cargo xtask interop` needs beside that: other people's programs.
pub(crate) const INTEROP: &[Package] = &[
    Package { name: "curl", why: "an HTTP client that players have", sign: "curl" },
    Package { name: "openssl", why: "another implementation of TLS", sign: "openssl" },
    Package {
        name: "haproxy",
        why: "a proxy that says who is behind it",
        sign: "/usr/sbin/haproxy",
    },
    Package {
        name: "systemd",
        why: "hands sockets to the login server",
        sign: "systemd-socket-activate",
    },
    Package {
        name: "python3-venv",
        why: "a place for what comes from PyPI",
        sign: "/usr/share/doc/python3-venv",
    },
    Package { name: "golang-go", why: "builds quic-go", sign: "go" },
    Package {
        name: "golang-github-lucas-clemente-quic-go-dev",
        why: "another QUIC, as client and as server",
        sign: "/usr/share/gocode/src/github.com/lucas-clemente/quic-go",
    },
    Package {
        name: "golang-github-soheilhy-cmux-dev",
        why: "another way to have several protocols on one port",
        sign: "/usr/share/gocode/src/github.com/soheilhy/cmux",
    },
    Package {
        name: "slowhttptest",
        why: "asks for pages as slowly as it can",
        sign: "slowhttptest",
    },
    Package {
        name: "ngtcp2-client",
        why: "a third QUIC, which asks for HTTP/3",
        sign: "gtlsclient",
    },
];

const OPENTTD: Package =
    Package { name: "openttd", why: "a real game, server and client", sign: ::tests::OPENTTD };
const OPENGFX: Package = Package {
    name: "openttd-opengfx",
    why: "its graphics, without which it does not start",
    sign: "/usr/share/games/openttd/baseset/opengfx",
};

/// What may be done about packages that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Install them.
    Given,
    /// Ask, if somebody is there to answer.
    Ask,
}

/// Makes sure that `wanted` are there.
///
/// # Errors
///
/// When some are missing and may not or cannot be installed: with their names, and what to type.
pub(crate) fn ensure_installed(wanted: &[Package], consent: Consent) -> Result<String> {
    let missing: Vec<_> = wanted.iter().filter(|package| !package.is_there()).collect();
    if missing.is_empty() {
        return Ok(format!("{} Debian packages are there", wanted.len()));
    }
    println!("Debian packages are missing:");
    for package in &missing {
        println!("  {package}");
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    let install = format!("apt-get install -y --no-install-recommends {}", names.join(" "));
    let someone_is_there = stdin().is_terminal() && stdout().is_terminal();
    let Some(root) = Root::find(someone_is_there && consent == Consent::Ask) else {
        bail!("missing: {}; type\n    sudo {install}", names.join(", "));
    };
    if consent == Consent::Ask && !(someone_is_there && agreed()?) {
        let sudo = if root == Root::Already { "" } else { "sudo " };
        bail!("missing: {}; type\n    {sudo}{install}\nor use --yes", names.join(", "));
    }
    root.apt_get(&["update", "-q"])?;
    root.apt_get(&[&["install", "-y", "-q", "--no-install-recommends"], &names[..]].concat())?;
    let still: Vec<_> = missing.iter().filter(|p| !p.is_there()).map(|p| p.name).collect();
    ensure!(still.is_empty(), "installed, and yet not there: {}", still.join(", "));
    Ok(format!("installed {}", names.join(", ")))
}

impl Package {
    fn is_there(&self) -> bool {
        let is_path = self.sign.contains('/');
        let path =
            if is_path { Default::default() } else { env::var_os("PATH").unwrap_or_default() };
        Path::new(self.sign).exists()
            || env::split_paths(&path).any(|folder| folder.join(self.sign).is_file())
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:18} {}", heading(self.name), faint(self.why))
    }
}

/// A way to act as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Already,
    Sudo {
        /// It may ask for a password.
        asks: bool,
    },
}

impl Root {
    /// One that asks for no password, unless it may.
    fn find(may_ask: bool) -> Option<Self> {
        let id = Command::new("id").arg("-u").output().ok()?;
        if id.stdout.trim_ascii() == b"0" {
            return Some(Self::Already);
        }
        let sudo = Command::new("sudo").args(["-n", "true"]).stderr(Stdio::null()).status().ok()?;
        (may_ask || sudo.success()).then_some(Self::Sudo { asks: !sudo.success() })
    }

    fn apt_get(self, arguments: &[&str]) -> Result<()> {
        let environment = "DEBIAN_FRONTEND=noninteractive";
        let mut command = match self {
            Self::Already => Command::new("env"),
            Self::Sudo { asks } => {
                let mut sudo = Command::new("sudo");
                sudo.args((!asks).then_some("-n")).arg("env");
                sudo
            }
        };
        command.args([environment, "apt-get"]).args(arguments).stdin(Stdio::null());
        println!("{}", faint(format!("apt-get {}", arguments.join(" "))));
        let status = command.status().context("apt-get did not start; is this Debian?")?;
        ensure!(status.success(), "apt-get {}: {status}", arguments.join(" "));
        Ok(())
    }
}

fn agreed() -> Result<bool> {
    print!("Install them now? [Y/n] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_a_program_or_a_file() {
        let package = |sign| Package { name: "it", why: "a test", sign };
        assert!(package("sh").is_there());
        assert!(package("/proc/self/status").is_there());
        assert!(!package("no-such-program").is_there());
        assert!(!package("/no/such/file").is_there());
    }
}
