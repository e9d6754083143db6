//! What every gateway is to the channel.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::intake::Intake;
use super::text::Number;
use crate::{Outgoing, Receipt, SendError};

/// One way of getting texts to phones and from them.
#[async_trait]
pub(crate) trait Gateway: Send + Sync {
    /// Hands over one message.
    async fn send(&self, to: &Number, message: &Outgoing) -> Result<Receipt, SendError>;
    /// Keeps a line open until `stop`, where there is one.
    async fn listen(&self, intake: Arc<Intake>, stop: &CancellationToken) {
        drop(intake);
        stop.cancelled().await;
    }
    /// What must be served.
    fn routes(&self, intake: Arc<Intake>) -> Option<axum::Router> {
        drop(intake);
        None
    }
    /// More than the channel itself counts.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
    /// One line for people; `Ok` is healthy.
    fn health(&self) -> Result<String, String>;
}
