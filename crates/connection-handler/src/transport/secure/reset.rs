//! Telling those our predecessor was connected with that it is gone.

use std::sync::Arc;

use quinn::EndpointConfig;
use quinn_proto::HashedConnectionIdGenerator;
use ring::hmac;

use crate::transport::keys::Identity;

/// An endpoint that recognises the connection ids of its predecessor, the process that was killed.
///
/// It answers what is sent to them with a stateless reset (RFC 9000, section 10.3) that only the
/// owner of the key can make: the others connect again at once, as TCP's reset makes them do,
/// instead of when they have lost patience.
pub(super) fn endpoint_config(identity: &Identity) -> EndpointConfig {
    let reset_key = hmac::Key::new(hmac::HMAC_SHA256, &identity.secret_for("stateless reset"));
    let [a, b, c, d, e, f, g, h, ..] = identity.secret_for("connection ids");
    let mark = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(mark)));
    config
}
