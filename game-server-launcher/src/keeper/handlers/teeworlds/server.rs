//! What the keeper does with the console of its game: as with every game.

use super::handler::Teeworlds;
use crate::keeper::link::hears;

hears!(Teeworlds);
