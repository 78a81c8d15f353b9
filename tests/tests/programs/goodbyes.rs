//! What is on the wire when a login server is told to stop.

use std::{
    io,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use protocol::{Goodbye, ToGameClient};
use quinn::ConnectionError;
use tests::World;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    over_quic::OverQuic,
    raw::{RawClient, connect_tcp},
};

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_that_the_login_server_stops() -> Result<()> {
    let world = World::new()?;
    let mut server = world.login_server()?;
    let here = Ipv4Addr::LOCALHOST.into();
    let mut tls = RawClient::greeted(server.address, here).await?;
    tls.register("ann", "a good password").await?;
    let mut quic = OverQuic::greeted(server.address).await?;
    // They have yet to say what they are, and keep nobody from leaving.
    let mut silent_tcp = connect_tcp(server.address, here).await?;
    let mut silent_tls = RawClient::connect(server.address, here).await?;

    let begin = Instant::now();
    server.process.signal(rustix::process::Signal::TERM);

    loop {
        match tls.receive().await? {
            ToGameClient::Goodbye(Goodbye::ComeBack { .. }) => break,
            ToGameClient::Goodbye(other) => bail!("the goodbye is {other:?}"),
            _ => {}
        }
    }
    // Without TLS's close_notify this would be an error, and the stream might have been cut.
    let end = timeout(PATIENCE, tls.stream.read_u8()).await?;
    let (_, session) = tls.stream.get_ref();
    ensure!(
        matches!(&end, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof)
            && !session.wants_read(),
        "after the goodbye: {end:?}"
    );
    tls.stream.shutdown().await?;

    let mut said_goodbye = false;
    while let Some(message) = quic.receive().await? {
        said_goodbye |= matches!(message, ToGameClient::Goodbye(Goodbye::ComeBack { .. }));
    }
    ensure!(said_goodbye, "the stream has ended without a goodbye");
    quic.write.finish()?;
    match timeout(PATIENCE, quic.connection.closed()).await? {
        ConnectionError::ApplicationClosed(close) => {
            println!("closed with {} {:?}", close.error_code, close.reason);
        }
        other => bail!("the connection ended with {other}"),
    }

    let _ = timeout(PATIENCE, silent_tcp.read_to_end(&mut Vec::new())).await?;
    silent_tls.wait_until_closed(PATIENCE).await?;
    let status = server.process.wait(STOPS_WITHIN)?;
    ensure!(status.success(), "{status}: {}", server.process.report());
    println!("stopped after {:?}", begin.elapsed());
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(15);
const STOPS_WITHIN: Duration = Duration::from_secs(20);
