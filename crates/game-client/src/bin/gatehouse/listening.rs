//! Taking events while something else is awaited.

use std::collections::VecDeque;

use game_client::{SessionEnd, SessionEvents};

use crate::link::Notice;

/// The events of a session. Answers stand behind them, so they are taken while one is awaited.
#[derive(Debug)]
pub(crate) struct Listening {
    events: SessionEvents,
    /// Taken, and not asked for yet.
    waiting: VecDeque<Notice>,
}

impl Listening {
    pub(crate) fn new(events: SessionEvents) -> Self {
        Self { events, waiting: VecDeque::new() }
    }

    /// Waits for the next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Notice, SessionEnd> {
        match self.waiting.pop_front() {
            Some(notice) => Ok(notice),
            None => Ok(self.events.next().await?.into()),
        }
    }

    /// Waits for `work`, and keeps what is said meanwhile for [`next`](Self::next).
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut open = true;
        loop {
            let room = self.waiting.len() < MAX_WAITING;
            tokio::select! {
                biased;
                done = &mut work => return done,
                event = self.events.next(), if open && room => match event {
                    Ok(event) => self.waiting.push_back(event.into()),
                    // It is said again to whom asks for the next event.
                    Err(_) => open = false,
                },
            }
        }
    }
}

/// Events kept while a request is awaited; further ones wait in the connection.
const MAX_WAITING: usize = 1024;
