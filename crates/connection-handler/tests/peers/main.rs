//! What many peers are told together, and what each is held to.

mod broadcast;
mod rates;
mod seats;
mod water_marks;
