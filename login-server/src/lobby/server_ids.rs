//! The two names of a game server: its launcher's, and the one everybody else knows.

use protocol::ServerId;
use ring::digest::{Context, SHA256};

use super::LauncherKey;

/// A server as its launcher names it. Two launchers may use the same id: it is only said on the
/// launcher's own link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnId(pub(super) ServerId);

impl OwnId {
    /// The id by which everybody else knows this server of the launcher with `key`.
    ///
    /// No launcher chooses it, so none can take another's; and as it follows from what both keep
    /// on disk, it stays the same whoever is started again.
    pub(super) fn public(self, key: LauncherKey) -> ServerId {
        let mut context = Context::new(&SHA256);
        context.update(LABEL);
        context.update(&key.0);
        context.update(&self.0.0.to_be_bytes());
        let digest = context.finish();
        let first = digest.as_ref().first_chunk().expect("SHA-256 has 32 bytes");
        ServerId(u64::from_be_bytes(*first))
    }
}

/// Keeps these hashes apart from others of the same key.
const LABEL: &[u8] = b"gatehouse server id";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_id_follows_from_the_key_and_the_own_id() {
        let counting = std::array::from_fn(|n| n as u8);
        let table = [
            ([0; 32], 0, 0x7b00_fb72_f17a_cd52),
            ([0; 32], 1, 0xb54c_9f71_9bd4_960a),
            ([1; 32], 1, 0x7011_1ec4_5528_84b4),
            (counting, 0x0123_4567_89ab_cdef, 0x52d3_9d7e_540f_9be3),
            ([255; 32], u64::MAX, 0x69b4_1e31_9325_5846),
        ];
        for (key, own, expected) in table {
            let public = OwnId(ServerId(own)).public(LauncherKey(key));
            assert_eq!(public, ServerId(expected), "{own:x} of {key:?}");
        }
    }
}
