//! What a file calls itself, and what must never be handed on (section 11 of the mail sheet).

/// Characters of a name that are kept.
const LONGEST_NAME: usize = 120;

/// Endings that a computer runs, or that hide something that it runs.
const PROGRAMS: [&str; 60] = [
    "exe",
    "scr",
    "com",
    "pif",
    "bat",
    "cmd",
    "vbs",
    "vbe",
    "js",
    "jse",
    "wsf",
    "wsh",
    "hta",
    "ps1",
    "psm1",
    "lnk",
    "url",
    "reg",
    "msi",
    "msp",
    "cpl",
    "jar",
    "chm",
    "iso",
    "img",
    "vhd",
    "vhdx",
    "one",
    "docm",
    "xlsm",
    "pptm",
    "xlam",
    "dotm",
    "svg",
    "html",
    "htm",
    "mht",
    "mhtml",
    "xll",
    "dll",
    "sys",
    "sct",
    "xltm",
    "potm",
    "ppam",
    "sldm",
    "xlsb",
    "application",
    "gadget",
    "inf",
    "ade",
    "adp",
    "msc",
    "vb",
    "ws",
    "scf",
    "shtml",
    "xhtml",
    "apk",
    "elf",
];
/// Endings that say what a file is; one of these before another one is a name that lies.
const DOCUMENTS: [&str; 24] = [
    "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "wps", "et", "dps", "ofd", "txt", "rtf", "csv", "jpg", "jpeg",
    "png", "gif", "bmp", "tif", "tiff", "mp3", "mp4", "zip",
];
/// Endings that may follow one of [`DOCUMENTS`]: packed, or signed.
const WRAPPERS: [&str; 14] =
    ["zip", "rar", "7z", "gz", "bz2", "xz", "p7s", "p7m", "asc", "sig", "pgp", "gpg", "eml", "bak"];

/// A name as it can be shown: no folders, nothing that turns the reading direction, none of the characters that a file
/// system refuses.
pub(super) fn shown(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control() && !turns(*c)).collect();
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let clean: String =
        last.chars().map(|c| if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c }).collect();
    let clean = clean.trim().trim_end_matches(['.', ' ', '\u{3000}']).to_owned();
    let length = clean.chars().count();
    if length <= LONGEST_NAME {
        return clean;
    }
    let ending = clean.rsplit_once('.').map(|(_, ending)| ending).filter(|ending| ending.len() <= 10);
    let keep = LONGEST_NAME - ending.map_or(0, |ending| ending.len() + 1);
    let mut cut: String = clean.chars().take(keep).collect();
    if let Some(ending) = ending {
        cut.extend([".", ending]);
    }
    cut
}

/// Marks that make a name read otherwise than it is.
fn turns(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200B}'..='\u{200F}' | '\u{FEFF}' | '\u{AD}')
}

/// Why a file of this name (as the mail wrote it) and these bytes is not to be handed on.
pub(super) fn danger(name: &str, bytes: &[u8]) -> Option<String> {
    of_name(name).or_else(|| of_bytes(bytes)).or_else(|| archive(name, bytes))
}

fn of_name(name: &str) -> Option<String> {
    if name.chars().any(|c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')) {
        return Some("文件名里有改变文字方向的字符，看到的扩展名不是真的".to_owned());
    }
    let trimmed = name.trim_end_matches(['.', ' ', '\u{3000}', '\u{A0}']);
    let lower = trimmed.to_lowercase();
    let mut parts = lower.rsplit('.');
    let last = parts.next().filter(|last| last.len() < lower.len()).unwrap_or_default().trim();
    if PROGRAMS.contains(&last) {
        return Some(format!("这类文件（.{last}）可能是程序或带宏"));
    }
    if trimmed.len() < name.len() && !last.is_empty() {
        return Some("文件名以点或空格结尾，扩展名可能是假的".to_owned());
    }
    let before = parts.next().unwrap_or_default().trim();
    let two = DOCUMENTS.contains(&before) && before != last && !WRAPPERS.contains(&last);
    (two && !last.is_empty() && last.len() <= 5 && last.chars().all(|c| c.is_ascii_alphanumeric()))
        .then(|| format!("文件名有两个扩展名（.{before}.{last}）"))
}

fn of_bytes(bytes: &[u8]) -> Option<String> {
    let program = bytes.starts_with(b"MZ") && bytes.len() > 64
        || bytes.starts_with(b"\x7FELF")
        || bytes.starts_with(b"\x4C\0\0\0\x01\x14\x02\0");
    program.then(|| "内容是程序，和它的名字无关".to_owned())
}

/// Entries of an archive that are looked at.
const MOST_ENTRIES: usize = 10_000;
/// Bytes that an archive may come to, and how many times its own length (section 11).
const LARGEST_UNPACKED: u64 = 1 << 30;
const MOST_TIMES: u64 = 100;

fn archive(name: &str, bytes: &[u8]) -> Option<String> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    if bytes.starts_with(b"Rar!") || bytes.starts_with(b"7z\xBC\xAF\x27\x1C") || matches!(ending.as_str(), "rar" | "7z")
    {
        return Some("这种压缩包（rar、7z）无法检查里面有什么".to_owned());
    }
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    let Some(entries) = directory(bytes) else {
        return Some("压缩包不完整，无法检查里面有什么".to_owned());
    };
    let mut unpacked = 0_u64;
    for entry in entries {
        if entry.encrypted {
            return Some("压缩包有密码，无法检查里面有什么".to_owned());
        }
        unpacked = unpacked.saturating_add(entry.size);
        if entry.name.ends_with("vbaproject.bin") {
            return Some("文件里带宏".to_owned());
        }
        // Office files are archives too; what stands in them is no file of its own.
        let office = entry.name.starts_with("word/") || entry.name.starts_with("xl/") || entry.name.starts_with("ppt/");
        if let Some(why) = of_name(entry.name.rsplit('/').next().unwrap_or_default()).filter(|_| !office) {
            return Some(format!("压缩包里有不能转交的文件：{why}"));
        }
    }
    let times = unpacked / (bytes.len() as u64).max(1);
    (unpacked > LARGEST_UNPACKED || times > MOST_TIMES).then(|| "压缩包解开后太大".to_owned())
}

struct Entry {
    name: String,
    size: u64,
    encrypted: bool,
}

/// The central directory of a zip file; `None` where it cannot be read.
fn directory(bytes: &[u8]) -> Option<Vec<Entry>> {
    let u16_at = |at: usize| Some(usize::from(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?)));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    // The end record is the last 22 bytes, or stands before a comment of at most 65,535.
    let last = bytes.len().checked_sub(22)?;
    let end = (last.saturating_sub(65_535)..=last).rev().find(|at| bytes[*at..].starts_with(b"PK\x05\x06"))?;
    let count = u16_at(end + 10)?;
    let mut at = usize::try_from(u32_at(end + 16)?).ok()?;
    let mut entries = Vec::new();
    for _ in 0..count.min(MOST_ENTRIES) {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (flags, name, extra, comment) = (u16_at(at + 8)?, u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?);
        let written = bytes.get(at + 46..at + 46 + name)?;
        entries.push(Entry {
            name: String::from_utf8_lossy(written).to_lowercase(),
            size: u64::from(u32_at(at + 24)?),
            encrypted: flags & 1 == 1,
        });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}
