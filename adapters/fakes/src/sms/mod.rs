//! Stand-ins of what carries texts: an operator's gateway, two clouds, an agency's own platform.

pub mod cmpp;
pub mod web;
