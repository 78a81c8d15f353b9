//! Handing an event to who may be slow to take it.

use tokio::sync::mpsc;

/// Waits until `event` fits among those that wait to be taken. When nobody listens any more it is
/// forgotten. Cancel-safe: until then it stays where it is.
pub(crate) async fn deliver<E>(events: &mpsc::Sender<E>, event: &mut Option<E>) {
    let permit = events.reserve().await;
    if let (Some(event), Ok(permit)) = (event.take(), permit) {
        permit.send(event);
    }
}
