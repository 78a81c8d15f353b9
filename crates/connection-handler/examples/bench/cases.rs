//! What is measured, and what is asked of it.

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use crate::{
    abuse::{self, Abuse},
    codec::Message,
    load::{Load, STALLED, connect},
    meter::{self, SystemCalls, on_cpu, resident},
    report::{
        Figure,
        Target::{self, Any, AtLeast, AtMost, OursAtMost},
    },
    server::{CLIENT_CPU, SERVER_CPU, Server, run_on},
};

/// Something both designs do, and the figures it gives.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) figures: Vec<Figure>,
    /// Where it belongs on the curve of costs over connections.
    pub(crate) point: Option<usize>,
    wire: &'static str,
    /// Which of ours: as it is, `held` to a rate, or `seen` by metrics, a log and a capture.
    ours: &'static str,
    work: Work,
}

enum Work {
    /// Each client keeps `window` messages in flight, and hears their echo.
    Echo { clients: usize, window: usize, message: fn() -> Message },
    /// One client keeps `window` broadcasts in flight, all clients hear them.
    FanOut { clients: usize, window: usize },
    /// One client on this CPU, one message in flight.
    PingPong { cpu: usize },
    /// As `Echo`, in steps: so both designs find the same.
    SystemCalls { clients: usize, window: usize },
    /// As `Echo` or `FanOut`, in steps, where every instruction is counted.
    Instructions { clients: usize, fan_out: bool },
    /// Clients that have said something once.
    Idle { clients: usize },
    /// Some behave badly.
    Abuse(Abuse),
}

/// How long the load of one run lasts.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Everything there is, with at most `most` clients. What is asked of each is the column
/// *excellent* of the project's targets.
pub(crate) fn all(most: usize) -> Vec<Case> {
    let most = most.min(10_000);
    let mut cases = Vec::new();
    for (clients, window, throughput, cpu) in [
        (1, 256, AtLeast(0.90), Any),
        (64, 256, AtLeast(0.90), AtMost(1.25)),
        (1000, 256, AtLeast(0.85), Any),
        (most, 256, Any, Any),
        (1, 1, Any, Any),
        (64, 1, Any, Any),
        (1000, 1, AtLeast(0.80), Any),
        (most, 1, Any, Any),
    ] {
        let case = Case::echo(clients, window, "64 B", throughput, cpu);
        cases.push(Case { point: (window == 256).then_some(clients), ..case });
    }
    // 256 deep, a thousand clients would have a gigabyte in flight: that measures the kernel.
    for (clients, window) in
        [(1, 256), (64, 256), (1000, 16), (1, 1), (64, 1), (1000, 1), (most, 1)]
    {
        cases.push(Case::echo(clients, window, "4 KiB", Any, Any));
    }
    cases.push(Case::echo(64, 256, "64 B", AtLeast(0.90), AtMost(1.15)).over("serde"));
    cases.push(Case::echo(64, 256, "64 B", AtLeast(0.90), AtMost(1.25)).over("bare"));
    let seen = Case::echo(64, 256, "64 B", AtLeast(0.90), AtMost(1.25));
    cases.push(Case { name: format!("{}, seen", seen.name), ours: "seen", ..seen });
    for (name, cpu, limit) in [("one core", SERVER_CPU, 1.08), ("two cores", CLIENT_CPU, 1.05)] {
        let figures = [Figure::new("p50 us", AtMost(limit)), Figure::new("p99 us", Any)];
        cases.push(Case::new(format!("ping-pong, {name}"), figures, Work::PingPong { cpu }));
    }
    for (clients, window, cpu) in [(1000, 1, 1.15), (1000, 16, 1.25), (most, 1, 1.15)] {
        let name = format!("fan-out to {clients}, {window} in flight");
        let work = Work::FanOut { clients, window };
        cases.push(Case::new(name, load_figures(Any, AtMost(cpu)), work));
    }
    for (clients, window, limit) in [(64, 256, AtMost(1.1)), (64, 1, Any), (1000, 1, Any)] {
        let calls = [Figure::new("a message", limit)];
        let work = Work::SystemCalls { clients, window };
        cases.push(Case::new(format!("system calls {clients}x{window}"), calls, work));
    }
    for (what, clients, fan_out, wire) in [
        ("echo 64x256", 64, false, "serde"),
        ("echo 64x256", 64, false, "derive"),
        ("echo 64x256", 64, false, "bare"),
        ("fan-out to 1000", 1000, true, "derive"),
    ] {
        let count = [Figure::new("a message", Any)];
        let case = Case::new(
            format!("instructions, {what}"),
            count,
            Work::Instructions { clients, fan_out },
        );
        cases.push(case.over(wire));
    }
    let bytes = [Figure::new("bytes each", OursAtMost(3072.0))];
    let work = Work::Idle { clients: most };
    cases.push(Case::new(format!("idle, {most} connections"), bytes, work));
    let abuse = |abuse: Abuse| Case::new(abuse.name(), abuse.figures(), Work::Abuse(abuse));
    cases.extend(Abuse::ALL.map(abuse));
    let held = abuse(Abuse::Flood);
    cases.push(Case { name: format!("{}, held to a rate", held.name), ours: "held", ..held });
    cases
}

fn load_figures(throughput: Target, cpu: Target) -> [Figure; 2] {
    [Figure::new("k/s", throughput), Figure::new("CPU ns", cpu)]
}

impl Case {
    fn new(name: impl Into<String>, figures: impl Into<Vec<Figure>>, work: Work) -> Self {
        let (name, figures) = (name.into(), figures.into());
        Self { name, figures, point: None, wire: "derive", ours: "ours", work }
    }

    fn echo(clients: usize, window: usize, size: &str, throughput: Target, cpu: Target) -> Self {
        let message = if size == "64 B" { Message::login } else { Message::bulk };
        let work = Work::Echo { clients, window, message };
        let name = format!("echo {clients}x{window}, {size}");
        Self::new(name, load_figures(throughput, cpu), work)
    }

    fn over(self, wire: &'static str) -> Self {
        Self { name: format!("{}, {wire}", self.name), wire, ..self }
    }

    /// The figures of one design: a server, and a load for it.
    pub(crate) fn measure(&self, design: &str, pace: Pace) -> io::Result<Vec<f64>> {
        let design = if design == "ours" { self.ours } else { design };
        let server = &Server::start(design, self.wire)?;
        match self.work {
            Work::Echo { clients, window, message } => {
                let mut load = Load::connect(server.port, clients)?.speak(&message());
                load.say_up_to(window)?;
                // The first messages of each are not measured: buffers grow with them.
                let first = clients * window;
                measure(&mut load, server, pace, first, |load| load.keep_in_flight(window))
            }
            Work::FanOut { clients, window } => {
                let mut load = Load::connect(server.port, clients)?.speak(&Message::broadcast());
                measure(&mut load, server, pace, clients, |load| {
                    load.first_says_up_to(load.messages() / clients + window)?;
                    load.hear()
                })
            }
            Work::PingPong { cpu } => {
                run_on(cpu);
                let times = ping_pong(server, pace);
                run_on(CLIENT_CPU);
                times
            }
            Work::SystemCalls { clients, window } => system_calls(server, clients, window),
            // Of servers of its own, which are slow.
            Work::Instructions { clients, fan_out } => {
                instructions(design, self.wire, clients, fan_out)
            }
            Work::Idle { clients } => idle(server, clients),
            Work::Abuse(abuse) => abuse::measure(server, abuse, pace),
        }
    }
}

/// Messages heard, and what each has cost the server, while `step` is repeated.
fn measure(
    load: &mut Load,
    server: &Server,
    pace: Pace,
    first: usize,
    mut step: impl FnMut(&mut Load) -> io::Result<()>,
) -> io::Result<Vec<f64>> {
    let started = Instant::now();
    while started.elapsed() < pace.warm_up || load.messages() < first {
        step(load)?;
    }
    let (begun, messages, cpu) = (Instant::now(), load.messages(), on_cpu(server.id())?);
    // With many clients some come late: no figure is taken before there is something to divide.
    while begun.elapsed() < pace.measured || load.messages() < messages + load.clients() {
        step(load)?;
    }
    let cpu = on_cpu(server.id())? - cpu;
    let messages = (load.messages() - messages) as f64;
    Ok(vec![messages / begun.elapsed().as_secs_f64() / 1000.0, cpu / messages])
}

/// Median and 99th percentile of the time from a message to its echo, in microseconds. The client
/// sleeps in the `read`, as the server does in its `epoll_wait`.
fn ping_pong(server: &Server, pace: Pace) -> io::Result<Vec<f64>> {
    let frame = Message::login().frame();
    let mut socket = connect(server.port)?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(STALLED))?;
    let (mut echo, mut times) = (vec![0; frame.len()], Vec::new());
    let started = Instant::now();
    while started.elapsed() < pace.warm_up + pace.measured {
        let sent = Instant::now();
        socket.write_all(&frame)?;
        socket.read_exact(&mut echo)?;
        if echo != frame {
            return Err(io::Error::other("not an echo"));
        }
        if started.elapsed() > pace.warm_up {
            times.push(sent.elapsed().as_nanos() as f64 / 1000.0);
        }
    }
    Ok(vec![percentile(&mut times, 50), percentile(&mut times, 99)])
}

fn system_calls(server: &Server, clients: usize, window: usize) -> io::Result<Vec<f64>> {
    let mut load = Load::connect(server.port, clients)?.speak(&Message::login());
    let Some(calls) = SystemCalls::count(server.id())? else {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "neither perf nor strace can count",
        ));
    };
    for step in 1..=STEPS {
        load.say_up_to(step * window)?;
        load.hear_all(step * window)?;
    }
    Ok(vec![calls.end()? / load.messages() as f64])
}

/// Instructions outside of the kernel for each message: of two servers, one hears more.
fn instructions(design: &str, wire: &str, clients: usize, fan_out: bool) -> io::Result<Vec<f64>> {
    let count = |steps| -> io::Result<(f64, usize)> {
        let server = Server::start_counting(design, wire)?;
        let message = if fan_out { Message::broadcast() } else { Message::login() };
        let mut load = Load::connect(server.port, clients)?.speak(&message);
        for step in 1..=steps {
            if fan_out {
                load.first_says_up_to(step)?;
                load.hear_all(step)?;
            } else {
                load.say_up_to(step * 256)?;
                load.hear_all(step * 256)?;
            }
        }
        let messages = load.messages();
        drop(load);
        Ok((meter::instructions(&server.end()?)?, messages))
    };
    let ((few, less), (many, more)) = (count(STEPS / 25)?, count(STEPS / 5)?);
    Ok(vec![(many - few) / (more - less) as f64])
}

/// Resident memory for each connection that has said something and is silent now. The first few
/// are not counted: they pay for what all share.
fn idle(server: &Server, clients: usize) -> io::Result<Vec<f64>> {
    let first = Load::connect(server.port, SHARED)?;
    let before = resident(server.id(), meter::NOW)?;
    let others = Load::connect(server.port, clients.saturating_sub(first.clients()))?;
    Ok(vec![(resident(server.id(), meter::NOW)? - before) / others.clients() as f64])
}

/// The value that `percent` of `times` do not exceed.
pub(crate) fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    let last = times.len().saturating_sub(1);
    times.get((times.len() * percent / 100).min(last)).copied().unwrap_or(f64::NAN)
}

const STEPS: usize = 50;
const SHARED: usize = 500;
