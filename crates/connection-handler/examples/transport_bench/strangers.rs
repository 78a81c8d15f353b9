//! Who says the first words of a handshake, or nothing at all.

use std::{
    collections::HashSet,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use quinn::Endpoint;
use tokio::{
    net::{TcpSocket, TcpStream, UdpSocket},
    time::{Instant, interval, sleep_until, timeout},
};

use crate::{load::PATIENCE, target::quic, tls};

/// A crowd of them.
pub(crate) struct Strangers {
    server: SocketAddr,
    /// The first packets of clients of QUIC.
    initials: Vec<Vec<u8>>,
}

impl Strangers {
    pub(crate) async fn new(server: SocketAddr, folder: &Path) -> io::Result<Self> {
        Ok(Self { server, initials: initials(folder).await? })
    }

    /// Each second so many first packets from one address, and so many attempts at having as many
    /// silent connections from there.
    pub(crate) async fn flood(&self) -> io::Result<()> {
        let udp = UdpSocket::bind((FROM, 0)).await?;
        let mut silent: Vec<Option<TcpStream>> = (0..CROWD).map(|_| None).collect();
        let (mut sent, mut received) = (0, 0);
        let mut turn = interval(PERIOD);
        let ended = begin();
        for number in (0..CROWD).cycle() {
            turn.tick().await;
            if ended.load(Ordering::Relaxed) {
                break;
            }
            // What does not fit is lost, as it would be on the way.
            sent += udp.try_send_to(&self.initials[number], self.server).unwrap_or(0);
            received += receive(&udp);
            let closed = |stream: &TcpStream| !matches!(stream.try_read(&mut [0; 64]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            if silent[number].as_ref().is_none_or(closed) {
                silent[number] = self.silent().await.ok();
            }
        }
        println!("{sent} {received}");
        Ok(())
    }

    async fn silent(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((FROM, 0).into())?;
        timeout(PERIOD, socket.connect(self.server)).await?
    }

    /// Each says its first words, from an address of its own, and listens until it is told to end.
    pub(crate) async fn speak_once(&self) -> io::Result<()> {
        let mut sockets = Vec::new();
        for number in 0..CROWD {
            let [high, low] = u16::try_from(number).map_err(io::Error::other)?.to_be_bytes();
            sockets.push(UdpSocket::bind((Ipv4Addr::new(127, 0, 10 + high, low), 0)).await?);
        }
        let ended = begin();
        let (mut sent, mut received) = (0, 0);
        let mut turn = interval(PERIOD);
        for (socket, initial) in sockets.iter().zip(&self.initials) {
            turn.tick().await;
            sent += socket.send_to(initial, self.server).await?;
        }
        while !ended.load(Ordering::Relaxed) {
            received += sockets.iter().map(receive).sum::<usize>();
            sleep_until(Instant::now() + Duration::from_millis(20)).await;
        }
        println!("{sent} {received}");
        Ok(())
    }
}

/// Everything that waits to be received, in bytes.
fn receive(socket: &UdpSocket) -> usize {
    let mut buffer = [0; 2000];
    std::iter::from_fn(|| Some(socket.try_recv_from(&mut buffer).ok()?.0)).sum()
}

/// Says that it begins. What it returns becomes true when standard input ends.
fn begin() -> Arc<AtomicBool> {
    println!("begun");
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        end.store(true, Ordering::Relaxed);
    });
    ended
}

/// The first packets of so many clients.
async fn initials(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let black_hole = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = black_hole.local_addr()?;
    let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
    endpoint.set_default_client_config(quic(folder)?);
    let (mut initials, mut known) = (Vec::new(), HashSet::new());
    while initials.len() < CROWD {
        let _connecting = endpoint.connect(addr, tls::NAME).map_err(io::Error::other)?;
        // Only the first packet of each: who is given up says goodbye.
        let first = async {
            loop {
                let mut packet = vec![0; 2000];
                let (length, _) = black_hole.recv_from(&mut packet).await?;
                packet.truncate(length);
                // By the id that it gives the server.
                if packet.get(6..14).is_some_and(|id| known.insert(id.to_vec())) {
                    return io::Result::Ok(packet);
                }
            }
        };
        initials.push(timeout(PATIENCE, first).await??);
    }
    Ok(initials)
}

/// So many of each kind, and so many of each kind a second.
const CROWD: usize = 500;
const PERIOD: Duration = Duration::from_millis(2);
const FROM: Ipv4Addr = Ipv4Addr::new(127, 66, 6, 1);
