//! `zhishou` (值守): the chat desk of a government IT maintenance team.
//!
//! The rooms, from the ground up: [`ids`] and [`clock`]; [`rules`], which decides and does nothing else; [`store`], the only
//! place with SQL; the desk, where messages, language, promises and storage meet. `docs/architecture.md` draws the house.

pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod desk;
pub mod encoder;
pub mod ids;
pub mod rehearse;
pub mod rules;
pub mod store;
