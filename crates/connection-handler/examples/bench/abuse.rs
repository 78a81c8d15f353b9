//! Clients that behave badly, and how the others fare meanwhile.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    str::FromStr,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    cases::{Pace, percentile},
    codec::Message,
    load::{Load, connect},
    meter::{self, forget_peak, resident},
    report::{Figure, Target},
    server::{CLIENT_CPU, Helper, Server, end_with_stdin, run_on},
};

/// A way to behave badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abuse {
    /// One says as much as it can and hears nothing; cut off, it comes again.
    NeverReads,
    /// One says a byte a second.
    Slow,
    /// 32 say as much as they can, and hear it.
    Flood,
    /// 2,000 connect and say nothing.
    Silent,
}

impl Abuse {
    pub(crate) const ALL: [Self; 4] = [Self::NeverReads, Self::Slow, Self::Flood, Self::Silent];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NeverReads => "one never reads",
            Self::Slow => "one sends a byte a second",
            Self::Flood => "32 flood",
            Self::Silent => "2000 say nothing",
        }
    }

    pub(crate) fn figures(self) -> [Figure; 4] {
        [
            Figure::new("quiet p99 us", Target::Any),
            Figure::new("p99 us meanwhile", Target::Any),
            Figure::new("p99 times quiet", Target::OursAtMost(1.5)),
            Figure::new("KiB grown", Target::OursAtMost(self.bound())),
        ]
    }

    /// Most KiB by which a server may grow: per connection that is busy twice what may wait to be
    /// written to it, per connection that is idle 3 KiB.
    fn bound(self) -> f64 {
        match self {
            Self::NeverReads | Self::Slow => 2.0 * 1024.0,
            Self::Flood => 32.0 * 2.0 * 1024.0,
            Self::Silent => 2000.0 * 3.0,
        }
    }
}

impl FromStr for Abuse {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        let abuse = Self::ALL.into_iter().find(|abuse| abuse.name() == name);
        abuse.ok_or_else(|| io::Error::other("no such abuse"))
    }
}

/// 64 clients ask one thing at a time, first alone, then beside `abuse`.
pub(crate) fn measure(server: &Server, abuse: Abuse, pace: Pace) -> io::Result<Vec<f64>> {
    let mut load = Load::connect(server.port, 64)?.speak(&Message::login());
    load.say_up_to(1)?;
    ask_for(&mut load, pace.warm_up)?;
    let quiet = ask_for(&mut load, pace.measured)?;
    let before = resident(server.id(), meter::NOW)?;
    forget_peak(server.id())?;
    let _abuser = Helper::start(&["abuse", abuse.name(), &server.port.to_string()])?;
    let meanwhile = ask_for(&mut load, pace.measured)?;
    let grown = resident(server.id(), meter::PEAK)? - before;
    Ok(vec![quiet, meanwhile, meanwhile / quiet, grown.max(0.0) / 1024.0])
}

/// The 99th percentile of the time an answer takes, in microseconds.
fn ask_for(load: &mut Load, time: Duration) -> io::Result<f64> {
    load.times.clear();
    let begun = Instant::now();
    while begun.elapsed() < time {
        load.keep_in_flight(1)?;
    }
    Ok(percentile(&mut load.times, 99))
}

/// The process of an abuser. The others come first where they share a CPU with it: not how busy it
/// keeps the clients is measured, but how busy it keeps the server.
pub(crate) fn commit(abuse: Abuse, port: u16) -> io::Result<()> {
    run_on(CLIENT_CPU);
    rustix::process::nice(19)?;
    end_with_stdin();
    println!("begun");
    let frames = Message::login().frame().repeat(500);
    match abuse {
        Abuse::NeverReads => loop {
            if let Err(error) = say_all(&mut connect(port)?, &frames)
                && !is_cut_off(&error)
            {
                return Err(error);
            }
        },
        Abuse::Slow => {
            let mut socket = connect(port)?;
            for byte in &frames {
                socket.write_all(&[*byte])?;
                sleep(Duration::from_secs(1));
            }
            Ok(())
        }
        Abuse::Flood => flood(port, &frames),
        Abuse::Silent => {
            let sockets: io::Result<Vec<_>> = (0..2000).map(|_| connect(port)).collect();
            sleep(Duration::from_secs(3600));
            sockets.map(drop)
        }
    }
}

/// Says the same for ever.
fn say_all(socket: &mut TcpStream, frames: &[u8]) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    loop {
        socket.write_all(frames)?;
    }
}

fn flood(port: u16, frames: &[u8]) -> io::Result<()> {
    let sockets: io::Result<Vec<_>> = (0..32).map(|_| connect(port)).collect();
    // Where in the frames each of them is.
    let mut sockets: Vec<_> = sockets?.into_iter().map(|socket| (socket, 0)).collect();
    let mut heard = vec![0; 64 * 1024];
    loop {
        for (socket, at) in &mut sockets {
            *at = (*at + unless_full(socket.write(&frames[*at..]))?) % frames.len();
            unless_full(socket.read(&mut heard))?;
        }
    }
}

fn unless_full(done: io::Result<usize>) -> io::Result<usize> {
    match done {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        done => done,
    }
}

fn is_cut_off(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
