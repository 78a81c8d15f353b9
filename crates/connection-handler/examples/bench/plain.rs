//! The baseline: read, decode, encode, write, and nothing else. A task per socket, no actor.
//!
//! It is as fast as a loop by hand gets: sockets share a buffer to read into, and one read is
//! answered with one write. It also has none of the limits: it waits for whoever does not read.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::Context,
};

use bytes::{BufMut, BytesMut};
use tokio::net::{
    TcpListener,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::{
    codec::{Decoder, Encoder},
    io::poll_read_buf,
};

use crate::codec::{Message, Wire};

/// Accepts for ever.
pub(crate) async fn serve<W: Wire>(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        actix::spawn(async move {
            // An error is the end of one connection, and nobody waits for its reason.
            let _ = serve_one::<W>(read, Rc::new(write)).await;
        });
    }
}

async fn serve_one<W: Wire>(mut read: OwnedReadHalf, write: Rc<OwnedWriteHalf>) -> io::Result<()> {
    let (mut reader, mut writer) = W::instances();
    EVERYBODY.with_borrow_mut(|everybody| everybody.push(write.clone()));
    let mut rest = BytesMut::new();
    loop {
        let (mut out, mut to_all) = (OUT.take(), BytesMut::new());
        let answer = |message| {
            let to =
                if matches!(message, Message::Broadcast { .. }) { &mut to_all } else { &mut out };
            writer.encode(message, to).map_err(|_| io::Error::other("not encoded"))
        };
        if !receive(&mut read, &mut reader, &mut rest, answer).await? {
            return Ok(());
        }
        if !to_all.is_empty() {
            EVERYBODY
                .with_borrow(|everybody| everybody.iter().for_each(|to| write_now(to, &to_all)));
        }
        write_all(&write, &out).await?;
        out.clear();
        OUT.set(out);
    }
}

/// A single read, and `answer` for each message that is there then. False at the end.
async fn receive<D: Decoder>(
    read: &mut OwnedReadHalf,
    decoder: &mut D,
    rest: &mut BytesMut,
    mut answer: impl FnMut(D::Item) -> io::Result<()>,
) -> io::Result<bool> {
    poll_fn(|cx: &mut Context<'_>| {
        let mut buffer = SCRATCH.take();
        buffer.clear();
        buffer.reserve(SCRATCH_SIZE);
        buffer.extend_from_slice(rest);
        let mut turn = (&mut buffer).limit(SCRATCH_SIZE / 2);
        let poll = poll_read_buf(Pin::new(&mut *read), cx, &mut turn).map_ok(|read| read > 0);
        if poll.is_ready() {
            while let Ok(Some(message)) = decoder.decode(&mut buffer) {
                answer(message)?;
            }
            *rest = BytesMut::from(&buffer[..]);
        }
        SCRATCH.set(buffer);
        poll
    })
    .await
}

/// Who cannot take a broadcast at once is not what this measures, and whose socket is gone has a
/// loop that will notice.
fn write_now(socket: &OwnedWriteHalf, bytes: &[u8]) {
    match socket.try_write(bytes) {
        Ok(written) => assert_eq!(written, bytes.len()),
        Err(error) => assert_ne!(error.kind(), io::ErrorKind::WouldBlock),
    }
}

async fn write_all(socket: &OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

thread_local! {
    static SCRATCH: Cell<BytesMut> = Cell::default();
    static OUT: Cell<BytesMut> = Cell::default();
    static EVERYBODY: RefCell<Vec<Rc<OwnedWriteHalf>>> = const { RefCell::new(Vec::new()) };
}

const SCRATCH_SIZE: usize = 128 * 1024;
