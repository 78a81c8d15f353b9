//! The peers of one kind that a central actor owns.

use std::{
    collections::{HashMap, hash_map},
    fmt,
};

use crate::{Peer, PeerId};

/// All peers of one kind that are connected, by their ids.
///
/// [`Serves`](crate::Serves) puts them in and takes them out. Whoever takes one out and drops it
/// disconnects it.
pub struct Peers<P>(HashMap<PeerId, P>);

impl<P: Peer> Peers<P> {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `peer`.
    pub fn insert(&mut self, peer: P) {
        self.0.insert(peer.id(), peer);
    }

    /// The peer of that id. `None` once it is gone, and for peers of another kind.
    pub fn get(&self, id: PeerId) -> Option<&P> {
        self.0.get(&id)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: PeerId) -> Option<&mut P> {
        self.0.get_mut(&id)
    }

    /// Takes the peer of that id out.
    pub fn remove(&mut self, id: PeerId) -> Option<P> {
        self.0.remove(&id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, in no order.
    pub fn iter(&self) -> Iter<'_, P> {
        Iter(self.0.values())
    }

    /// Queues `message` for each of them: see [`Peer::send_to_all`].
    pub fn send_to_all(&self, message: P::Outgoing)
    where
        P::Outgoing: Clone,
    {
        P::send_to_all(self, message);
    }
}

impl<P> Default for Peers<P> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'a, P: Peer> IntoIterator for &'a Peers<P> {
    type Item = &'a P;
    type IntoIter = Iter<'a, P>;

    fn into_iter(self) -> Iter<'a, P> {
        self.iter()
    }
}

impl<P> fmt::Debug for Peers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Each of some [`Peers`].
#[derive(Debug)]
pub struct Iter<'a, P>(hash_map::Values<'a, PeerId, P>);

impl<'a, P> Iterator for Iter<'a, P> {
    type Item = &'a P;

    fn next(&mut self) -> Option<&'a P> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<P> ExactSizeIterator for Iter<'_, P> {}
