//! Mail: IMAP in, SMTP out, threads tied to tickets.

pub mod read;
