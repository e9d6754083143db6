//! From TOML values to a [`Profile`]: every unknown key, missing key and wrong value, said in Chinese.
//!
//! serde stops at the first error. Here the place of the error is taken out and the rest is tried again, so that one
//! pass tells all; the checks that follow know which parts were damaged.

use serde_path_to_error::Segment;
use toml::Value;

use super::ProfileError;
use super::source::{Aim, Path, Seg, Source};
use super::suggest::did_you_mean;
use crate::rules::profile::Profile;

/// Rounds of repair; a file with more errors than this is told of these first.
const MOST_ERRORS: usize = 200;

/// The profile, as far as it could be read, and what was wrong on the way.
pub(super) fn deserialize(source: &mut Source<'_>) -> (Option<Profile>, Vec<ProfileError>) {
    let mut errors = Vec::new();
    for _ in 0..MOST_ERRORS {
        let error = match serde_path_to_error::deserialize::<_, Profile>(Value::Table(source.table.clone())) {
            Ok(profile) => return (Some(profile), errors),
            Err(error) => error,
        };
        let path = path_of(error.path());
        let message = error.inner().message().to_owned();
        let finding = read(&message, &path);
        if !finding.follows_from_repair(source) {
            errors.push(source.error(&finding.path, finding.aim, finding.problem.clone(), finding.fix.clone()));
        }
        if !repair(source, &finding) {
            break;
        }
    }
    (None, errors)
}

/// An error message of serde, understood.
struct Finding {
    path: Path,
    aim: Aim,
    kind: Kind,
    problem: String,
    fix: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Missing,
    Wrong,
}

impl Finding {
    /// Whether the key is missing only because a repair took it away.
    fn follows_from_repair(&self, source: &Source<'_>) -> bool {
        self.kind == Kind::Missing && self.path.0.len() == 1 && !source.whole(self.path.top())
    }
}

fn path_of(path: &serde_path_to_error::Path) -> Path {
    path.iter().fold(Path::root(), |so_far, segment| match segment {
        Segment::Seq { index } => so_far.item(*index),
        Segment::Map { key } => so_far.key(key),
        Segment::Enum { variant } => so_far.key(variant),
        Segment::Unknown => so_far,
    })
}

fn read(message: &str, path: &Path) -> Finding {
    let ticks = between_ticks(message);
    let (first, rest) = ticks.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let known = || rest.iter().copied();
    let (kind, path, aim, problem, fix) = if message.starts_with("unknown field") {
        let fix = format!("{}，用不着就删去这一行", did_you_mean(first, known()).trim_end_matches('？'));
        (Kind::Unknown, path.clone(), Aim::Key, format!("不认识的键「{first}」"), fix)
    } else if message.starts_with("missing field") {
        let fix = match (path.0.is_empty(), first) {
            (true, "severity" | "commitment") => format!("至少写一个 [[{first}]] 块"),
            (true, _) => format!("在文件开头、第一个方括号块之前加上 {first} = {}", example(first)),
            (false, _) => format!("在这个块里加上 {first} = {}", example(first)),
        };
        (Kind::Missing, path.clone().key(first), Aim::Value, format!("缺少必填的键「{first}」"), fix)
    } else if message.starts_with("unknown variant") {
        (Kind::Wrong, path.clone(), Aim::Value, format!("「{first}」不能写在这里"), did_you_mean(first, known()))
    } else if path.top().starts_with("extra_") && matches!(path.0.last(), Some(Seg::Item(_))) {
        let fix = "写成 \"2026-10-01\" 的样子".to_owned();
        (Kind::Wrong, path.clone(), Aim::Value, "这不是日期".to_owned(), fix)
    } else if let Some((got, wanted)) = message.split_once(", expected ") {
        let (problem, fix) = type_words(got, wanted, path);
        (Kind::Wrong, path.clone(), Aim::Value, problem, fix)
    } else if let Some((problem, fix)) = message.split_once('：') {
        // The project's own words: lengths and points of escalation (`length.rs`).
        (Kind::Wrong, path.clone(), Aim::Value, problem.to_owned(), fix.to_owned())
    } else {
        let fix = "照 contracts/template.toml 里同名的键改写";
        (Kind::Wrong, path.clone(), Aim::Value, format!("这个值读不懂（{message}）"), fix.to_owned())
    };
    Finding { path, aim, kind, problem, fix }
}

fn between_ticks(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

fn example(key: &str) -> &'static str {
    match key {
        "within" => "\"2h\"",
        "calendar" | "not_during" => "\"7x24\"",
        "hours" => "[[\"08:30\", \"12:00\"], [\"13:30\", \"18:00\"]]",
        "criteria" => "[\"判定标准\"]",
        "every" => "\"day\"",
        "at" => "\"50%\"",
        "roles" => "[\"lead\"]",
        "requires" => "[\"plan\", \"rollback\"]",
        _ => "\"……\"",
    }
}

fn type_words(got: &str, wanted: &str, path: &Path) -> (String, String) {
    let last_key = path.0.iter().rev().find_map(|seg| match seg {
        Seg::Key(key) => Some(key.as_str()),
        Seg::Item(_) => None,
    });
    let key = last_key.unwrap_or("键");
    let is_block = path.0.len() <= 1 || matches!(path.0.last(), Some(Seg::Item(_)));
    let what = if got.starts_with("invalid type: string") {
        "写成了一段文字"
    } else if got.starts_with("invalid type: integer") || got.starts_with("invalid type: floating") {
        "写成了数字"
    } else if got.starts_with("invalid type: boolean") {
        "写成了 true 或 false"
    } else if got.starts_with("invalid type: sequence") {
        "写成了列表"
    } else if got.starts_with("invalid type: map") {
        "写成了一个块"
    } else if got.starts_with("invalid length") {
        "个数不对"
    } else {
        "超出了范围"
    };
    let fix = match wanted {
        "a string" | "string" => format!("写成带英文引号的文字，如 {key} = {}", example(key)),
        "a boolean" => format!("写 {key} = true 或 {key} = false，不加引号"),
        "u8" | "u32" => format!("写成不带引号、不小于 0 的整数，如 {key} = 5"),
        "a sequence" if is_block && got.starts_with("invalid type: map") => {
            format!("块名写成双方括号 [[{key}]]，每一项一个块")
        }
        "a sequence" => format!("写成方括号列表，如 {key} = [\"……\"]"),
        "an array of length 2" | "fewer elements in array" => {
            "每段时间写两个钟点，如 [\"08:30\", \"12:00\"]".to_owned()
        }
        "a map" => format!("写成单方括号的块 [{key}]"),
        other if other.starts_with("struct ") => format!("写成单方括号的块 [{key}]"),
        _ => "照 contracts/template.toml 里同名的键改写".to_owned(),
    };
    (format!("「{key}」{what}"), fix)
}

/// Takes the place of the error out, so that the rest can be read. False if nothing could be done.
fn repair(source: &mut Source<'_>, finding: &Finding) -> bool {
    let segments = &finding.path.0;
    if finding.kind == Kind::Unknown {
        return remove(&mut source.table, segments);
    }
    match segments.as_slice() {
        [] | [Seg::Item(_), ..] => false,
        [Seg::Key(key), Seg::Item(index), ..] if matches!(source.table.get(key), Some(Value::Array(items)) if items.get(*index).is_some_and(Value::is_table)) =>
        {
            let (key, index) = (key.clone(), *index);
            source.drop_item(&key, index);
            true
        }
        [Seg::Key(key)] if finding.kind == Kind::Missing => {
            let empty = match key.as_str() {
                "severity" | "commitment" => Value::Array(Vec::new()),
                _ => Value::String(String::new()),
            };
            source.table.insert(key.clone(), empty);
            let key = key.clone();
            source.damage(&key);
            true
        }
        [Seg::Key(key), ..] => {
            let key = key.clone();
            source.damage(&key);
            source.table.remove(&key).is_some()
        }
    }
}

fn remove(table: &mut toml::Table, segments: &[Seg]) -> bool {
    match segments {
        [Seg::Key(key)] => table.remove(key).is_some(),
        [Seg::Key(key), rest @ ..] => table.get_mut(key).is_some_and(|value| remove_in(value, rest)),
        [] | [Seg::Item(_), ..] => false,
    }
}

fn remove_in(value: &mut Value, segments: &[Seg]) -> bool {
    match (value, segments) {
        (Value::Table(table), segments) => remove(table, segments),
        (Value::Array(items), [Seg::Item(index), rest @ ..]) => {
            items.get_mut(*index).is_some_and(|item| remove_in(item, rest))
        }
        (_, _) => false,
    }
}

/// What a syntax error of the TOML parser means, and what to do; `line` is the line it was found in.
pub(super) fn syntax_words(message: &str, line: &str) -> (String, String) {
    const WIDE: [(char, &str); 12] = [
        ('“', "\""),
        ('”', "\""),
        ('‘', "'"),
        ('’', "'"),
        ('＝', "="),
        ('［', "["),
        ('］', "]"),
        ('【', "["),
        ('】', "]"),
        ('，', ","),
        ('＃', "#"),
        ('＂', "\""),
    ];
    let outside_quotes: String = line.split('"').step_by(2).collect();
    let words = |problem: &str, fix: &str| (problem.to_owned(), fix.to_owned());
    if let Some((wide, narrow)) = WIDE.iter().find(|(wide, _)| outside_quotes.contains(*wide)) {
        return (format!("这一行用了全角标点「{wide}」"), format!("换成英文半角的 {narrow}"));
    }
    if message.starts_with("duplicate key") {
        words("同一个键或块名写了两次", "只留一个；同类的多个块请用双方括号 [[…]]")
    } else if message.contains("string") && message.contains("quoted") {
        words("文字没有加引号", "在两头加上英文引号，如 within = \"2h\"")
    } else if message.contains("string") {
        words("引号没有配对", "在这段文字的两头各写一个英文引号")
    } else if message.contains("table") || message.contains("array") {
        words("方括号没有配对", "检查 [ 和 ]、[[ 和 ]] 是否成对")
    } else if message.contains("key") || message.contains('=') {
        words("这一行不是「键 = 值」", "写成 键 = 值；说明文字前面加 #")
    } else {
        (format!("TOML 语法有误（{message}）"), "照 contracts/template.toml 里的写法改".to_owned())
    }
}
