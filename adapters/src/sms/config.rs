//! Settings of the channel: which gateway.

use super::cmpp::CmppConfig;
use crate::ChannelError;

/// Settings of one SMS channel.
#[derive(Debug, Clone)]
pub struct SmsConfig {
    /// The channel's id in the configuration (`sms`).
    pub id: String,
    /// Who carries the texts.
    pub gateway: GatewayConfig,
}

/// Who carries the texts.
#[derive(Debug, Clone)]
pub enum GatewayConfig {
    /// The operator, by CMPP.
    Cmpp(Box<CmppConfig>),
}

impl SmsConfig {
    /// What can be known to be wrong without opening anything.
    ///
    /// # Errors
    /// In a sentence for the administrator.
    pub fn check(&self) -> Result<(), ChannelError> {
        let outcome = match &self.gateway {
            GatewayConfig::Cmpp(config) => config.check(),
        };
        outcome.map_err(|why| ChannelError::Misconfigured(format!("短信：{why}")))
    }
}
