//! Whether the sender is who it says: what our own receiving server found out (10). Pure.
//!
//! Only fields that our server wrote count: those under one of the configured names, and of these only the topmost, with no
//! more Received fields above it than our own servers put there. Everything below may have come with the mail.

/// Endings under which anybody may register a name: the organisation is the label before them.
const SHARED: [&str; 11] = ["com", "net", "org", "gov", "edu", "ac", "mil", "co", "gob", "or", "ne"];
/// Divisions of `.cn` by province.
const PROVINCES: [&str; 34] = [
    "bj", "sh", "tj", "cq", "he", "sx", "nm", "ln", "jl", "hl", "js", "zj", "ah", "fj", "jx", "sd", "ha", "hb", "hn",
    "gd", "gx", "hi", "sc", "gz", "yn", "xz", "sn", "gs", "qh", "nx", "xj", "tw", "hk", "mo",
];

/// Why the sender is not certain; `None` where our server vouches for it.
///
/// `fields`: every Authentication-Results field, topmost first, each with the number of Received fields above it. `ours`: names
/// under which our server writes. `hops`: Received fields that our own servers may have put above theirs.
pub fn doubt(from: &str, fields: &[(usize, String)], ours: &[String], hops: usize) -> Option<String> {
    let domain = from.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    if ours.is_empty() {
        return Some("没有配置可信的收信服务器（authserv_ids），无法核验发件人".to_owned());
    }
    let is_ours = |field: &str| {
        let name = server_of(field);
        ours.iter().any(|ours| ours.trim().eq_ignore_ascii_case(&name))
    };
    let Some((level, _)) = fields.iter().find(|(_, field)| is_ours(field)) else {
        return Some("收信服务器没有给出发件人核验结果".to_owned());
    };
    if *level > hops {
        return Some("发件人核验结果不是由我们的收信服务器写入的".to_owned());
    }
    let mut found = Found::default();
    for (_, field) in fields.iter().filter(|(at, field)| at == level && is_ours(field)) {
        for result in results(field) {
            found.add(&result, &domain);
        }
    }
    found.verdict(&domain)
}

#[derive(Debug, Default)]
struct Found {
    passed: bool,
    dmarc_failed: bool,
    failed: Vec<&'static str>,
    foreign: bool,
}

impl Found {
    fn add(&mut self, result: &MethodResult, domain: &str) {
        let aligned = |keys: &[&str]| {
            let named = keys.iter().find_map(|key| result.property(key));
            named.map(|named| same_organisation(named.rsplit('@').next().unwrap_or_default(), domain))
        };
        let (name, fits) = match result.method.as_str() {
            // A result that names no domain is about From by definition.
            "dmarc" => ("DMARC", aligned(&["header.from"]).unwrap_or(true)),
            "dkim" => ("DKIM", aligned(&["header.d", "header.i"]).unwrap_or(false)),
            "spf" => ("SPF", aligned(&["smtp.mailfrom", "smtp.mail"]).unwrap_or(false)),
            _ => return,
        };
        match result.value.as_str() {
            "pass" if fits => self.passed = true,
            "pass" => self.foreign = true,
            "fail" | "hardfail" | "softfail" | "permerror" if name == "DMARC" || fits => {
                self.dmarc_failed |= name == "DMARC" && result.value == "fail";
                self.failed.push(name);
            }
            _ => {}
        }
    }

    fn verdict(&self, domain: &str) -> Option<String> {
        if self.passed && !self.dmarc_failed {
            return None;
        }
        if !self.failed.is_empty() {
            return Some(format!("发件人核验没有通过（{}），可能是冒用 {domain} 的地址", self.failed.join("、")));
        }
        if self.foreign {
            return Some(format!("邮件由别的域代发，不能证明来自 {domain}"));
        }
        Some(format!("{domain} 没有可用的核验结果，无法确认发件人"))
    }
}

/// `method=result` and what it says about.
struct MethodResult {
    method: String,
    value: String,
    properties: Vec<(String, String)>,
}

impl MethodResult {
    fn property(&self, key: &str) -> Option<&str> {
        self.properties.iter().find(|(of, _)| of == key).map(|(_, value)| value.as_str())
    }
}

/// First word of the field: who wrote it.
fn server_of(field: &str) -> String {
    let plain = without_comments(field);
    let first = plain.split(';').next().unwrap_or_default();
    first.split_whitespace().next().unwrap_or_default().to_owned()
}

fn results(field: &str) -> Vec<MethodResult> {
    let plain = without_comments(field);
    plain.split(';').skip(1).filter_map(result_of).collect()
}

fn result_of(text: &str) -> Option<MethodResult> {
    // Blanks may stand around `=`.
    let text = text.replace(" =", "=").replace("= ", "=").to_ascii_lowercase();
    let mut words = text.split_whitespace();
    let (method, value) = words.next()?.split_once('=')?;
    // A method may carry its version: `dkim/1`.
    let method = method.split('/').next().unwrap_or_default();
    let properties = words
        .filter_map(|word| word.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').trim_start_matches('@').to_owned()))
        .collect();
    Some(MethodResult { method: method.to_owned(), value: value.to_owned(), properties })
}

/// Text without what stands in brackets, nested ones too; what stands in quotes is left alone but for `;`.
fn without_comments(text: &str) -> String {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            ';' | '=' if quoted => {}
            '\r' | '\n' | '\t' if depth == 0 => out.push(' '),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Whether two domains belong to one organisation.
fn same_organisation(one: &str, other: &str) -> bool {
    let (one, other) = (organisation(one), organisation(other));
    !one.is_empty() && one == other
}

/// `mail.hr.example.gov.cn` → `example.gov.cn`.
fn organisation(domain: &str) -> String {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = domain.split('.').collect();
    let shared = match labels.as_slice() {
        [.., second, "cn"] => SHARED.contains(second) || PROVINCES.contains(second),
        [.., second, top] if top.len() == 2 => SHARED.contains(second),
        _ => false,
    };
    let keep = if shared { 3 } else { 2 };
    if labels.len() < keep || labels.iter().any(|label| label.is_empty()) {
        // Nothing is registered there: it stands for itself alone.
        return if labels.len() == 2 { domain } else { String::new() };
    }
    labels[labels.len() - keep..].join(".")
}
