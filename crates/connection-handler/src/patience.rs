//! How long a peer may take.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::{ConnectionConfig, DisconnectReason, Timeout};

/// Watches how long a peer says nothing, or nothing whole.
///
/// Costs a look at the clock per read, and a timer only while there is something to wait for.
pub(crate) struct Patience {
    /// Until when there must be a first message. `None`: there was one, or none is needed.
    first_message: Option<Instant>,
    /// When the last bytes came.
    heard: Instant,
    /// When the message began that is not whole.
    begun: Option<Instant>,
    /// Rings at the earliest possible time, and is only moved then: not with every read.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new(config: &ConnectionConfig) -> Self {
        let now = Instant::now();
        let first_message = config.first_message_timeout.map(|limit| now + limit);
        Self { first_message, heard: now, begun: None, alarm: None }
    }

    /// Something was read: whole messages or none, and perhaps the beginning of the next one.
    pub(crate) fn heard(&mut self, config: &ConnectionConfig, messages: bool, beginning: bool) {
        // Who has no use for the time does not ask for it.
        if beginning || config.idle_timeout.is_some() {
            self.heard = Instant::now();
        }
        self.begun = match self.begun.filter(|_| !messages) {
            _ if !beginning => None,
            None => Some(self.heard),
            earlier => earlier,
        };
        if messages && self.first_message.take().is_some() && self.next(config).is_none() {
            self.alarm = None;
        }
    }

    /// The peer had to wait for us: that time is not held against it.
    pub(crate) fn forgive(&mut self, waited: Duration) {
        self.heard += waited;
        for since in [&mut self.first_message, &mut self.begun].into_iter().flatten() {
            *since += waited;
        }
    }

    /// Ready when the peer has taken too long.
    pub(crate) fn poll_exhausted(
        &mut self,
        config: &ConnectionConfig,
        cx: &mut Context<'_>,
    ) -> Poll<DisconnectReason> {
        loop {
            let Some((deadline, reason)) = self.next(config) else { return Poll::Pending };
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if alarm.deadline() > deadline {
                alarm.as_mut().reset(deadline);
            }
            ready!(alarm.as_mut().poll(cx));
            // It may have rung for what has been heard since.
            if deadline <= Instant::now() {
                return Poll::Ready(reason);
            }
            alarm.as_mut().reset(deadline);
        }
    }

    /// What ends the patience first.
    fn next(&self, config: &ConnectionConfig) -> Option<(Instant, DisconnectReason)> {
        let first = self.first_message.map(|at| (at, Timeout::FirstMessage.into()));
        let message = self.begun.map(|at| (at + config.message_timeout, Timeout::Message.into()));
        let idle = config.idle_timeout.map(|limit| (self.heard + limit, DisconnectReason::Idle));
        first.into_iter().chain(message).chain(idle).min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Test {
        config: ConnectionConfig,
        patience: Patience,
    }

    impl Test {
        fn heard(&mut self, messages: bool, beginning: bool) {
            self.patience.heard(&self.config, messages, beginning);
        }
    }

    fn patience(first: Option<u32>, message: u32, idle: Option<u32>) -> Test {
        let config = ConnectionConfig {
            first_message_timeout: first.map(|seconds| SECOND * seconds),
            message_timeout: SECOND * message,
            idle_timeout: idle.map(|seconds| SECOND * seconds),
            ..ConnectionConfig::default()
        };
        Test { patience: Patience::new(&config), config }
    }

    async fn exhausted(test: &mut Test) -> DisconnectReason {
        poll_fn(|cx| test.patience.poll_exhausted(&test.config, cx)).await
    }

    /// Waits until the patience ends, which must be after so many seconds.
    async fn ends_after(test: &mut Test, seconds: u32) -> DisconnectReason {
        let begin = Instant::now();
        let reason = timeout(SECOND * 1000, exhausted(test)).await.expect("it ends");
        let error = begin.elapsed().abs_diff(SECOND * seconds);
        assert!(error < Duration::from_millis(10), "after {:?}", begin.elapsed());
        reason
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_message_must_come() {
        let mut patience = patience(Some(10), 30, Some(20));
        patience.heard(false, true);
        advance(SECOND).await;
        patience.heard(false, false);
        let reason = ends_after(&mut patience, 9).await;
        assert!(matches!(reason, DisconnectReason::Timeout(Timeout::FirstMessage)));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_first_message_only_silence_counts() {
        let mut patience = patience(Some(10), 30, Some(20));
        advance(SECOND * 9).await;
        patience.heard(true, false);
        advance(SECOND * 15).await;
        patience.heard(true, false);
        assert!(matches!(ends_after(&mut patience, 20).await, DisconnectReason::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn one_byte_a_second_does_not_make_a_message_longer() {
        let mut patience = patience(None, 30, Some(20));
        for _ in 0..25 {
            patience.heard(false, true);
            assert!(timeout(SECOND, exhausted(&mut patience)).await.is_err());
        }
        let reason = ends_after(&mut patience, 5).await;
        assert!(matches!(reason, DisconnectReason::Timeout(Timeout::Message)));
    }

    #[tokio::test(start_paused = true)]
    async fn every_message_has_its_own_time() {
        let mut patience = patience(None, 30, None);
        for _ in 0..5 {
            patience.heard(true, true);
            assert!(timeout(SECOND * 20, exhausted(&mut patience)).await.is_err());
        }
        patience.heard(true, false);
        assert!(timeout(SECOND * 1000, exhausted(&mut patience)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_limits_needs_no_timer() {
        let mut patience = patience(Some(10), 30, None);
        assert!(timeout(SECOND, exhausted(&mut patience)).await.is_err());
        patience.heard(true, false);
        assert!(patience.patience.alarm.is_none());
    }
}
