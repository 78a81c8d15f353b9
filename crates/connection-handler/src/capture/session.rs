//! One file, while it is being written.

use std::{
    collections::HashSet,
    io::{self, BufWriter, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    CaptureConfig, EndCause, Ending, Exposure, Scope,
    format::{Draft, LAST_WORDS, MAX_PAYLOAD, header},
    tap::Tapped,
};

/// Puts records together, and hands them to the thread that writes them.
pub(super) struct Session {
    config: CaptureConfig,
    started: Instant,
    records: SyncSender<Vec<u8>>,
    backlog: Arc<AtomicUsize>,
    /// What the thread writes when nothing more can come.
    last_words: Arc<OnceLock<Vec<u8>>>,
    thread: Ending,
    /// What the file may still grow by.
    room: u64,
    /// Records that are missing since the last one that is not.
    missing: u64,
    /// Of whom the file knows who they are.
    introduced: HashSet<u64>,
    over: Option<EndCause>,
}

impl Session {
    pub(super) fn start(
        file: impl Write + Send + 'static,
        mut config: CaptureConfig,
    ) -> io::Result<Self> {
        config.max_payload = config.max_payload.min(MAX_PAYLOAD);
        let (sender, records) = sync_channel(MAX_RECORDS);
        let (backlog, last_words) = (Arc::<AtomicUsize>::default(), Arc::<OnceLock<_>>::default());
        let header = header(SystemTime::now());
        let room = config.max_bytes.saturating_sub(header.len() as u64 + LAST_WORDS);
        let scribe = Scribe { records, backlog: backlog.clone(), last_words: last_words.clone() };
        let thread = thread::Builder::new().name("capture".into()).spawn(move || {
            let written = scribe.write(file, &header);
            if let Err(error) = &written {
                tracing::error!(%error, "the capture cannot be written");
            }
            written
        })?;
        Ok(Self {
            config,
            started: Instant::now(),
            records: sender,
            backlog,
            last_words,
            thread: Ending(thread),
            room,
            missing: 0,
            introduced: HashSet::new(),
            over: None,
        })
    }

    /// Why the session has to [end](Self::end), if it has to.
    pub(super) fn is_over(&self) -> Option<EndCause> {
        self.over
    }

    /// Ends the file, after what is recorded already.
    pub(super) fn end(self, cause: EndCause) -> Ending {
        let at = self.now();
        let mut words = match self.missing {
            0 => Vec::new(),
            missing => Draft::gap(at, missing),
        };
        words.extend(Draft::end(at, cause));
        // Nobody else sets it.
        let _ = self.last_words.set(words);
        self.thread
    }

    /// Whether the messages of this peer are recorded.
    pub(super) fn covers(&self, tapped: &Tapped) -> bool {
        match &self.config.scope {
            Scope::Everybody => true,
            Scope::Kind(kind) => kind == tapped.kind,
            Scope::Peer(peer) => *peer == tapped.peer,
        }
    }

    /// Most bytes of a message that are of use.
    pub(super) fn max_payload(&self) -> usize {
        self.config.max_payload
    }

    /// Says who a peer is, unless that was said already.
    pub(super) fn introduce(&mut self, tapped: &Tapped) {
        let peer = tapped.peer.as_u64();
        if self.covers(tapped) && !self.introduced.contains(&peer) {
            let Tapped { kind, transport, remote_addr, .. } = tapped;
            let record = Draft::connected(self.now(), peer, kind, transport, *remote_addr);
            if self.add(record) {
                self.introduced.insert(peer);
            }
        }
    }

    /// A message of `length` bytes, that begins with `payload`.
    pub(super) fn message(
        &mut self,
        tapped: &Tapped,
        outgoing: bool,
        exposure: Exposure,
        length: usize,
        payload: &[u8],
    ) {
        self.introduce(tapped);
        let payload = &payload[..payload.len().min(self.config.max_payload)];
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let peer = tapped.peer.as_u64();
        self.add(Draft::message(self.now(), peer, outgoing, exposure, length, payload));
    }

    /// A peer is gone.
    pub(super) fn disconnected(&mut self, tapped: &Tapped, reason: &str) {
        self.introduce(tapped);
        self.introduced.remove(&tapped.peer.as_u64());
        self.add(Draft::disconnected(self.now(), tapped.peer.as_u64(), reason));
    }

    /// Hands `record` to the thread, without ever waiting. Whether it was taken.
    fn add(&mut self, record: Vec<u8>) -> bool {
        if self.over.is_some() {
            return false;
        }
        if self.missing > 0 && self.hand_over(Draft::gap(self.now(), self.missing)) {
            self.missing = 0;
        }
        let taken = self.missing == 0 && self.hand_over(record);
        self.missing += u64::from(!taken);
        taken
    }

    fn hand_over(&mut self, record: Vec<u8>) -> bool {
        let length = record.len();
        let Some(room) = self.room.checked_sub(length as u64) else {
            self.over = Some(EndCause::Full);
            return false;
        };
        if self.backlog.load(Ordering::Relaxed) + length > MAX_BACKLOG {
            return false;
        }
        self.backlog.fetch_add(length, Ordering::Relaxed);
        match self.records.try_send(record) {
            Ok(()) => {
                self.room = room;
                true
            }
            Err(error) => {
                self.backlog.fetch_sub(length, Ordering::Relaxed);
                if matches!(error, TrySendError::Disconnected(_)) {
                    self.over = Some(EndCause::Stopped);
                }
                false
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What the thread does.
struct Scribe {
    records: Receiver<Vec<u8>>,
    backlog: Arc<AtomicUsize>,
    last_words: Arc<OnceLock<Vec<u8>>>,
}

impl Scribe {
    /// Writes until nothing more can come. Nothing is left in memory while nothing comes.
    fn write(self, file: impl Write, header: &[u8]) -> io::Result<()> {
        let mut file = BufWriter::new(file);
        file.write_all(header)?;
        file.flush()?;
        while let Ok(record) = self.records.recv() {
            let mut next = Some(record);
            while let Some(record) = next {
                file.write_all(&record)?;
                self.backlog.fetch_sub(record.len(), Ordering::Relaxed);
                next = self.records.try_recv().ok();
            }
            file.flush()?;
        }
        file.write_all(self.last_words.get().map_or(&[][..], Vec::as_slice))?;
        file.flush()
    }
}

/// Most records, and most bytes, that wait to be written. Further ones are left out.
const MAX_RECORDS: usize = 4096;
const MAX_BACKLOG: usize = 4 * 1024 * 1024;
