//! Lists as offices keep them: workbooks, tables of commas or bars, lines of JSON, TOML. What is wrong is refused with
//! its line.

use std::collections::BTreeMap;
use std::path::Path;

use calamine::{Data, Reader, open_workbook_auto};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use zhishou_intents::FaqEntry;

use crate::rules::directory::PeopleFile;
use crate::rules::people::{Known, Refusal, Typed, read, typed};

/// Rows of a table by column name.
type Rows = Vec<(usize, BTreeMap<String, String>)>;

pub(super) fn extension(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// The text of a file: UTF-8 with or without a mark in front, UTF-16 with one, or GBK as Excel saves it on a Chinese
/// Windows.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("无法读取 {}：{error}", path.display()))?;
    decoded(&bytes).ok_or_else(|| format!("{}：文字编码不是 UTF-8 或 GBK，请另存为 UTF-8", path.display()))
}

fn decoded(bytes: &[u8]) -> Option<String> {
    let encoding = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None => encoding_rs::GB18030,
    };
    let (text, _, wrong) = encoding.decode(bytes);
    (!wrong).then(|| text.into_owned())
}

/// One sheet of a workbook.
struct Sheet {
    /// How places in it begin: empty where the workbook has but one, else `工作表「人员」`.
    name: String,
    heads: Vec<String>,
    rows: Rows,
}

impl Sheet {
    fn is_faq(&self) -> bool {
        self.heads.iter().any(|head| matches!(head.as_str(), "question" | "问题"))
    }

    fn place(&self, line: usize) -> String {
        format!("{}第 {line} 行", self.name)
    }
}

/// All sheets of a workbook that are not empty, each with a table of its own.
fn sheets(path: &Path) -> Result<Vec<Sheet>, String> {
    let wrong = |why: &str| format!("无法读取表格 {}：{why}", path.display());
    let mut book = open_workbook_auto(path).map_err(|_| wrong("文件损坏、加了密，或不是 .xlsx"))?;
    let mut found = Vec::new();
    for name in book.sheet_names() {
        let range = book.worksheet_range(&name).map_err(|_| wrong(&format!("工作表「{name}」读不出来")))?;
        let first = range.start().map_or(0, |(row, _)| usize::try_from(row).unwrap_or(0));
        let mut lines = range.rows().map(|row| row.iter().map(cell).collect::<Vec<_>>());
        let Some(heads) = lines.next() else { continue };
        let heads: Vec<String> = heads.iter().map(|head| head.trim().to_owned()).collect();
        let rows: Rows = lines
            .enumerate()
            .map(|(at, row)| (first + at + 2, pair(&heads, row.into_iter())))
            .filter(|(_, row)| !row.is_empty())
            .collect();
        found.push(Sheet { name, heads, rows });
    }
    let several = found.len() > 1;
    for sheet in &mut found {
        sheet.name = if several { format!("工作表「{}」", sheet.name) } else { String::new() };
    }
    Ok(found)
}

fn cell(data: &Data) -> String {
    match data {
        Data::Float(number) if number.fract() == 0.0 => format!("{number:.0}"),
        // Excel makes a time of 08:30 and a date of 2026-10-01 by itself.
        Data::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, ..) = at.to_ymd_hms_milli();
            if at.as_f64() < 1.0 { format!("{hour:02}:{minute:02}") } else { format!("{year:04}-{month:02}-{day:02}") }
        }
        other => other.to_string().trim().to_owned(),
    }
}

fn pair(heads: &[String], cells: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    heads.iter().map(|head| head.trim().to_owned()).zip(cells).filter(|(_, value)| !value.is_empty()).collect()
}

fn csv_rows(text: &str, file: &str) -> Result<Rows, String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let wrong = |_: csv::Error| format!("{file}：不是逗号分隔的表格，请检查引号");
    let heads: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_owned).collect();
    let mut rows = Rows::new();
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
        let row = pair(&heads, record.iter().map(str::to_owned));
        if !row.is_empty() {
            rows.push((line, row));
        }
    }
    Ok(rows)
}

fn md_rows(text: &str) -> Rows {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().replace("<br>", "\n")).collect()
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with('|'));
    let heads = lines.next().map(|(_, line)| cells(line)).unwrap_or_default();
    lines
        .filter(|(_, line)| !line.chars().all(|c| "|-: \t".contains(c)))
        .map(|(at, line)| (at + 1, pair(&heads, cells(line).into_iter())))
        .collect()
}

fn split_list(text: &str) -> Vec<String> {
    text.split([',', '，', ';', '；', '、', '\n', '|'])
        .map(str::trim)
        .filter(|p| !p.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The id of an entry without one: the same question, of the same contract, is the same entry at the next import.
fn id_of(question: &str, contract: Option<&str>) -> String {
    let words: String = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = contract.map_or(words.clone(), |contract| format!("{words}\n{contract}"));
    format!("q-{}", &hex::encode(Sha256::digest(text.as_bytes()))[..10])
}

/// A row of FAQ columns, in either language.
fn faq_row(row: &BTreeMap<String, String>) -> Result<FaqEntry, String> {
    let get = |names: &[&str]| names.iter().find_map(|name| row.get(*name)).cloned();
    let question = get(&["question", "问题"]).ok_or("缺少 question（问题）")?;
    let answer = get(&["answer", "答案"]).ok_or("缺少 answer（答案）")?;
    let contract = get(&["contract", "合同"]);
    Ok(FaqEntry {
        id: get(&["id", "编号"]).unwrap_or_else(|| id_of(&question, contract.as_deref())),
        question,
        similar: get(&["similar", "相似问法"])
            .map(|text| {
                text.split(['\n', ';', '；', '|']).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
            })
            .unwrap_or_default(),
        answer,
        contract,
        system: get(&["system", "系统"]),
        role: get(&["role", "角色"]),
    })
}

/// One entry with the line it came from, or why that line was refused.
type Entries = Vec<(usize, Result<FaqEntry, String>)>;

fn faq_entries(text: &str, kind: &str, file: &str) -> Result<Entries, String> {
    let rows = match kind {
        "jsonl" | "json" => {
            return Ok(text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim().is_empty())
                .map(|(at, line)| (at + 1, faq_json(line)))
                .collect());
        }
        "csv" => csv_rows(text, file)?,
        "md" => md_rows(text),
        other => return Err(format!("{file}：问答文件可用 .xlsx、.csv、.jsonl、.md，而不是 .{other}")),
    };
    Ok(rows.into_iter().map(|(at, row)| (at, faq_row(&row))).collect())
}

/// A line of JSON, with the keys in either language; other keys are left alone.
fn faq_json(line: &str) -> Result<FaqEntry, String> {
    let value: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("不是 JSON，请检查第 {} 个字节附近", error.column()))?;
    let get = |names: &[&str]| names.iter().find_map(|name| value.get(*name)).filter(|v| !v.is_null());
    let text = |names: &[&str]| get(names).and_then(Value::as_str).map(str::to_owned);
    let similar = match get(&["similar", "相似问法"]) {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => split_list(one),
        _ => Vec::new(),
    };
    let question = text(&["question", "问题"]).ok_or("缺少 question（问题）")?;
    let contract = text(&["contract", "合同"]);
    let id = match get(&["id", "编号"]) {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => id_of(&question, contract.as_deref()),
    };
    Ok(FaqEntry {
        id,
        question,
        similar,
        answer: text(&["answer", "答案"]).unwrap_or_default(),
        contract,
        system: text(&["system", "系统"]),
        role: text(&["role", "角色"]),
    })
}

/// FAQ entries of a text; any line that is wrong is an error.
pub(super) fn faq_text(text: &str, kind: &str, file: &str) -> Result<Vec<FaqEntry>, String> {
    faq_entries(text, kind, file)?
        .into_iter()
        .map(|(line, entry)| entry.map_err(|why| format!("{file} 第 {line} 行：{why}")))
        .collect()
}

/// FAQ entries of a file; any line that is wrong is an error.
pub(super) fn faq_file(path: &Path) -> Result<Vec<FaqEntry>, String> {
    let file = path.display().to_string();
    if extension(path) != "xlsx" {
        return faq_text(&read_text(path)?, &extension(path), &file);
    }
    let mut entries = Vec::new();
    for sheet in sheets(path)?.iter().filter(|sheet| sheet.is_faq()) {
        for (line, row) in &sheet.rows {
            entries.push(faq_row(row).map_err(|why| format!("{file} {}：{why}", sheet.place(*line)))?);
        }
    }
    Ok(entries)
}

/// People, conversations or rosters of a file; any line that is wrong is an error.
pub(super) fn people_file(path: &Path) -> Result<PeopleFile, String> {
    let file = path.display().to_string();
    if extension(path) != "xlsx" {
        return PeopleFile::parse(&read_text(path)?, &file);
    }
    let brought = bring(path, Known::default())?;
    match brought.refused.into_iter().next() {
        Some((place, why)) => Err(format!("{file} {place}：{why}")),
        None => Ok(brought.people),
    }
}

/// What a file brings in.
#[derive(Debug, Default)]
pub(super) struct Brought {
    pub people: PeopleFile,
    pub faq: Vec<FaqEntry>,
    pub refused: Vec<Refusal>,
}

/// Reads a file for an import: what is wrong is refused with its place and the rest taken.
///
/// # Errors
/// A sentence where nothing of it can be read.
pub(super) fn bring(path: &Path, known: Known<'_>) -> Result<Brought, String> {
    let file = path.display().to_string();
    let kind = extension(path);
    let mut brought = Brought::default();
    let mut faq: Vec<(String, Result<FaqEntry, String>)> = Vec::new();
    let mut people: Vec<Typed> = Vec::new();
    let mut puzzling: Vec<Refusal> = Vec::new();
    match kind.as_str() {
        "toml" => people = typed(&read_text(path)?).map_err(|why| format!("{file} {why}"))?,
        "xlsx" => {
            for sheet in sheets(path)? {
                if sheet.is_faq() {
                    faq.extend(sheet.rows.iter().map(|(line, row)| (sheet.place(*line), faq_row(row))));
                    continue;
                }
                let heads: Vec<&str> = sheet.heads.iter().map(String::as_str).collect();
                let Some(whole) = kind_of(&|key| heads.contains(&key)) else {
                    puzzling.push((sheet.place(1), "看不出是人员、会话、班次、域名还是问答，请检查表头".to_owned()));
                    continue;
                };
                for (line, row) in &sheet.rows {
                    let kind = kind_of(&|key| row.contains_key(key)).unwrap_or(whole).to_owned();
                    people.push(Typed { place: sheet.place(*line), kind, value: sheet_value(row) });
                }
            }
        }
        _ => {
            let entries = faq_entries(&read_text(path)?, &kind, &file)?;
            faq.extend(entries.into_iter().map(|(line, entry)| (format!("第 {line} 行"), entry)));
        }
    }
    (brought.people, brought.refused) = read(people, known);
    brought.refused.splice(0..0, puzzling);
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (place, entry) in faq {
        let checked = entry.and_then(|entry| match seen.get(&entry.id) {
            Some(first) => Err(format!("id「{}」与{first}重复，只取前一条", entry.id)),
            None => Ok(entry),
        });
        match checked {
            Ok(entry) => {
                seen.insert(entry.id.clone(), place);
                brought.faq.push(entry);
            }
            Err(why) => brought.refused.push((place, why)),
        }
    }
    Ok(brought)
}

/// What a row or the head of a sheet speaks of, by the keys it has.
fn kind_of(has: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    [
        ("domain", &["match"][..]),
        ("shift", &["people"]),
        ("swap", &["date", "to"]),
        ("conversation", &["channel"]),
        ("maintenance", &["from", "until"]),
        ("person", &["name"]),
    ]
    .into_iter()
    .find(|(_, keys)| keys.iter().all(|key| has(key)))
    .map(|(kind, _)| kind)
}

fn sheet_value(row: &BTreeMap<String, String>) -> Value {
    let mut out = Map::new();
    let mut accounts = Map::new();
    for (key, text) in row {
        if let Some(channel) = key.strip_prefix("accounts.") {
            accounts.insert(channel.to_owned(), json!(text));
        } else if key == "accounts" {
            for pair in split_list(text) {
                if let Some((channel, account)) = pair.split_once(['=', ':', '：']) {
                    accounts.insert(channel.trim().to_owned(), json!(account.trim()));
                }
            }
        } else if matches!(key.as_str(), "contracts" | "ways" | "aliases" | "people" | "systems" | "also")
            || (key == "days" && !matches!(text.as_str(), "workdays" | "restdays" | "everyday"))
        {
            out.insert(key.clone(), json!(split_list(text)));
        } else {
            out.insert(key.clone(), json!(text));
        }
    }
    if !accounts.is_empty() {
        out.insert("accounts".to_owned(), Value::Object(accounts));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_list_saved_on_a_chinese_windows_is_read_and_the_same_again_without_ids() {
        let text = "问题,答案\r\n证书怎么办理,到窗口办理\r\n";
        let gbk = encoding_rs::GBK.encode(text).0.into_owned();
        let marked = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
        let ids: Vec<String> = [gbk.as_slice(), text.as_bytes(), marked.as_slice()]
            .into_iter()
            .map(|bytes| {
                let (_folder, path) = file("faq.csv", bytes);
                let brought = bring(&path, Known::default()).unwrap();
                assert!(brought.refused.is_empty(), "{:?}", brought.refused);
                assert_eq!(brought.faq[0].question, "证书怎么办理");
                brought.faq[0].id.clone()
            })
            .collect();
        assert!(ids[0].starts_with("q-") && ids[0].len() == 12, "{ids:?}");
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }

    #[test]
    fn an_id_used_twice_in_one_list_is_refused_with_both_lines() {
        let (_folder, path) = file("dup.csv", "id,question,answer\nz1,甲,一\nz1,乙,二\n".as_bytes());
        let brought = bring(&path, Known::default()).unwrap();
        assert_eq!(brought.faq.len(), 1);
        assert_eq!(brought.refused, [("第 3 行".to_owned(), "id「z1」与第 2 行重复，只取前一条".to_owned())]);
    }

    #[test]
    fn every_sheet_of_a_workbook_is_read_and_one_wrong_row_stops_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book.xlsx");
        let mut book = rust_xlsxwriter::Workbook::new();
        for (name, rows) in [
            ("人员", vec![["id", "name", "role"], ["a", "张工", "engineer"], ["b", "李工", "boss"]]),
            ("班次", vec![["people", "from", "to"], ["a", "08:30", "18:00"]]),
            ("问答", vec![["id", "问题", "答案"], ["f1", "怎么办理", "到窗口"]]),
            ("说明", vec![["这张表", "是", "备注"]]),
        ] {
            let sheet = book.add_worksheet();
            sheet.set_name(name).unwrap();
            for (at, row) in (0u32..).zip(rows) {
                for (column, text) in (0u16..).zip(row) {
                    sheet.write_string(at, column, text).unwrap();
                }
            }
        }
        book.add_worksheet();
        book.save(&path).unwrap();
        let brought = bring(&path, Known::default()).unwrap();
        assert_eq!((brought.people.person.len(), brought.people.shift.len(), brought.faq.len()), (1, 1, 1));
        let places: Vec<&str> = brought.refused.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, ["工作表「说明」第 1 行", "工作表「人员」第 3 行"]);
        assert_eq!(brought.refused[1].1, "role「boss」不认识，可以是 customer、engineer、lead、admin");
    }
}
