//! What the programs of Gatehouse say to each other.
