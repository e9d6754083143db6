//! `zhishou rehearse`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::{ContractArg, Failure, contract, people, print_json, tables};
use crate::rehearse::{Cast, parse, play};
use crate::rules::profile::Profile;

#[derive(Args)]
pub(super) struct Rehearse {
    /// 脚本，JSON 行
    script: PathBuf,
    #[command(flatten)]
    contract: ContractArg,
    /// 人员文件；不给时用示例人员
    #[arg(long)]
    people: Option<PathBuf>,
    /// 问答文件；不给时用示例问答
    #[arg(long)]
    faq: Option<PathBuf>,
    /// 演练到何时为止（RFC 3339）；不给时到最后一行之后 24 小时
    #[arg(long)]
    until: Option<Timestamp>,
    /// 结束时写出全部工单的状态
    #[arg(long)]
    state: Option<PathBuf>,
}

pub(super) async fn rehearse(config: Option<&Path>, args: Rehearse) -> Result<(), Failure> {
    let terms = contract(config, args.contract.contract.as_deref())?;
    let text = std::fs::read_to_string(&args.script)
        .map_err(|error| Failure::usage(format!("无法读取脚本 {}：{error}", args.script.display())))?;
    let lines = parse(&text).map_err(Failure::usage)?;
    let faq = match &args.faq {
        Some(path) => tables::faq_file(path).map_err(Failure::usage)?,
        None => tables::faq_text(Profile::sample_faq(), "jsonl", "（示例问答）").map_err(Failure::usage)?,
    };
    let cast = Cast { terms, people: people(args.people.as_deref())?, faq, until: args.until, wording: None };
    let played = play(&lines, cast).await.map_err(Failure::work)?;
    for line in &played.transcript {
        print_json(line);
    }
    if let Some(path) = &args.state {
        let text = serde_json::to_string_pretty(&played.state).map_err(Failure::work)?;
        std::fs::write(path, text + "\n")
            .map_err(|error| Failure::work(format!("无法写入 {}：{error}", path.display())))?;
    }
    Ok(())
}
