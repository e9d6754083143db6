//! What the crate promises, as tables with reasons: one binary.

mod commands;
mod encoder;
mod figures;
mod laws;
mod routes;
mod world;
