//! Keys that outlive the process: telling those our predecessor was connected with that it is gone,
//! and believing what it has given to others.

use std::{net::SocketAddr, sync::Arc};

use quinn::EndpointConfig;
use quinn_proto::{HashedConnectionIdGenerator, crypto::HandshakeTokenKey};
use ring::{hkdf, hmac};

use crate::transport::keys::Identity;

/// An endpoint that recognises the connection ids of its predecessor, the process that was killed.
///
/// It answers what is sent to them with a stateless reset (RFC 9000, section 10.3) that only the
/// owner of the key can make: the others connect again at once, as TCP's reset makes them do,
/// instead of when they have lost patience.
pub(super) fn endpoint_config(identity: &Identity, addr: SocketAddr) -> EndpointConfig {
    let secret = |purpose: &str| identity.secret_for(&format!("{purpose} at {addr}"));
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &secret("stateless reset"));
    let [a, b, c, d, e, f, g, h, ..] = secret("connection ids");
    let mark = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    // Others use the port, too: by this bit they are told apart (RFC 9287).
    config.grease_quic_bit(false);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(mark)));
    config
}

/// Seals the tokens that prove an address (RFC 9000, section 8.1): those of a Retry, and those that
/// a client brings from an earlier connection.
pub(super) fn token_key(identity: &Identity) -> Arc<dyn HandshakeTokenKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]);
    Arc::new(salt.extract(&identity.secret_for("address tokens")))
}
