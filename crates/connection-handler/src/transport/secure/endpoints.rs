//! Several sockets for QUIC.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt, io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use quinn::{AsyncUdpSocket, Endpoint, Runtime as _, TokioRuntime, VarInt};
use tokio::{sync::watch, time::timeout};

use super::{
    QuicConfig, QuicConfigError,
    bind::{Families, udp},
    demux::{Demux, DemuxSocket},
    reset::endpoint_config,
    socket::SturdySocket,
};
use crate::{
    CloseCode,
    transport::{Health, keys::Identity},
};

/// Endpoints of QUIC, each with a UDP socket of its own: one for IPv4 and one for IPv6, for example.
///
/// A socket that dies is made anew, and its connections go on. Each address has keys of its own,
/// made from the identity and therefore the same after a restart: who was connected with the
/// process before hears at once that it is gone (a stateless reset, RFC 9000, section 10.3). Were
/// they the same for several addresses, anybody could have one of them reset a connection of
/// another.
///
/// An endpoint connects, too, and from the same socket. It accepts as soon as it is given a
/// [`ServerConfig`](quinn::ServerConfig).
pub struct EndpointSet {
    identity: Identity,
    members: BTreeMap<SocketAddr, Member>,
    health: watch::Sender<Health>,
    make: Arc<MakeSocket>,
    /// Who takes what is not QUIC, if anybody does.
    others: Option<Arc<Demux>>,
}

/// Makes a socket at an address, with so many bytes of room in the kernel.
pub(super) type MakeSocket =
    dyn Fn(SocketAddr, Families, usize) -> io::Result<Arc<dyn AsyncUdpSocket>> + Send + Sync;

struct Member {
    endpoint: Endpoint,
    config: QuicConfig,
    families: Families,
}

impl EndpointSet {
    /// No endpoint yet. Their keys will be made from those of `identity`.
    pub fn new(identity: &Identity) -> Self {
        let (members, health) = (BTreeMap::new(), watch::Sender::default());
        let identity = identity.clone();
        Self { identity, members, health, make: Arc::new(udp), others: None }
    }

    /// Has `others` take what is not QUIC from sockets that are made from now on.
    pub(super) fn share_with(&mut self, others: Arc<Demux>) {
        self.others = Some(others);
    }

    /// Sockets are made by `make`, in place of those that have died too: for who shares them with
    /// QUIC, or lets them die.
    #[cfg(test)]
    pub(super) fn with_sockets(self, make: Arc<MakeSocket>) -> Self {
        Self { make, ..self }
    }

    /// The endpoint at `addr`, which is made if there is none. Port 0 is always a new one.
    ///
    /// An address of IPv6 does not stand for IPv4, too: add one of IPv4.
    ///
    /// # Errors
    ///
    /// When there is one with another configuration; when the configuration cannot be; when the
    /// address is taken, or is not ours to take.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn add(
        &mut self,
        addr: SocketAddr,
        config: &QuicConfig,
    ) -> Result<&Endpoint, EndpointError> {
        self.add_for(addr, Families::One, config)
    }

    pub(super) fn add_for(
        &mut self,
        addr: SocketAddr,
        families: Families,
        config: &QuicConfig,
    ) -> Result<&Endpoint, EndpointError> {
        config.validate()?;
        if let Some(member) = self.members.get(&addr)
            && (&member.config, member.families) != (config, families)
        {
            return Err(EndpointError::Mismatch(addr));
        }
        if self.members.contains_key(&addr) {
            return Ok(&self.members[&addr].endpoint);
        }
        let room = config.receive_buffer;
        let make = self.make.clone();
        let bind = move |addr| make(addr, families, room);
        let socket = SturdySocket::bind(addr, bind, self.health.clone())
            .map_err(|error| EndpointError::Bind { addr, error })?;
        self.serve(socket, config, families).map_err(|error| EndpointError::Bind { addr, error })
    }

    /// An endpoint on a socket that somebody else has bound. When it fails it is not made anew but
    /// tried again: only they can bind it.
    pub(super) fn add_socket(
        &mut self,
        socket: UdpSocket,
        config: &QuicConfig,
    ) -> io::Result<&Endpoint> {
        config.validate().map_err(EndpointError::from)?;
        let addr = socket.local_addr()?;
        if self.members.contains_key(&addr) {
            return Err(EndpointError::Mismatch(addr).into());
        }
        socket.set_nonblocking(true)?;
        let again = move |_| TokioRuntime.wrap_udp_socket(socket.try_clone()?);
        let socket = SturdySocket::bind(addr, again, self.health.clone())?;
        self.serve(socket, config, Families::One)
    }

    fn serve(
        &mut self,
        socket: Arc<dyn AsyncUdpSocket>,
        config: &QuicConfig,
        families: Families,
    ) -> io::Result<&Endpoint> {
        let addr = socket.local_addr()?;
        let socket = match &self.others {
            Some(others) => Arc::new(DemuxSocket::new(socket, others.clone())),
            None => socket,
        };
        let (keys, runtime) = (endpoint_config(&self.identity, addr), Arc::new(TokioRuntime));
        let endpoint = Endpoint::new_with_abstract_socket(keys, None, socket, runtime)?;
        let member = Member { endpoint, config: config.clone(), families };
        Ok(match self.members.entry(addr) {
            Entry::Vacant(place) => &place.insert(member).endpoint,
            Entry::Occupied(mut place) => {
                place.insert(member);
                &place.into_mut().endpoint
            }
        })
    }

    /// Takes the endpoint at `addr` out. It accepts nobody from now on; its socket is closed when
    /// the last of its connections is over and the endpoint that is returned is dropped.
    pub fn remove(&mut self, addr: SocketAddr) -> Option<Endpoint> {
        let Member { endpoint, .. } = self.members.remove(&addr)?;
        endpoint.set_server_config(None);
        self.health.send_modify(|health| health.works(addr));
        Some(endpoint)
    }

    /// The endpoint at `addr`.
    pub fn get(&self, addr: SocketAddr) -> Option<&Endpoint> {
        self.members.get(&addr).map(|member| &member.endpoint)
    }

    /// All of them, by their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &Endpoint)> {
        self.members.iter().map(|(addr, member)| (*addr, &member.endpoint))
    }

    /// Accepts nobody from now on. Connections go on.
    pub fn stop_accepting(&self) {
        self.iter().for_each(|(_, endpoint)| endpoint.set_server_config(None));
    }

    /// Waits for `patience` until the connections of all of them are over, then ends the rest, and
    /// waits as long again for the others to hear of it.
    ///
    /// # Cancel safety
    ///
    /// Those that were not ended go on.
    pub async fn close(&self, patience: Duration) {
        self.stop_accepting();
        if timeout(patience, self.idle()).await.is_err() {
            let code = CloseCode::ShuttingDown.as_u64();
            let code = VarInt::from_u64(code).unwrap_or_default();
            self.iter().for_each(|(_, endpoint)| endpoint.close(code, b"shutting down"));
            let _ = timeout(patience, self.idle()).await;
        }
    }

    async fn idle(&self) {
        for (_, endpoint) in self.iter() {
            endpoint.wait_idle().await;
        }
    }

    /// How the sockets are, from now on.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }
}

impl fmt::Debug for EndpointSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.members.keys()).finish()
    }
}

/// Why there is no such endpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is one at this address already, and it is different.
    #[error("{0} is in use already, with another configuration")]
    Mismatch(SocketAddr),
    /// No connection can be like that.
    #[error(transparent)]
    Config(#[from] QuicConfigError),
    /// The address is taken, or is not ours to take.
    #[error("{addr}: {error}")]
    Bind {
        /// Which.
        addr: SocketAddr,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl From<EndpointError> for io::Error {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::Bind { error, .. } => error,
            EndpointError::Mismatch(_) => Self::new(io::ErrorKind::AddrInUse, error),
            EndpointError::Config(_) => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn adding_an_address_again_is_the_same_endpoint_and_another_configuration_an_error() {
        let mut set = EndpointSet::new(&Identity::ephemeral().unwrap());
        let config = QuicConfig::default();
        let addr = set.add(any_port(), &config).unwrap().local_addr().unwrap();
        set.add(addr, &config).unwrap();
        assert_eq!(set.iter().count(), 1);
        let other = QuicConfig { mtu_discovery: false, ..config.clone() };
        assert!(matches!(set.add(addr, &other), Err(EndpointError::Mismatch(at)) if at == addr));
        let wrong = QuicConfig { send_window: 0, ..config.clone() };
        assert!(matches!(set.add(any_port(), &wrong), Err(EndpointError::Config(_))));
        let second = set.add(any_port(), &config).unwrap().local_addr().unwrap();
        assert_ne!(second, addr);
        assert_eq!(set.iter().count(), 2);

        let removed = set.remove(addr).unwrap();
        assert!(set.get(addr).is_none() && set.remove(addr).is_none());
        drop(removed);
        let again = async {
            while std::net::UdpSocket::bind(addr).is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(8), again).await.expect("the port is free again");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error() {
        let taken = std::net::UdpSocket::bind(any_port()).unwrap();
        let addr = taken.local_addr().unwrap();
        let mut set = EndpointSet::new(&Identity::ephemeral().unwrap());
        let error = set.add(addr, &QuicConfig::default()).unwrap_err();
        assert!(matches!(&error, EndpointError::Bind { addr: at, .. } if *at == addr));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);
    }
}
