//! Contracts: a shipped profile by its id or a file by its path, with the supplier's overrides on top.

use std::path::Path;
use std::sync::Arc;

use crate::rules::holidays::Holidays;
use crate::rules::profile::Profile;
use crate::rules::terms::Terms;

/// The public holidays: shipped, or from a file with a newer notice.
pub fn holidays(path: Option<&Path>) -> Result<Holidays, String> {
    match path {
        None => Ok(Holidays::shipped().clone()),
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("无法读取 {}：{error}", path.display()))?;
            Holidays::parse(&text).map_err(|error| format!("{}：{error}", path.display()))
        }
    }
}

fn profile_text(name: &str, folder: &Path) -> Result<(String, String), String> {
    if let Some((id, text)) = Profile::shipped().iter().find(|(id, _)| *id == name) {
        return Ok(((*text).to_owned(), format!("contracts/{id}.toml")));
    }
    let path = folder.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((text, path.display().to_string())),
        Err(error) => {
            let shipped: Vec<&str> = Profile::shipped().iter().map(|(id, _)| *id).collect();
            Err(format!(
                "没有合同档案「{name}」：它不是随附的档案（{}），也读不到文件 {}（{error}）",
                shipped.join("、"),
                path.display()
            ))
        }
    }
}

/// A contract by the id of a shipped profile or a path.
///
/// # Errors
/// Everything that is wrong with the profile, each with line, key and fix.
pub fn load_contract(name: &str, folder: &Path, holidays: &Holidays) -> Result<Arc<Terms>, Vec<String>> {
    let mut entry = toml::Table::new();
    entry.insert("profile".to_owned(), toml::Value::String(name.to_owned()));
    contract(entry, folder, holidays).map(|(terms, _)| terms)
}

/// A `[[contract]]` entry: `profile`, `id`, `default`; every other key replaces that key of the profile.
pub(super) fn contract(
    mut entry: toml::Table,
    folder: &Path,
    holidays: &Holidays,
) -> Result<(Arc<Terms>, bool), Vec<String>> {
    let Some(toml::Value::String(name)) = entry.remove("profile") else {
        return Err(vec!["[[contract]] 缺少 profile：写随附档案的名字或文件路径".to_owned()]);
    };
    let default = match entry.remove("default") {
        None => false,
        Some(toml::Value::Boolean(default)) => default,
        Some(_) => return Err(vec![format!("合同「{name}」的 default 应为 true 或 false")]),
    };
    let id = match entry.remove("id") {
        None => None,
        Some(toml::Value::String(id)) => Some(id),
        Some(_) => return Err(vec![format!("合同「{name}」的 id 应为文字")]),
    };
    let (text, file) = profile_text(&name, folder).map_err(|problem| vec![problem])?;
    let profile = Profile::parse_with(&text, &file, &entry, "zhishou.toml")
        .map_err(|errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let id = id.unwrap_or_else(|| profile.id.clone());
    let terms = Terms::new(&id, profile, holidays).map_err(|error| vec![format!("{file}：{error}")])?;
    Ok((terms, default))
}
