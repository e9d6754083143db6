//! Mail: reading, threads, servers.

mod reading;
