//! A connection to the keeper, from nothing to `Start`.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use bytes::BytesMut;
use framing::{
    FrameError,
    chunks::{self, ChunkReader, ChunkSize, Progress},
};
use protocol::{
    DecodeError, FromGameController, Goodbye, MAX_AFTER_LOGIN, Start, ToGameController,
    controller_hello, decode, encode,
};

use crate::{Environment, EnvironmentError};

/// Why there is no connection to the keeper.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// This process does not know its keeper. [`EnvironmentError::NoKeeper`]: it has none, and can
    /// only run alone.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// Nobody answers there, or the connection broke.
    #[error("the keeper at {address} cannot be reached: {source}")]
    Unreachable {
        /// Where it should be.
        address: SocketAddr,
        /// What the network says.
        source: io::Error,
    },
    /// The keeper does not want us: of another age, or not started by it.
    #[error("the keeper does not take this game: {0}")]
    Refused(#[source] Goodbye),
    /// What answers there is no keeper.
    #[error("what answers at {address} is no keeper: {reason}")]
    NoKeeper {
        /// Where it should be.
        address: SocketAddr,
        /// What it did.
        reason: String,
    },
    /// The system has no thread for the connection.
    #[error("no thread for the connection to the keeper: {0}")]
    NoThread(#[source] io::Error),
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("{0}")]
    Goodbye(Goodbye),
    #[error("closed by the keeper")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("not understood: {0}")]
    Message(#[from] DecodeError),
    #[error("not what comes now")]
    OutOfTurn,
}

/// A connection on which the keeper has said what the game is to be.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) reader: MessageReader<TcpStream>,
}

impl Connection {
    /// Connects, in at most some seconds, and waits until the keeper wants the game to begin.
    pub(crate) fn open(
        environment: &Environment,
        program: &str,
    ) -> Result<(Self, Start), ConnectError> {
        let address = environment.address;
        let unreachable = |source| ConnectError::Unreachable { address, source };
        let stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN).map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN)).map_err(unreachable)?;
        stream.set_write_timeout(Some(TAKEN_WITHIN)).map_err(unreachable)?;
        let reader = MessageReader::new(stream.try_clone().map_err(unreachable)?);
        let mut connection = Self { stream, reader };
        match connection.greet(environment, program) {
            Ok(start) => {
                connection.stream.set_read_timeout(Some(SILENT_AFTER)).map_err(unreachable)?;
                Ok((connection, start))
            }
            Err(Lost::Goodbye(goodbye)) => Err(ConnectError::Refused(goodbye)),
            Err(Lost::Io(source)) => Err(unreachable(source)),
            Err(Lost::Closed) => Err(unreachable(io::ErrorKind::UnexpectedEof.into())),
            Err(lost) => Err(ConnectError::NoKeeper { address, reason: lost.to_string() }),
        }
    }

    fn greet(&mut self, environment: &Environment, program: &str) -> Result<Start, Lost> {
        self.say(&FromGameController::Hello(controller_hello(program)))?;
        match self.reader.next()? {
            ToGameController::Welcome(_) => {}
            other => return Err(out_of_turn(other)),
        }
        self.say(&FromGameController::Prove { token: environment.token.clone() })?;
        self.stream.set_read_timeout(Some(STARTED_WITHIN))?;
        match self.reader.next()? {
            ToGameController::Start(start) => Ok(start),
            other => Err(out_of_turn(other)),
        }
    }

    fn say(&mut self, message: &FromGameController) -> io::Result<()> {
        self.stream.write_all(&encoded([message]))
    }
}

fn out_of_turn(message: ToGameController) -> Lost {
    match message {
        ToGameController::Goodbye(goodbye) => Lost::Goodbye(goodbye),
        _ => Lost::OutOfTurn,
    }
}

/// Messages as they are on the wire.
pub(crate) fn encoded<'a>(messages: impl IntoIterator<Item = &'a FromGameController>) -> BytesMut {
    let mut bytes = BytesMut::new();
    for message in messages {
        chunks::encode::<FrameError>(ChunkSize::MAX, &mut bytes, |bytes| {
            encode(message, bytes);
            Ok(())
        })
        .expect("no message is empty");
    }
    bytes
}

/// Reads what the keeper says.
#[derive(Debug)]
pub(crate) struct MessageReader<R> {
    read: R,
    received: BytesMut,
    chunks: ChunkReader,
}

impl<R: Read> MessageReader<R> {
    pub(crate) fn new(read: R) -> Self {
        Self { read, received: BytesMut::new(), chunks: ChunkReader::new(ChunkSize::MAX) }
    }

    /// Waits for the next message.
    pub(crate) fn next(&mut self) -> Result<ToGameController, Lost> {
        loop {
            let message = self.chunks.next(&mut self.received, MAX_AFTER_LOGIN, progress)?;
            if let Some(message) = message {
                return Ok(message);
            }
            let mut buffer = [0; READ_SIZE];
            match self.read.read(&mut buffer) {
                Ok(0) => return Err(Lost::Closed),
                Ok(length) => {
                    self.received.extend_from_slice(buffer.get(..length).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn progress(bytes: &[u8]) -> Result<Progress<ToGameController>, Lost> {
    match decode(bytes) {
        Ok(message) => Ok(Progress::Message(message)),
        Err(DecodeError::Incomplete) => Ok(Progress::Incomplete),
        Err(error) => Err(error.into()),
    }
}

const READ_SIZE: usize = 8 * 1024;

/// To connect, and for the welcome. A keeper that hangs longer is none for us: it is
/// replaced, and we with it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The longest vote, and some more.
const STARTED_WITHIN: Duration = Duration::from_secs(330);

/// Then the connection is made again.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// The keeper asks at least every 5 s whether we are there. Then the connection is made again.
const SILENT_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_whatever_pieces_they_arrive_in() {
        let mut wire = BytesMut::new();
        let messages =
            [ToGameController::Ping { nonce: 7 }, ToGameController::Stop { within_ms: 1 }];
        for message in &messages {
            chunks::encode::<FrameError>(ChunkSize::MAX, &mut wire, |bytes| {
                encode(message, bytes);
                Ok(())
            })
            .unwrap();
        }
        for cut in 0..=wire.len() {
            let (one, other) = wire.split_at(cut);
            let mut reader = MessageReader::new(one.chain(other));
            for message in &messages {
                assert_eq!(&reader.next().unwrap(), message);
            }
            assert!(matches!(reader.next(), Err(Lost::Closed)));
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert!(matches!(MessageReader::new(&[1, 0, 99][..]).next(), Err(Lost::Message(_))));
    }
}
