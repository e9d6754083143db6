//! Subcommands. What a person reads goes to stdout, logs to stderr. Exit status: 0 done, 1 the work failed, 2 wrong usage
//! or configuration.

/// Prints a line to stdout. A reader that has gone away (`| head`) ends the command quietly.
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        if writeln!(std::io::stdout(), $($arg)*).is_err() {
            std::process::exit(0);
        }
    }};
}

mod captures;
mod channels;
mod doctor;
mod eval;
mod exchange;
mod init;
mod inspect;
mod inspect_mail;
mod model;
mod play;
mod serve;
mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::config::{Settings, holidays, load_contract};
use crate::rules::directory::PeopleFile;
use crate::rules::profile::Profile;
use crate::rules::terms::Terms;

/// Why a command ended without success.
#[derive(Debug)]
pub enum Failure {
    /// Wrong usage or configuration: status 2.
    Usage(String),
    /// The work failed: status 1.
    Work(String),
}

impl Failure {
    fn usage(text: impl std::fmt::Display) -> Self {
        Self::Usage(text.to_string())
    }

    fn work(text: impl std::fmt::Display) -> Self {
        Self::Work(text.to_string())
    }
}

#[derive(Parser)]
#[command(name = "zhishou", version, about = "值守：政务平台运维的聊天值班台", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// 配置文件
    #[arg(long, global = true, value_name = "zhishou.toml")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// 运行值守（不带参数时也是它）
    Serve,
    /// 生成带注释的 zhishou.toml
    Init {
        /// 全部用默认值，不提问
        #[arg(long)]
        yes: bool,
    },
    /// 检查配置与合同档案
    Check {
        /// 同时试连各渠道
        #[arg(long)]
        online: bool,
    },
    /// 导入人员、会话、班次（.toml、.xlsx）或问答（.xlsx、.csv、.jsonl、.md）
    Import {
        /// 文件
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// 导出 faq、tickets、messages 或 audit
    Export(exchange::Export),
    /// 写出文档
    Report {
        /// 种类；list 列出全部
        kind: String,
    },
    /// 演练：用脚本走一遍真实流程
    Rehearse(play::Rehearse),
    /// 查看系统如何理解一句话、一个时限、一条回调
    #[command(subcommand)]
    Inspect(inspect::Inspect),
    /// 评测问答与路由
    #[command(subcommand)]
    Eval(eval::Eval),
    /// 语义模型（可选）：装入
    #[command(subcommand)]
    Model(model::Model),
    /// 在线备份
    Backup {
        /// 目标文件
        file: PathBuf,
    },
    /// 从备份恢复
    Restore {
        /// 备份文件
        file: PathBuf,
        /// 覆盖现有数据库
        #[arg(long)]
        force: bool,
    },
    /// 生成一次性绑定码：本人在要绑定的账号里发送「绑定 码」
    BindCode {
        /// 人员 id
        person: String,
    },
    /// 体检：数据库、磁盘、时钟、渠道、积压与失败的消息
    Doctor,
}

/// A contract by name and the zone its times are printed in.
#[derive(Args, Clone)]
struct ContractArg {
    /// 合同：配置里的 id、随附档案的名字或文件路径
    #[arg(long, value_name = "ID")]
    contract: Option<String>,
}

/// Runs the command line of this process and answers its exit status.
pub async fn run() -> i32 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 2 } else { 0 };
        }
    };
    match dispatch(cli).await {
        Ok(()) => 0,
        Err(Failure::Usage(text)) => {
            eprintln!("{text}");
            2
        }
        Err(Failure::Work(text)) => {
            eprintln!("{text}");
            1
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_deref();
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::serve(settings(config)?).await,
        Command::Init { yes } => init::init(config.unwrap_or(Path::new("zhishou.toml")), yes),
        Command::Check { online } => doctor::check(&settings(config)?, online).await,
        Command::Import { files } => exchange::import(&settings(config)?, &files).await,
        Command::Export(export) => exchange::export(config, export).await,
        Command::Report { kind } => Err(Failure::work(format!(
            "文档「{kind}」还不能生成：文档模块在后续版本提供。现在可用 zhishou export tickets 导出全部记录。"
        ))),
        Command::Rehearse(rehearse) => play::rehearse(config, rehearse).await,
        Command::Inspect(inspect) => inspect::inspect(config, inspect),
        Command::Eval(eval) => eval::eval(config, eval),
        Command::Model(model) => model::model(config, model),
        Command::Backup { file } => exchange::backup(&settings(config)?, &file).await,
        Command::Restore { file, force } => exchange::restore(&settings(config)?, &file, force).await,
        Command::BindCode { person } => exchange::bind_code(&settings(config)?, &person).await,
        Command::Doctor => doctor::doctor(&settings(config)?).await,
    }
}

/// The configuration named, the one that lies here, or the first visit's.
fn settings(config: Option<&Path>) -> Result<Settings, Failure> {
    let here = Path::new("zhishou.toml");
    match config {
        Some(path) => Settings::read(path).map_err(Failure::usage),
        None if here.exists() => Settings::read(here).map_err(Failure::usage),
        None => Settings::first_visit(Path::new(".")).map_err(Failure::usage),
    }
}

/// A contract by the id of the configuration, of a shipped profile, or a path.
fn contract(config: Option<&Path>, name: Option<&str>) -> Result<Arc<Terms>, Failure> {
    if config.is_some() || Path::new("zhishou.toml").exists() {
        let settings = settings(config)?;
        let found = match name {
            Some(name) => settings.contracts.iter().find(|terms| terms.id == name),
            None => settings.contracts.iter().find(|terms| Some(&terms.id) == settings.default_contract.as_ref()),
        };
        if let Some(terms) = found {
            return Ok(terms.clone());
        }
    }
    let Some(name) = name else {
        let shipped: Vec<&str> = Profile::shipped().iter().map(|(id, _)| *id).collect();
        return Err(Failure::usage(format!("请用 --contract 指明合同，例如 --contract {}", shipped.join(" / "))));
    };
    let holidays = holidays(None).map_err(Failure::usage)?;
    load_contract(name, Path::new("."), &holidays).map_err(|problems| Failure::usage(problems.join("\n")))
}

/// People from a file, or the shipped sample people.
fn people(file: Option<&Path>) -> Result<PeopleFile, Failure> {
    match file {
        None => PeopleFile::parse(Profile::sample_people(), "（示例人员）").map_err(Failure::usage),
        Some(path) => tables::people_file(path).map_err(Failure::usage),
    }
}

/// One JSON document or line on stdout.
fn print_json(value: &serde_json::Value) {
    say!("{value}");
}
