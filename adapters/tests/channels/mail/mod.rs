//! Mail: reading, threads, servers.

mod bulk;
mod fence;
mod pure;
mod reading;
mod rows;
mod sending;
mod support;
mod trust;
mod whole;
