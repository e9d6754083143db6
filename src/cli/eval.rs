//! `zhishou eval …`: how well questions are answered and messages routed, on sets of one's own.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zhishou_intents::learn::Labelled;
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
        /// 语义模型文件；不给时用配置里的
        #[arg(long)]
        model: Option<PathBuf>,
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
        /// 语义模型文件；不给时用配置里的
        #[arg(long)]
        model: Option<PathBuf>,
        /// 输出 JSON（总是 JSON）
        #[arg(long)]
        json: bool,
    },
    /// 意图集
    Intents {
        /// 句子，JSON 行 {text, label}
        file: PathBuf,
        /// 先用它训练；不给时按路由判断，label 须是 command、faq、ticket、followup、chitchat
        #[arg(long)]
        train: Option<PathBuf>,
        /// 语义模型文件；不给时用配置里的
        #[arg(long)]
        model: Option<PathBuf>,
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

/// A base, searchable, with the encoder if there is one.
fn index(base: &Path, config: Option<&Path>, model: Option<&Path>) -> Result<FaqIndex, Failure> {
    let entries = tables::faq_file(base).map_err(Failure::usage)?;
    Ok(FaqIndex::build_with(&entries, super::model::here(config, model)?.as_ref(), None))
}

pub(super) fn eval(config: Option<&Path>, what: Eval) -> Result<(), Failure> {
    match what {
        Eval::Faq { base, queries, model, json: _ } => {
            let index = index(&base, config, model.as_deref())?;
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
        Eval::Route { file, faq, model, json: _ } => {
            let index = match faq {
                Some(path) => Some(index(&path, config, model.as_deref())?),
                None => None,
            };
            let found = figures::route(&lines(&file)?, index.as_ref());
            print_json(&serde_json::to_value(&found).map_err(Failure::work)?);
            Ok(())
        }
        Eval::Intents { file, train, model, json: _ } => {
            let texts: Vec<Labelled> = lines(&file)?;
            let train: Option<Vec<Labelled>> = train.as_deref().map(lines).transpose()?;
            if train.as_ref().is_some_and(Vec::is_empty) {
                return Err(Failure::usage("训练文件是空的"));
            }
            if let (None, Some(strange)) =
                (&train, texts.iter().find(|line| !figures::LABELS.contains(&line.label.as_str())))
            {
                return Err(Failure::usage(format!(
                    "标签「{}」不是路由的标签（{}）；别的标签集请用 --train 给出训练文件",
                    strange.label,
                    figures::LABELS.join("、")
                )));
            }
            let encoder = super::model::here(config, model.as_deref())?;
            let found = figures::intents(&texts, train.as_deref(), encoder.as_ref());
            print_json(&serde_json::to_value(&found).map_err(Failure::work)?);
            Ok(())
        }
    }
}

/// Seconds since the call, by the machine's own counter: a measurement, not a decision.
#[expect(clippy::disallowed_methods, reason = "measures speed; no rule depends on it")]
fn stopwatch() -> impl Fn() -> f64 {
    let begun = std::time::Instant::now();
    move || begun.elapsed().as_secs_f64()
}
