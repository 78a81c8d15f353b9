//! Questions of the login server that a keeper has to answer.

use std::{collections::BTreeMap, time::Instant};

use protocol::RequestId;

use super::ANSWER_WITHIN;
use crate::config::ServerName;

/// Questions without an answer. A keeper knows them by numbers of ours: those of the login server
/// begin anew when it does.
#[derive(Debug, Default)]
pub(super) struct Asked {
    next: u32,
    open: BTreeMap<u32, Question>,
}

#[derive(Debug)]
struct Question {
    request: RequestId,
    server: ServerName,
    until: Instant,
}

impl Asked {
    /// Notes a question. `None`: there are too many.
    pub(super) fn ask(
        &mut self,
        server: &ServerName,
        request: RequestId,
        now: Instant,
    ) -> Option<RequestId> {
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        self.next = self.next.wrapping_add(1);
        let question = Question { request, server: server.clone(), until: now + ANSWER_WITHIN };
        self.open.insert(self.next, question);
        Some(RequestId(self.next))
    }

    /// The login server's number of a question that `server` has answered. `None`: it was not
    /// asked, or the answer is late.
    pub(super) fn answered(
        &mut self,
        server: &ServerName,
        request: RequestId,
    ) -> Option<RequestId> {
        let question = self.open.get(&request.0)?;
        if question.server != *server {
            return None;
        }
        self.open.remove(&request.0).map(|question| question.request)
    }

    /// Questions that nobody will answer.
    pub(super) fn keeper_gone(&mut self, server: &ServerName) -> Vec<RequestId> {
        self.take(|question| question.server == *server)
    }

    /// Questions whose answer would be too late.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<RequestId> {
        self.take(|question| question.until <= now)
    }

    /// Nobody waits for answers any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn take(&mut self, which: impl Fn(&Question) -> bool) -> Vec<RequestId> {
        let taken = self.open.extract_if(.., |_, question| which(question));
        taken.map(|(_, question)| question.request).collect()
    }
}

/// Who asks further is told that the server is not ready.
const MAX_OPEN: usize = 4096;
