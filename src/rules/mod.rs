//! What the contract demands, as pure functions of state, event and instant.
//!
//! Border: nothing in here waits, asks the time, draws a random number, or knows a database, a channel or a wording.

pub mod calendar;
pub mod directory;
pub mod escalation;
pub mod holidays;
pub mod length;
pub mod notice;
pub mod organisation;
pub mod people;
pub mod profile;
pub mod profile_check;
pub mod reading;
pub mod roster;
pub mod terms;
pub mod ticket;
pub mod when;
