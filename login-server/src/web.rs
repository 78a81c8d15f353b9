//! What is there over HTTP: whether the server is well, and WebSockets for browsers.

use connection_handler::transport::{
    Format,
    http::{HttpConfig, HttpServer},
    websocket::{Subprotocol, WebSocketConfig, WebSocketListener},
};
use protocol::{MAX_BEFORE_LOGIN, SUBPROTOCOL_GAME_CLIENT, SUBPROTOCOL_GAME_CLIENT_JSON, VERSION};
use serde_json::json;

use crate::Config;

/// Who answers, and where game clients come from that use WebSockets.
pub(crate) fn http_server(config: &Config) -> (HttpServer, WebSocketListener) {
    let mut server = HttpServer::new(HttpConfig {
        max_connections: config.limits.max_connections.get(),
        max_connections_per_ip: config.limits.max_connections_per_ip.get(),
        origins: config.web.origins.clone(),
        metrics_from: config.web.metrics_from.clone(),
        ..Default::default()
    });
    let about = json!({
        "program": "login-server",
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": VERSION,
    });
    let protocols = [
        Subprotocol { name: SUBPROTOCOL_GAME_CLIENT, format: Format::Binary },
        Subprotocol { name: SUBPROTOCOL_GAME_CLIENT_JSON, format: Format::Text },
    ];
    let limits = WebSocketConfig { max_message: MAX_BEFORE_LOGIN, ..Default::default() };
    let game_clients = server.websocket(limits, protocols);
    (server.about(&about.to_string()).metrics(program_metrics::render), game_clients)
}
