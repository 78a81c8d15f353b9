//! What a service manager gives us, and wants to hear.

use std::io;

use connection_handler::transport::secure::PortSockets;
use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The sockets of `LISTEN_FDS`: TCP and UDP in any number and order. None, when nobody has handed
/// us any.
///
/// To be called before there are other threads: it changes the environment.
///
/// # Errors
///
/// When one of them is neither.
pub fn inherited_sockets() -> io::Result<PortSockets> {
    let (mut inherited, mut sockets) = (ListenFd::from_env(), PortSockets::default());
    for index in 0..inherited.len() {
        // A socket of another type is left where it is.
        if let Ok(Some(tcp)) = inherited.take_tcp_listener(index) {
            sockets.tcp.push(tcp);
        } else {
            sockets.udp.extend(inherited.take_udp_socket(index)?);
        }
    }
    Ok(sockets)
}

/// Tells the service manager, if there is one that wants to know.
pub(crate) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
