//! The time to a login server and back, without logging in.

use std::{io, net::SocketAddr, time::Duration};

use connection_handler::transport::datagram::Ping;
use tokio::{
    net::{UdpSocket, lookup_host},
    time::{Instant, sleep, timeout_at},
};

/// How long a datagram takes to `server` (`HOST:PORT`) and back: the shortest of up to three.
///
/// Needs neither an account nor to know the server's key, and proves nothing: whoever sees the
/// datagrams can answer them. The server answers a network only so often.
///
/// # Errors
///
/// [`TimedOut`](io::ErrorKind::TimedOut) when nothing is answered within a second, as where UDP does
/// not get through; otherwise when the name is not found, or nothing can be sent.
pub async fn ping(server: &str) -> io::Result<Duration> {
    let deadline = Instant::now() + PATIENCE;
    let within = timeout_at(deadline, async {
        let mut error = io::Error::from(io::ErrorKind::NotFound);
        for addr in lookup_host(server).await?.take(MAX_ADDRESSES) {
            match ping_one(addr).await {
                Ok(time) => return Ok(time),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    });
    within.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn ping_one(addr: SocketAddr) -> io::Result<Duration> {
    let any = if addr.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(addr).await?;
    let mut best = None;
    for _ in 0..TIMES {
        let mut ping = Ping { nonce: [0; 12] };
        fastrand::fill(&mut ping.nonce);
        let sent = Instant::now();
        socket.send(&ping.request()).await?;
        tokio::select! {
            answered = answer(&socket, ping) => {
                answered?;
                let time = sent.elapsed();
                best = Some(best.map_or(time, |best: Duration| best.min(time)));
            }
            () = sleep(BETWEEN) => {}
        }
    }
    best.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// Waits for the answer to `ping`. One to an earlier ping comes too late.
async fn answer(socket: &UdpSocket, ping: Ping) -> io::Result<()> {
    let mut datagram = [0; Ping::LENGTH + 1];
    loop {
        let length = socket.recv(&mut datagram).await?;
        if Ping::from_reply(&datagram[..length]) == Some(ping) {
            return Ok(());
        }
    }
}

const TIMES: usize = 3;
/// When a ping is taken for lost.
const BETWEEN: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(1);
const MAX_ADDRESSES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ping_is_answered_once_and_by_who_knows_it() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = server.local_addr().unwrap().to_string();
        let serve = async {
            let mut datagram = [0; 100];
            loop {
                let (length, from) = server.recv_from(&mut datagram).await.unwrap();
                let ping = Ping::from_request(&datagram[..length]).unwrap();
                for wrong in [&b"hello"[..], &ping.request(), &Ping { nonce: [0; 12] }.reply()] {
                    server.send_to(wrong, from).await.unwrap();
                }
                server.send_to(&ping.reply(), from).await.unwrap();
            }
        };
        tokio::select! {
            () = serve => unreachable!("it goes on"),
            time = ping(&addr) => assert!(time.unwrap() < BETWEEN),
        }
    }

    #[tokio::test]
    async fn who_is_not_answered_is_told_so() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let error = ping(&silent.local_addr().unwrap().to_string()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_protocol_document_shows_these_bytes() {
        let document = include_str!("../../../protocol/PROTOCOL.md");
        let ping = Ping { nonce: *b"twelve bytes" };
        for (name, datagram) in [("request", ping.request()), ("reply", ping.reply())] {
            let (_, example) = document.split_once(&format!("```hex ping {name}\n")).unwrap();
            let (example, _) = example.split_once("```").unwrap();
            let hex = example.lines().filter_map(|line| line.split("  ").next());
            let shown: Vec<_> = hex
                .flat_map(str::split_whitespace)
                .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                .collect();
            assert_eq!(shown, datagram, "{name}");
        }
    }
}
