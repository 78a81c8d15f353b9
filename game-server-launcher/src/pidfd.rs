//! A process, known by more than its id.

use std::{io, os::fd::OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process. Means this one even if its id is that of another one meanwhile.
#[derive(Debug)]
pub(crate) struct ProcessHandle(OwnedFd);

impl ProcessHandle {
    /// The process that has the id `pid` now.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Sends a signal, if the process has not ended.
    pub(crate) fn signal(&self, signal: Signal) {
        // Fails only for a process that has ended, and then there is nothing to do.
        if let Err(error) = pidfd_send_signal(&self.0, signal) {
            tracing::debug!(%error, "no signal sent");
        }
    }
}
