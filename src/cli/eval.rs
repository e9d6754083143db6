//! `zhishou eval …`: how well questions are answered and messages routed, on sets of one's own.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zhishou_intents::{FaqIndex, eval as figures};

use super::{Failure, print_json, tables};

#[derive(Subcommand)]
pub(super) enum Eval {
    /// 问答检索
    Faq {
        /// 问答库
        #[arg(long)]
        base: PathBuf,
        /// 问题，JSON 行 {text, id}
        #[arg(long)]
        queries: PathBuf,
        /// 输出 JSON（总是 JSON）
        #[arg(long)]
        json: bool,
    },
    /// 群消息路由
    Route {
        /// 消息，JSON 行
        file: PathBuf,
        /// 问答库
        #[arg(long)]
        faq: Option<PathBuf>,
        /// 输出 JSON（总是 JSON）
        #[arg(long)]
        json: bool,
    },
    /// 意图集（在后续版本提供）
    Intents {
        /// 文件
        file: PathBuf,
        /// 先用它训练
        #[arg(long)]
        train: Option<PathBuf>,
        /// 输出 JSON（总是 JSON）
        #[arg(long)]
        json: bool,
    },
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("无法读取 {}：{error}", path.display())))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line)
                .map_err(|error| Failure::usage(format!("{} 第 {} 行：{error}", path.display(), at + 1)))
        })
        .collect()
}

pub(super) fn eval(what: Eval) -> Result<(), Failure> {
    match what {
        Eval::Faq { base, queries, json: _ } => {
            let index = FaqIndex::build(&tables::faq_file(&base).map_err(Failure::usage)?);
            let queries: Vec<(String, Option<String>)> = lines::<Value>(&queries)?
                .into_iter()
                .map(|line| {
                    let text = line["text"].as_str().unwrap_or_default().to_owned();
                    (text, line["id"].as_str().map(str::to_owned))
                })
                .collect();
            let begun = stopwatch();
            let found = figures::faq_in(&index, &queries);
            let mut out = serde_json::to_value(&found).map_err(Failure::work)?;
            out["qps"] = json!(queries.len() as f64 / begun().max(1e-9));
            print_json(&out);
            Ok(())
        }
        Eval::Route { file, faq, json: _ } => {
            let index = match faq {
                Some(path) => Some(FaqIndex::build(&tables::faq_file(&path).map_err(Failure::usage)?)),
                None => None,
            };
            let found = figures::route(&lines(&file)?, index.as_ref());
            print_json(&serde_json::to_value(&found).map_err(Failure::work)?);
            Ok(())
        }
        Eval::Intents { .. } => Err(Failure::work("意图集评测在后续版本提供；现在可用 eval faq 和 eval route。")),
    }
}

/// Seconds since the call, by the machine's own counter: a measurement, not a decision.
#[expect(clippy::disallowed_methods, reason = "measures speed; no rule depends on it")]
fn stopwatch() -> impl Fn() -> f64 {
    let begun = std::time::Instant::now();
    move || begun.elapsed().as_secs_f64()
}
