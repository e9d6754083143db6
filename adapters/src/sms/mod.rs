//! SMS: the operator's gateway (CMPP), the clouds, and an agency's own platform.

pub mod text;
