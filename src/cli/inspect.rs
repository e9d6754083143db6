//! `zhishou inspect …`: what the desk makes of a text, a due time, a callback, an escalation.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use zhishou_intents::{Context, FaqIndex, Intent, Lexicon, Place, Speaker, route_filtered};

use super::captures::{self, Capture};
use super::inspect_mail::{self, MailFile};
use super::{ContractArg, Failure, contract, people, print_json, tables};
use crate::config::holidays;
use crate::desk::{lexicon_of, local_time};
use crate::ids::{IdMaker, TicketId};
use crate::rules::calendar::{Calendar, WeekHours, answer_line};
use crate::rules::directory::Directory;
use crate::rules::escalation::forecast_opening;
use crate::rules::profile::{Profile, Promise};
use crate::rules::terms::Terms;
use crate::rules::ticket::{Actor, Opening};

#[derive(Subcommand)]
pub(super) enum Inspect {
    /// 一句话会被理解成什么
    Route(Route),
    /// 一个时限怎么算出来
    Clock(Clock),
    /// 谁会在什么时候被通知
    Escalation(Escalation),
    /// 解码一条 OneBot 11 回调或事件
    Onebot(Capture),
    /// 解码一封邮件
    Mail(MailFile),
    /// 解码一条企业微信回调
    Wecom(Capture),
    /// 解码一条 QQ 官方机器人回调
    Qq(Capture),
    /// 解码短信报文
    Sms(Capture),
}

#[derive(Args)]
pub(super) struct Later {
    /// 文件
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

#[derive(Args)]
pub(super) struct Route {
    /// 话
    #[arg(long)]
    text: String,
    #[command(flatten)]
    contract: ContractArg,
    /// 谁说的
    #[arg(long, default_value = "requester", value_parser = ["requester", "engineer", "lead"])]
    role: String,
    /// 问答文件；不给时用示例问答
    #[arg(long)]
    faq: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Clock {
    #[command(flatten)]
    contract: ContractArg,
    /// 日历名
    #[arg(long)]
    calendar: Option<String>,
    /// 起点（RFC 3339）
    #[arg(long)]
    start: Option<Timestamp>,
    /// 服务分钟
    #[arg(long)]
    minutes: Option<i64>,
    /// 工作日
    #[arg(long)]
    workdays: Option<u32>,
    /// 承诺
    #[arg(long)]
    commitment: Option<String>,
    /// 级别
    #[arg(long)]
    severity: Option<String>,
    /// 到此刻为止用了多少服务分钟
    #[arg(long)]
    between: Option<Timestamp>,
    /// 说明怎么算出来的
    #[arg(long)]
    explain: bool,
    /// 每行一个问题，日历随题给出
    #[arg(long)]
    stdin: bool,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Escalation {
    #[command(flatten)]
    contract: ContractArg,
    /// 级别
    #[arg(long)]
    severity: Option<String>,
    /// 报修时间（RFC 3339）
    #[arg(long)]
    start: Timestamp,
    /// 人员文件；不给时用示例人员
    #[arg(long)]
    people: Option<PathBuf>,
    /// 输出 JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn inspect(config: Option<&Path>, what: Inspect) -> Result<(), Failure> {
    match what {
        Inspect::Route(args) => route(config, &args),
        Inspect::Clock(args) => clock(config, &args),
        Inspect::Escalation(args) => escalation(config, &args),
        Inspect::Onebot(capture) => captures::onebot(config, &capture),
        Inspect::Wecom(capture) => captures::wecom(config, &capture),
        Inspect::Mail(file) => inspect_mail::mail(&file),
        Inspect::Qq(capture) => captures::qq(config, &capture),
        Inspect::Sms(capture) => captures::sms(config, &capture),
    }
}

fn route(config: Option<&Path>, args: &Route) -> Result<(), Failure> {
    let terms = match (&args.contract.contract, config) {
        (None, None) if !Path::new("zhishou.toml").exists() => None,
        (name, config) => Some(contract(config, name.as_deref())?),
    };
    let lexicon = terms.as_ref().map_or_else(|| Lexicon::general().clone(), |terms| lexicon_of(terms));
    let entries = match &args.faq {
        Some(path) => tables::faq_file(path).map_err(Failure::usage)?,
        None => tables::faq_text(Profile::sample_faq(), "jsonl", "（示例问答）").map_err(Failure::usage)?,
    };
    let encoder = super::model::here(config, None)?;
    let faq = FaqIndex::build_with(&entries, encoder.as_ref(), None);
    let speaker = match args.role.as_str() {
        "engineer" => Speaker::Engineer,
        "lead" => Speaker::Lead,
        _ => Speaker::Requester,
    };
    let context = Context { speaker, place: Place::Requesters, ..Context::default() };
    let routing = route_filtered(&args.text, &context, &lexicon, Some(&faq), &|at| {
        faq.entry(at).is_some_and(|entry| match (&entry.contract, &terms) {
            (None, _) | (_, None) => true,
            (Some(contract), Some(terms)) => *contract == terms.id,
        })
    });
    let mut out = json!({
        "route": routing.route(),
        "faq": routing.faq, "category": routing.category, "system": routing.system,
        "severity": routing.severity.as_ref().map(|s| s.id.clone()),
        "severity_words": routing.severity.as_ref().map(|s| s.words.clone()),
        "slots": routing.slots, "confidence": routing.confidence, "speak": routing.speak,
        "why": routing.why, "second": routing.second,
    });
    if let Intent::Command(command) = &routing.intent {
        out["command"] = json!({
            "name": command.name.zh(), "id": command.name.id(),
            "ticket": command.ticket.as_ref().map(|t| t.number), "args": command,
        });
    }
    if args.json {
        print_json(&out);
    } else {
        say!("路由：{}　把握：{:.2}　{}", routing.route(), routing.confidence, routing.why.join("，"));
        for (label, value) in [("类别", &routing.category), ("系统", &routing.system)] {
            if let Some(value) = value {
                say!("{label}：{value}");
            }
        }
        if let Some(severity) = &routing.severity {
            say!("级别：{}（依据：{}）", severity.id, severity.words.join("、"));
        }
        for hit in &routing.faq {
            say!("问答 {}：{:.2}", hit.id, hit.score);
        }
    }
    Ok(())
}

fn clock(config: Option<&Path>, args: &Clock) -> Result<(), Failure> {
    if args.stdin {
        let mut failed = false;
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(Failure::work)?;
            if line.trim().is_empty() {
                continue;
            }
            match answer_line(&line) {
                Ok(answer) => print_json(&answer),
                Err(error) => {
                    failed = true;
                    print_json(&json!({ "error": error }));
                }
            }
        }
        return if failed { Err(Failure::work("有的问题没有算出来，见输出中的 error")) } else { Ok(()) };
    }
    let start = args.start.ok_or_else(|| Failure::usage("请用 --start 给出起点，例如 2026-09-30T16:30:00+08:00"))?;
    let (calendar, length_ms, terms) = calendar_of(config, args)?;
    if let Some(until) = args.between {
        let minutes = calendar.elapsed(start, until) as f64 / 60_000.0;
        if args.json {
            print_json(&json!({ "minutes": minutes }));
        } else {
            say!("{minutes} 服务分钟");
        }
        return Ok(());
    }
    let due = match (length_ms, args.minutes, args.workdays) {
        (Some(ms), _, _) => calendar.add(start, ms),
        (None, Some(minutes), _) => calendar.add(start, minutes.saturating_mul(60_000)),
        (None, None, Some(days)) => calendar.add_workdays(start, days),
        (None, None, None) => {
            return Err(Failure::usage("请给出 --minutes、--workdays、--commitment 之一，或 --between"));
        }
    }
    .map_err(Failure::usage)?;
    let explain = calendar.explain(start, due, &[]);
    let provisional =
        calendar.provisional_from().is_some_and(|from| due.in_tz("Asia/Shanghai").is_ok_and(|at| at.date() >= from));
    if args.json {
        let mut out = json!({ "due": calendar.rfc3339(due) });
        if args.explain {
            out["explain"] = json!(explain);
        }
        if provisional {
            out["provisional"] = json!(true);
        }
        print_json(&out);
    } else {
        let near = terms.map(|terms| format!("（{}）", local_time(&terms, due, start))).unwrap_or_default();
        say!("{}{near}", calendar.rfc3339(due));
        if args.explain || provisional {
            for line in explain {
                say!("{line}");
            }
        }
    }
    Ok(())
}

type Counted = (Calendar, Option<i64>, Option<std::sync::Arc<Terms>>);

fn calendar_of(config: Option<&Path>, args: &Clock) -> Result<Counted, Failure> {
    let named = args.contract.contract.is_some() || config.is_some();
    if !named {
        let calendar = match args.calendar.as_deref() {
            Some("7x24") => Calendar::always("Asia/Shanghai"),
            Some("5x8") => {
                let holidays = holidays(None).map_err(Failure::usage)?;
                Calendar::workdays(&WeekHours::office(), "Asia/Shanghai", &holidays, &[], &[])
            }
            Some(other) => {
                return Err(Failure::usage(format!("没有日历「{other}」：不带合同时可用 7x24、5x8")));
            }
            None => return Err(Failure::usage("请用 --contract 或 --calendar 指明用哪个日历")),
        };
        return Ok((calendar.map_err(Failure::usage)?, None, None));
    }
    let terms = contract(config, args.contract.contract.as_deref())?;
    if let Some(name) = &args.commitment {
        let promise = Promise::from_id(name).ok_or_else(|| {
            let known: Vec<&str> = Promise::ALL.iter().map(|p| p.id()).collect();
            Failure::usage(format!("没有承诺「{name}」，可用的有 {}", known.join("、")))
        })?;
        let severity = args.severity.clone().unwrap_or_else(|| terms.profile.default_severity.clone());
        let severity = terms.profile.severity_named(&severity).map(|s| s.id.clone()).ok_or_else(|| {
            let known: Vec<&str> = terms.profile.severities.iter().map(|s| s.id.as_str()).collect();
            Failure::usage(format!("没有级别「{severity}」，可用的有 {}", known.join("、")))
        })?;
        let term = terms.profile.term(promise, &severity).ok_or_else(|| {
            Failure::usage(format!("合同「{}」对级别 {severity} 没有「{}」承诺", terms.id, promise.zh()))
        })?;
        return Ok((terms.calendar(&term.calendar).clone(), Some(terms.length_ms(term)), Some(terms)));
    }
    let name = args.calendar.as_deref().unwrap_or(if args.workdays.is_some() { "5x8" } else { "7x24" });
    if !terms.has_calendar(name) {
        return Err(Failure::usage(format!("合同「{}」没有日历「{name}」", terms.id)));
    }
    Ok((terms.calendar(name).clone(), None, Some(terms)))
}

fn escalation(config: Option<&Path>, args: &Escalation) -> Result<(), Failure> {
    let terms = contract(config, args.contract.contract.as_deref())?;
    let directory = Directory::new(people(args.people.as_deref())?, Some(terms.id.clone()));
    let severity = match &args.severity {
        None => None,
        Some(typed) => Some(terms.profile.severity_named(typed).map(|s| s.id.clone()).ok_or_else(|| {
            let known: Vec<&str> = terms.profile.severities.iter().map(|s| s.id.as_str()).collect();
            Failure::usage(format!("没有级别「{typed}」，可用的有 {}", known.join("、")))
        })?),
    };
    let asker = Actor { id: "requester".to_owned(), name: "提出人".to_owned(), channel: "inspect".to_owned() };
    let opening = Opening {
        id: TicketId::next(&IdMaker::new(0), args.start),
        number: 1,
        origin: "inspect:group:1".to_owned(),
        requester: asker,
        account: String::new(),
        unit: String::new(),
        phone: None,
        message: None,
        text: "升级预演".to_owned(),
        attachments: Vec::new(),
        severity: severity.map(|id| (id, Vec::new())),
        category: None,
        system: None,
        problems: Vec::new(),
        doubt: None,
        follows: None,
    };
    let exists = |channel: &str| crate::rehearse::CHANNELS.contains(&channel);
    let lines = forecast_opening(opening, &directory, &terms, args.start, 1000, &exists);
    let stamp = |at: Timestamp| terms.calendar("7x24").rfc3339(at);
    if args.json {
        let lines: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "at": stamp(line.at), "commitment": line.commitment, "step": line.step, "role": line.role,
                    "round": line.round, "person": line.person, "ways": line.ways,
                })
            })
            .collect();
        print_json(&Value::Array(lines));
        return Ok(());
    }
    for line in lines {
        let promise = line.commitment.and_then(Promise::from_id).map_or("工单", Promise::zh);
        let who =
            line.person.as_deref().and_then(|id| directory.person(id)).map_or("（无人）", |p| p.name.as_str());
        say!("{}  {promise}  {} 第{}次  → {who}  {}", stamp(line.at), line.step, line.round, line.ways.join("，"));
    }
    Ok(())
}
