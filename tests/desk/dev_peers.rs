//! Temporary: while this module is being written.

mod peers;
mod store;
mod tidy;
