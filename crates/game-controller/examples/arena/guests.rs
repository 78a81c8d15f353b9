//! The connections of players: lines over TCP.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// Who is connected, in the game or not yet.
#[derive(Debug)]
pub(crate) struct Guests {
    listener: TcpListener,
    connected: BTreeMap<u32, Guest>,
    /// Numbers are not used twice.
    next: u32,
}

#[derive(Debug)]
struct Guest {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Something a guest has done.
#[derive(Debug)]
pub(crate) enum Deed {
    Said(String),
    Left,
}

impl Guests {
    pub(crate) fn listen(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, connected: BTreeMap::new(), next: FIRST })
    }

    /// What has happened since the last time.
    pub(crate) fn deeds(&mut self) -> Vec<(u32, Deed)> {
        while self.connected.len() < MAX_GUESTS
            && let Ok((stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_ok() {
                self.connected.insert(self.next, Guest { stream, received: Vec::new() });
                self.next += 1;
            }
        }
        let mut deeds = Vec::new();
        for (number, guest) in &mut self.connected {
            let there = guest.receive();
            deeds.extend(guest.lines().map(|line| (*number, Deed::Said(line))));
            if !there {
                deeds.push((*number, Deed::Left));
            }
        }
        for (number, deed) in &deeds {
            if matches!(deed, Deed::Left) {
                self.connected.remove(number);
            }
        }
        deeds
    }

    /// Tells one of them. Who does not listen does not hear it.
    pub(crate) fn tell(&mut self, number: u32, line: &str) {
        if let Some(guest) = self.connected.get_mut(&number) {
            let _ = guest.stream.write_all(format!("{line}\n").as_bytes());
        }
    }

    pub(crate) fn tell_all(&mut self, line: &str) {
        let all: Vec<_> = self.connected.keys().copied().collect();
        all.into_iter().for_each(|number| self.tell(number, line));
    }

    pub(crate) fn send_away(&mut self, number: u32) {
        self.connected.remove(&number);
    }
}

impl Guest {
    /// Whether the guest is still there.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 512];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) if self.received.len() + length > MAX_LINE => return false,
                Ok(length) => self.received.extend(&buffer[..length]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        let end = self.received.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.received.split_off(end);
        let lines = std::mem::replace(&mut self.received, rest);
        let lines = String::from_utf8_lossy(&lines).into_owned();
        lines.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }
}

/// Below are the numbers of bots.
pub(crate) const FIRST: u32 = 1000;

/// Further ones wait to be accepted.
const MAX_GUESTS: usize = 256;

/// Who says more at once is sent away.
const MAX_LINE: usize = 4096;
