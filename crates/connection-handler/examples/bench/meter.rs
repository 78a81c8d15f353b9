//! What a server costs: its time on a CPU, its memory, its system calls.

use std::{
    fs,
    io::{self, BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Time that all threads of a process have spent on a CPU.
///
/// Taken from the scheduler, to the nanosecond: the time in the kernel is in it, and waiting for a
/// CPU that somebody else has is not.
pub(crate) fn on_cpu(process: u32) -> io::Result<f64> {
    let mut total = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
        total += number(stat.split(' ').next())?;
    }
    Ok(total)
}

/// Resident memory in bytes: [`NOW`] or at its [`PEAK`].
pub(crate) fn resident(process: u32, field: &str) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(number(line.and_then(|line| line.split_whitespace().next()))? * 1024.0)
}

/// From now on the peak is what comes from now on.
pub(crate) fn forget_peak(process: u32) -> io::Result<()> {
    fs::write(format!("/proc/{process}/clear_refs"), "5")
}

/// How many instructions valgrind has counted, by what it says in the end.
pub(crate) fn instructions(said: &str) -> io::Result<f64> {
    let counted = said.lines().find_map(|line| line.split_once("Collected :"));
    number(counted.map(|(_, number)| number.trim()))
}

fn number(text: Option<&str>) -> io::Result<f64> {
    let text = text.ok_or(io::ErrorKind::InvalidData)?;
    text.parse().map_err(io::Error::other)
}

/// Counts every system call of a process, exactly: perf counts in the kernel, and where that is not
/// allowed strace does, slowly.
///
/// `/proc/PID/io` would not do: what sockets receive and send is not in it.
pub(crate) enum SystemCalls {
    /// Counts as long as a `cat` runs, that is begun after counting has.
    Perf(Child),
    Strace(Child),
}

impl SystemCalls {
    /// Begins to count. `None` where there is no way to.
    pub(crate) fn count(process: u32) -> io::Result<Option<Self>> {
        let id = process.to_string();
        match Self::perf(&id) {
            Some(perf) => Ok(Some(perf)),
            None => Self::strace(&id),
        }
    }

    fn perf(id: &str) -> Option<Self> {
        let mut command = Command::new("perf");
        command.args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", id, "cat"]);
        let mut perf = spawn(&mut command).ok()?;
        let (stdin, stdout) = (perf.stdin.as_mut()?, perf.stdout.as_mut()?);
        // An end instead of an echo: perf could not begin.
        let echoed = stdin
            .write_all(b"\n")
            .and_then(|()| BufReader::new(stdout).read_until(b'\n', &mut Vec::new()));
        if echoed.is_ok_and(|bytes| bytes > 0) {
            return Some(Self::Perf(perf));
        }
        let _ = perf.wait();
        None
    }

    fn strace(id: &str) -> io::Result<Option<Self>> {
        let Ok(strace) = spawn(Command::new("strace").args(["-c", "-f", "-p", id])) else {
            return Ok(None);
        };
        let counting = Self::Strace(strace);
        let since = Instant::now();
        while fs::read_to_string(format!("/proc/{id}/status"))?.contains("TracerPid:\t0") {
            if since.elapsed() > ATTACH {
                counting.end()?;
                return Ok(None);
            }
            sleep(Duration::from_millis(5));
        }
        Ok(Some(counting))
    }

    /// How many there were.
    pub(crate) fn end(self) -> io::Result<f64> {
        let slow = matches!(self, Self::Strace(_));
        let (Self::Perf(mut child) | Self::Strace(mut child)) = self;
        drop(child.stdin.take());
        if slow {
            kill_process(Pid::from_child(&child), Signal::INT)?;
        }
        let mut said = String::new();
        for line in BufReader::new(child.stderr.take().expect("it is piped")).lines() {
            said += &line?;
            said.push('\n');
        }
        child.wait()?;
        let count = said.lines().find_map(|line| match slow {
            false => line.contains("sys_enter").then(|| line.split(',').next())?,
            true => line.ends_with("total").then(|| line.split_whitespace().nth(3))?,
        });
        number(count)
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// For [`resident`].
pub(crate) const NOW: &str = "VmRSS";
/// For [`resident`].
pub(crate) const PEAK: &str = "VmHWM";
const ATTACH: Duration = Duration::from_secs(5);
