//! Temporary: while this module is being written.

mod laws;
