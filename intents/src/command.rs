//! What a chat command is once it has been understood: a name and its arguments.
//!
//! The grammar that reads one out of a text stands in `grammar.rs`; here are only the names, who may
//! use them, and the arguments. Whether a person *may* is the desk's decision, not ours: a command is
//! recognised for everybody so that the desk can refuse it politely.

use serde::Serialize;

/// Who a command is meant for. The desk decides; this is the table of `interfaces.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Everybody in the conversation.
    Anyone,
    /// Engineers, and everybody above them.
    Engineer,
    /// Leads and administrators.
    Lead,
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $zh:literal, $who:ident;)*) => {
        /// The commands of the chat, by what they do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CommandName { $($(#[$doc])* $name,)* }

        impl CommandName {
            /// All of them, in the order in which help lists them.
            pub const ALL: &'static [CommandName] = &[$(CommandName::$name,)*];

            /// The Chinese word that the manual teaches.
            pub fn zh(self) -> &'static str {
                match self { $(CommandName::$name => $zh,)* }
            }

            /// The name in logs, files and JSON.
            pub fn id(self) -> &'static str {
                match self { $(CommandName::$name => $id,)* }
            }

            /// The command with this [`id`](Self::id).
            pub fn from_id(id: &str) -> Option<Self> {
                match id { $($id => Some(CommandName::$name),)* _ => None }
            }

            /// Who it is meant for.
            pub fn who(self) -> Who {
                match self { $(CommandName::$name => Who::$who,)* }
            }
        }
    };
}

commands! {
    /// 帮助
    Help = "help", "帮助", Anyone;
    /// 查询 N
    Status = "status", "查询", Anyone;
    /// 转人工
    Human = "human", "转人工", Anyone;
    /// 评价 N 1–5 意见
    Evaluate = "evaluate", "评价", Anyone;
    /// 催办 N
    Urge = "urge", "催办", Anyone;
    /// 撤回 N
    Withdraw = "withdraw", "撤回", Anyone;
    /// 绑定 CODE
    Bind = "bind", "绑定", Anyone;
    /// 认领 N
    Claim = "claim", "认领", Engineer;
    /// 转派 N @人
    Assign = "assign", "转派", Engineer;
    /// 协办 N @人
    Assist = "assist", "协办", Engineer;
    /// 进展 N 文
    Progress = "progress", "进展", Engineer;
    /// 挂起 N 原因
    Suspend = "suspend", "挂起", Engineer;
    /// 恢复 N
    Resume = "resume", "恢复", Engineer;
    /// 改级 N A
    Severity = "severity", "改级", Engineer;
    /// 改类 N 类
    Category = "category", "改类", Engineer;
    /// 上门 N
    Visit = "visit", "上门", Engineer;
    /// 到场 N
    Arrive = "arrive", "到场", Engineer;
    /// 离场 N
    Leave = "leave", "离场", Engineer;
    /// 支援 N
    Support = "support", "支援", Engineer;
    /// 第三方 N 单位
    ThirdParty = "third_party", "第三方", Engineer;
    /// 解决 N 结果
    Resolve = "resolve", "解决", Engineer;
    /// 关闭 N
    Close = "close", "关闭", Engineer;
    /// 重开 N
    Reopen = "reopen", "重开", Engineer;
    /// 合并 N M
    Merge = "merge", "合并", Engineer;
    /// 关联 N M
    Link = "link", "关联", Engineer;
    /// 代报 单位 人 电话 文
    OnBehalf = "on_behalf", "代报", Engineer;
    /// 我的
    Mine = "mine", "我的", Engineer;
    /// 待办
    Todo = "todo", "待办", Engineer;
    /// 值班
    Duty = "duty", "值班", Engineer;
    /// 换班 @人 日期
    Swap = "swap", "换班", Engineer;
    /// 收到
    Ack = "ack", "收到", Engineer;
    /// 巡检
    Inspection = "inspection", "巡检", Engineer;
    /// 完成任务 D 结果
    FinishDuty = "finish_duty", "完成任务", Engineer;
    /// 收录 N: a case becomes an FAQ entry
    Harvest = "harvest", "收录", Engineer;
    /// 不是问题 N
    NotProblem = "not_problem", "不是问题", Engineer;
    /// 确认 N: from a lead the report, from a requester the solution
    ConfirmReport = "confirm", "确认", Anyone;
    /// 指派 N @人
    Dispatch = "dispatch", "指派", Lead;
    /// 暂停提醒 N 时长
    Mute = "mute", "暂停提醒", Lead;
    /// 周报
    Weekly = "weekly", "周报", Lead;
    /// 月报
    Monthly = "monthly", "月报", Lead;
    /// 播报 文
    Broadcast = "broadcast", "播报", Lead;
    /// 升级 N 开始|完成
    Upgrade = "upgrade", "升级", Engineer;
    /// 需求确认 N
    ConfirmNeed = "confirm_need", "需求确认", Engineer;
    /// 变更 N
    Change = "change", "变更", Engineer;
    /// 谁会被通知 N
    Escalation = "escalation", "谁会被通知", Engineer;
    /// 维护窗口
    Maintenance = "maintenance", "维护窗口", Lead;
}

impl Serialize for CommandName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

/// A ticket as somebody typed it: `#3`, `3号`, `YL-3`, `３`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct TicketRef {
    /// The contract's code in front of the number, in upper case, where one was typed.
    pub code: Option<String>,
    /// The number, counted per contract from 1.
    pub number: u64,
}

impl TicketRef {
    /// A bare number.
    pub fn bare(number: u64) -> Self {
        TicketRef { code: None, number }
    }
}

impl std::fmt::Display for TicketRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.code {
            Some(code) => write!(f, "{code}-{}", self.number),
            None => write!(f, "#{}", self.number),
        }
    }
}

/// A command with its arguments, as far as they were typed. What is missing the desk finds or asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// What is to be done.
    pub name: CommandName,
    /// The first ticket named.
    pub ticket: Option<TicketRef>,
    /// Further tickets, of 合并 and 关联.
    pub more: Vec<TicketRef>,
    /// People named, without the `@`.
    pub people: Vec<String>,
    /// 1 to 5, of 评价.
    pub score: Option<u8>,
    /// The argument that is neither number nor text: the severity of 改级, the category of 改类, the
    /// code of 绑定, `start` or `finish` of 升级, the date of 换班 and 值班, the duration of 暂停提醒, the
    /// company of 第三方, the duty of 完成任务, the period of 周报 and 月报.
    pub word: Option<String>,
    /// The rest as it was typed, trimmed.
    pub text: String,
    /// 代报: the unit that called.
    pub unit: Option<String>,
    /// 代报: the number to call back.
    pub phone: Option<String>,
    /// 代报: who called.
    pub reporter: Option<String>,
    /// Came from plain words ("3我来处理"), not from the command form. The desk should not carry out
    /// a [destructive](Self::destructive) one of these without asking.
    pub colloquial: bool,
}

impl Command {
    /// The bare command.
    pub fn new(name: CommandName) -> Self {
        Command {
            name,
            ticket: None,
            more: Vec::new(),
            people: Vec::new(),
            score: None,
            word: None,
            text: String::new(),
            unit: None,
            phone: None,
            reporter: None,
            colloquial: false,
        }
    }

    /// Whether it ends something that is not easily taken up again.
    pub fn destructive(&self) -> bool {
        matches!(
            self.name,
            CommandName::Close
                | CommandName::Merge
                | CommandName::Withdraw
                | CommandName::NotProblem
                | CommandName::Broadcast
        )
    }
}
