//! `${NAME}` and `file:PATH` in any string of the configuration.

use std::path::Path;

use toml::Value;

/// Expands every string of a table in place; what cannot be expanded is said with its key.
pub(super) fn expand_table(table: &mut toml::Table, folder: &Path, place: &str, problems: &mut Vec<String>) {
    for (key, value) in table.iter_mut() {
        let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        expand(value, folder, &place, problems);
    }
}

fn expand(value: &mut Value, folder: &Path, place: &str, problems: &mut Vec<String>) {
    match value {
        Value::String(text) => match expand_text(text, folder) {
            Ok(Some(expanded)) => *text = expanded,
            Ok(None) => {}
            Err(problem) => problems.push(format!("{place}：{problem}")),
        },
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                expand(item, folder, &format!("{place}[{at}]"), problems);
            }
        }
        Value::Table(table) => expand_table(table, folder, place, problems),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
    }
}

fn expand_text(text: &str, folder: &Path) -> Result<Option<String>, String> {
    if let Some(path) = text.strip_prefix("file:") {
        let path = folder.join(path);
        return std::fs::read_to_string(&path)
            .map(|secret| Some(secret.trim_end().to_owned()))
            .map_err(|error| format!("无法读取 {}：{error}", path.display()));
    }
    if !text.contains("${") {
        return Ok(None);
    }
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            return Err(format!("「{text}」里的 ${{ 没有闭合"));
        };
        let value = std::env::var(name).map_err(|_| format!("环境变量 {name} 没有设置"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(Some(out))
}
