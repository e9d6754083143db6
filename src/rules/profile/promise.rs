//! The promises of a contract: which kinds there are, and one promise as a profile writes it.

use serde::Deserialize;

use crate::rules::length::Length;

/// The kinds of promise; how each starts and is met stands with the tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// 响应
    Respond,
    /// 反馈
    Feedback,
    /// 上报
    Report,
    /// 实时跟踪
    Track,
    /// 解决
    Resolve,
    /// Bug 修复
    Bugfix,
    /// 到达现场
    Arrive,
    /// 支援到场
    Support,
    /// 第三方排除
    ThirdParty,
    /// 事项配置
    Configure,
    /// 升级时长
    Upgrade,
}

impl Promise {
    /// All kinds, in the order of the contract vocabulary.
    pub const ALL: [Self; 11] = [
        Self::Respond,
        Self::Feedback,
        Self::Report,
        Self::Track,
        Self::Resolve,
        Self::Bugfix,
        Self::Arrive,
        Self::Support,
        Self::ThirdParty,
        Self::Configure,
        Self::Upgrade,
    ];

    /// The name in profiles, state files and reports.
    pub fn id(self) -> &'static str {
        match self {
            Self::Respond => "respond",
            Self::Feedback => "feedback",
            Self::Report => "report",
            Self::Track => "track",
            Self::Resolve => "resolve",
            Self::Bugfix => "bugfix",
            Self::Arrive => "arrive",
            Self::Support => "support",
            Self::ThirdParty => "third_party",
            Self::Configure => "configure",
            Self::Upgrade => "upgrade",
        }
    }

    /// What people read.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Respond => "响应",
            Self::Feedback => "反馈",
            Self::Report => "上报",
            Self::Track => "实时跟踪",
            Self::Resolve => "解决",
            Self::Bugfix => "Bug 修复",
            Self::Arrive => "到达现场",
            Self::Support => "支援到场",
            Self::ThirdParty => "第三方排除",
            Self::Configure => "事项配置",
            Self::Upgrade => "升级时长",
        }
    }

    /// The kind called `id`.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|promise| promise.id() == id)
    }
}

/// One promise of the contract.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitmentTerm {
    /// Which kind.
    pub name: Promise,
    /// Severities it is given for; all where left out.
    #[serde(default)]
    pub severities: Option<Vec<String>>,
    /// How long.
    pub within: Length,
    /// Calendar it is counted on.
    pub calendar: String,
    /// True where the supplier promises this by himself and no contract demands it.
    #[serde(default)]
    pub own: bool,
    /// The clause it comes from.
    #[serde(default)]
    pub clause: String,
}
