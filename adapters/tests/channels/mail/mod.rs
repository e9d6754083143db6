//! Mail: reading, threads, servers.
