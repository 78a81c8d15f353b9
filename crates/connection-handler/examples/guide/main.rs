//! The program of the guide (`README.md` of this crate): a door where guests are welcomed.
//!
//! `cargo run -p connection-handler --example guide`, and then, in another terminal, say
//! `printf '\x0e\0{"Name":"Ann"}' | nc -q1 127.0.0.1 7000`. The answer has two bytes before it too:
//! its length.

mod codec;
mod handlers;
mod server;

use actix::Actor;
use connection_handler::{ConnectionConfig, IncomingConnectionHandler, supervise};
use handlers::guest::GuestHandler;
use server::Server;
use tokio::net::TcpListener;

#[actix::main]
async fn main() -> std::io::Result<()> {
    let (server, ended) = supervise(Server::default());
    let listener = TcpListener::bind("127.0.0.1:7000").await?;
    let config = ConnectionConfig::default();
    IncomingConnectionHandler::new(GuestHandler::new(), listener, server, config).start();
    ended.await;
    Ok(())
}

mod serve;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transport_tests;
mod visit;
