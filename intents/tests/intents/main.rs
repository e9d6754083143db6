//! What the crate promises, as tables with reasons: one binary.

mod commands;
mod figures;
mod laws;
mod routes;
mod world;
