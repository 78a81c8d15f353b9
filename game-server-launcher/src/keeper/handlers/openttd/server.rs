//! What the keeper does with the admin port of its game: as with every game.

use super::handler::Openttd;
use crate::keeper::link::hears;

hears!(Openttd);
