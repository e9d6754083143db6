//! What is wrong with an entry that somebody typed, said in Chinese: the libraries that read it speak English.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads an entry.
///
/// # Errors
/// A sentence that names the key and what it should be.
pub fn entry<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        sentence(path.trim_start_matches('.'), &error.inner().to_string())
    })
}

/// What stands between backquotes in a message of serde.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

fn sentence(path: &str, message: &str) -> String {
    let names = quoted(message);
    let key = path.rsplit('.').find(|part| !part.starts_with('[')).unwrap_or(path);
    let whole = if path.is_empty() || path == "?" { "这一条" } else { path };
    match names.as_slice() {
        [name, ..] if message.starts_with("missing field") => format!("缺少 {name}"),
        [name, known @ ..] if message.starts_with("unknown field") => {
            format!("没有「{name}」这个键，可用的有 {}", known.join("、"))
        }
        [name, known @ ..] if message.starts_with("unknown variant") => {
            format!("{whole}「{name}」不认识，可以是 {}", known.join("、"))
        }
        _ => match key {
            "days" => {
                "days 应为 workdays、restdays、everyday，或 [\"mon\", \"tue\"]、[\"2026-10-01\"] 这样的列表".to_owned()
            }
            "since" | "date" => format!("{whole} 应写成 2026-10-01 这样的日期"),
            "from" | "until" if !message.starts_with("invalid type") => {
                format!("{whole} 应写成 2026-10-08T20:00:00+08:00 这样的时间")
            }
            _ if message.starts_with("invalid type") => {
                format!("{whole} 的写法不对，请对照说明里的例子（文字要加引号，列表用方括号）")
            }
            _ => format!("{whole} 写得不对，请对照说明里的例子"),
        },
    }
}
