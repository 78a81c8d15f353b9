//! Another multiplexer, cmux from Debian: both are given the same bytes in the same pieces.
//! `cargo xtask interop`.

use std::{
    collections::BTreeMap, fs, net::SocketAddr, path::Path, process::Stdio, sync::Arc,
    time::Duration,
};

use connection_handler::transport::mux::{Kind, MuxConfig, MuxHandle, PortMux};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::flights::flights;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "interop"]
async fn cmux_takes_everybody_for_what_we_take_them_for() {
    let (theirs, _cmux) = cmux().await;
    let (ours, _port) = port().await;
    let (mut asked, at_a_time) = (JoinSet::new(), Arc::new(Semaphore::new(AT_A_TIME)));
    for (number, (kind, flight)) in flights().into_iter().enumerate() {
        let flight = Arc::new(flight);
        let mut chunkings: Vec<_> = (0..flight.len().min(30)).map(|cut| vec![cut]).collect();
        chunkings.push((1..flight.len().min(30)).collect());
        for cuts in chunkings {
            let (flight, at_a_time) = (flight.clone(), at_a_time.clone());
            asked.spawn(async move {
                let _turn = at_a_time.acquire_owned().await;
                let (ours, theirs) =
                    tokio::join!(ask(ours, &flight, &cuts), ask(theirs, &flight, &cuts));
                (number, kind, cuts, ours, theirs)
            });
        }
    }
    let (all, mut verdicts) = (flights(), BTreeMap::<_, usize>::new());
    while let Some(answer) = asked.join_next().await {
        let (number, kind, cuts, ours, theirs) = answer.unwrap();
        let flight = all[number].1.escape_ascii().to_string();
        assert_eq!(ours, kind.label(), "{flight} cut at {cuts:?}");
        if !cmux_does_not_know(&all[number].1) {
            assert_eq!(ours, theirs, "{flight} cut at {cuts:?}");
        }
        *verdicts.entry((ours, theirs)).or_default() += 1;
    }
    println!("ours and theirs: {verdicts:?}");
    // Where it knows less it goes on to the next protocol, and to the last in the end.
    let differ = |((ours, theirs), _): (&(String, String), _)| ours != theirs && theirs != "plain";
    assert!(!verdicts.iter().any(differ), "{verdicts:?}");
}

/// What cmux 0.1.5 has no pattern for: records of a version that a ClientHello never has (RFC 8446,
/// 5.1), which our TLS is left to refuse.
fn cmux_does_not_know(flight: &[u8]) -> bool {
    flight.starts_with(&[22, 3, 4])
}

/// A silent client with a frame of three bytes: cmux waits for a fourth, for ever.
#[tokio::test]
#[ignore = "interop"]
async fn who_has_said_all_is_answered_here_and_not_by_cmux() {
    let (theirs, _cmux) = cmux().await;
    let (ours, _port) = port().await;
    for (addr, answers) in [(ours, true), (theirs, false)] {
        let mut client = BufReader::new(TcpStream::connect(addr).await.unwrap());
        client.write_all(b"\x01\0x").await.unwrap();
        let limit = if answers { PATIENCE } else { Duration::from_secs(2) };
        let mut answer = String::new();
        let answered = timeout(limit, client.read_line(&mut answer)).await.is_ok();
        assert_eq!((answered, answer.as_str()), (answers, if answers { "plain\n" } else { "" }));
    }
}

/// What whoever listens at `addr` takes the sender of `bytes` for. They come in pieces, and all of
/// them go back.
async fn ask(addr: SocketAddr, bytes: &[u8], cuts: &[usize]) -> String {
    let talk = async {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (read, mut write) = stream.into_split();
        let ends = cuts.iter().copied().chain([bytes.len()]);
        let begins = [0].into_iter().chain(cuts.iter().copied());
        for (begin, end) in begins.zip(ends) {
            write.write_all(&bytes[begin..end]).await.unwrap();
            // So that it is a piece for the other side, too, most of the time.
            sleep(Duration::from_millis(2)).await;
        }
        write.shutdown().await.unwrap();
        let (mut kind, mut back) = (String::new(), Vec::new());
        let mut read = BufReader::new(read);
        read.read_line(&mut kind).await.unwrap();
        read.read_to_end(&mut back).await.unwrap();
        assert!(back == bytes, "{kind}: {:?}", back.escape_ascii().to_string());
        kind.trim_end().to_owned()
    };
    timeout(PATIENCE, talk).await.unwrap_or_else(|_| panic!("{addr}, cut at {cuts:?}: no answer"))
}

/// A port of ours that answers as that of cmux does.
async fn port() -> (SocketAddr, MuxHandle) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = MuxConfig { max_waiting_per_ip: 1000, ..Default::default() };
    let mut mux = PortMux::new(tcp, config);
    for kind in [Kind::Plain, Kind::Tls, Kind::Http1, Kind::Http2] {
        let mut listener = mux.listener(kind);
        tokio::spawn(async move {
            while let Some(sniffed) = listener.next().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = tokio::io::split(sniffed.stream);
                    let name = format!("{}\n", sniffed.kind.label());
                    write.write_all(name.as_bytes()).await?;
                    tokio::io::copy(&mut read, &mut write).await?;
                    write.shutdown().await
                });
            }
        });
    }
    let handle = mux.start();
    (handle.local_addr().unwrap(), handle)
}

/// Builds it, which takes a moment only when it is built already, and starts it.
async fn cmux() -> (SocketAddr, Child) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cmux");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join(format!("cmux-{}", std::process::id()));
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(".");
    go.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mux/cmux"));
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    go.env("GOCACHE", folder.join("cache"));
    let built = go.stdin(Stdio::null()).output().await.expect("go");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut cmux = Command::new(&program);
    let cmux = cmux.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let mut cmux = cmux.unwrap();
    let mut addr = String::new();
    let mut said = BufReader::new(cmux.stdout.take().unwrap());
    timeout(PATIENCE, said.read_line(&mut addr)).await.expect("its address").unwrap();
    fs::remove_file(program).unwrap();
    (addr.trim_end().parse().unwrap(), cmux)
}

const AT_A_TIME: usize = 32;
const PATIENCE: Duration = Duration::from_secs(60);
