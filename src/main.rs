//! Desk.
fn main() {}
