//! SMS: the operator's gateway (CMPP), the clouds, and an agency's own platform.

pub mod cmpp;
pub mod text;
mod time;

use std::sync::Arc;

use jiff::Timestamp;

/// Where the channel gets the time: handed in, never asked of the system.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;
