//! The walls of the house, held by reading the sources.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use regex::Regex;
use zhishou::config::{ChannelSettings, Settings};

/// Longest source file; past 400 lines one looks for a second subject.
const LONGEST: usize = 700;
/// Files that are longer, each with its reason.
const LONG: [(&str, &str); 1] = [(
    "src/rules/ticket/commands.rs",
    "one function a chat command, read beside one another; splitting would scatter one table",
)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with this ending, by their path from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    let mut names: Vec<String> = found
        .iter()
        .filter_map(|path| Some(path.strip_prefix(root()).ok()?.to_str()?.to_owned()))
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == ending))
        .collect();
    names.sort();
    names
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lines of code with their numbers: no comments, and nothing from a `#[cfg(test)]` module on.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Where in the code of these files the pattern stands.
fn places(names: &[String], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect(pattern);
    let mut found = Vec::new();
    for name in names {
        let text = read(name);
        found.extend(
            code(&text).filter(|(_, line)| pattern.is_match(line)).map(|(at, line)| format!("{name}:{at}: {line}")),
        );
    }
    found
}

fn assert_none(found: &[String], wall: &str) {
    assert!(found.is_empty(), "{wall}:\n{}", found.join("\n"));
}

/// Sources of the product: no test modules of their own, which stand in files called so.
fn product() -> Vec<String> {
    let mut names = files("src", "rs");
    names.extend(files("adapters/src", "rs"));
    names.extend(files("intents/src", "rs"));
    names.retain(|name| !name.contains("/tests/") && !name.ends_with("/tests.rs"));
    names
}

fn tests() -> Vec<String> {
    let mut names = files("tests", "rs");
    names.extend(files("adapters/tests", "rs"));
    names.extend(files("adapters/fakes", "rs"));
    names.extend(files("intents/tests", "rs"));
    names
}

#[test]
fn the_sources_were_found() {
    assert!(product().len() > 100, "{}", product().len());
    assert!(tests().len() > 20, "{}", tests().len());
}

#[test]
fn the_rules_wait_for_nothing_and_ask_nobody() {
    let mut names = files("src/rules", "rs");
    names.extend(["src/ids.rs".to_owned(), "src/rules/mod.rs".to_owned()]);
    let wall = r"tokio|sqlx|axum|reqwest|async fn|\.await\b|Timestamp::now|Zoned::now|SystemTime|Instant::now|getrandom|std::(fs|net|env|process|thread)";
    assert_none(&places(&names, wall), "src/ids.rs and src/rules are pure");
    let upwards = r"crate::(store|desk|documents|console|config|cli|rehearse|clock)\b|zhishou_(adapters|intents)";
    assert_none(&places(&names, upwards), "arrows point one way: rules may use ids, nothing else of ours");
}

#[test]
fn only_the_clock_asks_what_time_it_is() {
    // The one place that may, and a stopwatch that reports how fast `eval` ran; both say so to clippy.
    let allowed = ["src/clock.rs", "src/cli/eval.rs"];
    let mut names = product();
    names.retain(|name| !allowed.contains(&name.as_str()));
    assert_none(&places(&names, r"Timestamp::now|Zoned::now|SystemTime::now|Instant::now"), "one clock, injected");
}

#[test]
fn sql_stands_in_the_store_alone() {
    let mut names = product();
    // IMAP has a SELECT of its own.
    names.retain(|name| !name.starts_with("src/store/") && !name.starts_with("adapters/src/mail/imap/"));
    let wall = r"\b(SELECT|DELETE FROM|INSERT INTO|INSERT OR|CREATE TABLE|PRAGMA)\b|\bUPDATE\b.*\bSET\b|\bsqlx::(query|Any|Pool)";
    assert_none(&places(&names, wall), "SQL appears only inside src/store");
}

#[test]
fn the_store_knows_rules_and_nothing_above_it() {
    let names = files("src/store", "rs");
    let upwards = r"crate::(desk|documents|console|config|cli|rehearse|clock)\b|zhishou_(adapters|intents)";
    assert_none(&places(&names, upwards), "the store may use rules");
}

#[test]
fn the_desk_knows_nothing_of_console_and_command_line() {
    let names = files("src/desk", "rs");
    assert_none(&places(&names, r"crate::(documents|console|config|cli|rehearse)\b"), "the desk is below the console");
    assert_none(&places(&names, r"\b(axum|reqwest|sqlx)\b"), "the desk speaks through channels and the store");
    let names = files("src/console", "rs");
    assert_none(&places(&names, r"crate::(config|cli|rehearse)\b"), "the console is below the command line");
}

#[test]
fn channels_and_language_know_neither_each_other_nor_the_desk() {
    for (folder, wall) in [
        ("adapters", r"\bzhishou::|\bzhishou_intents\b|\bTicket\b|\btickets?\."),
        ("intents", r"\bzhishou::|\bzhishou_adapters\b|\b(tokio|sqlx|axum|reqwest|jiff)\b|async fn|std::(net|process)"),
    ] {
        let mut names = files(folder, "rs");
        names.retain(|name| name.contains("/src/"));
        assert_none(&places(&names, wall), folder);
        for manifest in files(folder, "toml").iter().filter(|name| name.ends_with("Cargo.toml")) {
            let text = read(manifest);
            let ours = text.lines().any(|line| line.starts_with("zhishou.") || line.starts_with("zhishou ="));
            assert!(!ours, "{manifest} depends on the desk");
        }
    }
}

#[test]
fn the_fakes_share_no_codec_with_the_adapters() {
    assert!(!read("adapters/fakes/Cargo.toml").contains("zhishou-adapters"));
    assert_none(&places(&files("adapters/fakes", "rs"), r"\bzhishou_adapters\b"), "fakes use none of the codecs");
}

#[test]
fn no_channel_imports_another() {
    let folders: Vec<String> = std::fs::read_dir(root().join("adapters/src"))
        .expect("the crate is there")
        .map(|entry| entry.expect("a readable entry"))
        .filter(|entry| entry.path().is_dir() && entry.file_name() != "media")
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    for folder in &folders {
        for other in folders.iter().filter(|other| *other != folder) {
            let names = files(&format!("adapters/src/{folder}"), "rs");
            assert_none(&places(&names, &format!(r"crate::{other}\b")), "a channel imports no other channel");
        }
    }
}

#[test]
fn no_contract_is_named_in_code() {
    let shipped: Vec<String> = files("contracts", "toml")
        .iter()
        .filter_map(|name| Some(name.strip_prefix("contracts/")?.strip_suffix(".toml")?.to_owned()))
        .filter(|id| id != "template" && !id.contains('/'))
        .collect();
    assert!(shipped.len() >= 5, "{shipped:?}");
    // Where a name may stand, and why.
    let allowed = [
        ("src/rules/profile_check/shipped.rs", "the list of what is shipped"),
        ("src/config/mod.rs", "the sample contract of a first visit, and the example in a message about a missing one"),
        ("src/cli/init.rs", "the default that `init` writes"),
    ];
    let mut names = product();
    names.retain(|name| !allowed.iter().any(|(file, _)| file == name));
    assert_none(&places(&names, &shipped.join("|")), "a contract's name never appears in code");
}

#[test]
fn no_lint_is_silenced_without_being_expected() {
    let mut names = product();
    names.extend(tests());
    names.extend(files("benches", "rs"));
    let words = ["#[", "allow("].concat();
    let inner = ["#![", "allow("].concat();
    let wall = format!("{}|{}", regex::escape(&words), regex::escape(&inner));
    assert_none(&places(&names, &wall), "say #[expect(…, reason = …)]");
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    assert_none(&places(&product(), r"\.unwrap\(\)|\bpanic!\(|\btodo!\(|\bunimplemented!\(|\bdbg!\("), "no unwrap");
}

#[test]
fn every_source_file_has_one_subject() {
    let mut long = String::new();
    for name in product() {
        let lines = read(&name).lines().count();
        if lines > LONGEST && !LONG.iter().any(|(file, _)| *file == name) {
            // Writing to a string cannot fail.
            let _ = writeln!(long, "{name}: {lines} lines");
        }
    }
    assert!(long.is_empty(), "look for a second subject in:\n{long}");
}

#[test]
fn no_test_sleeps() {
    let word = ["sle", "ep("].concat();
    assert_none(&places(&tests(), &regex::escape(&word)), "tests await something that happens");
}

/// What stands in backticks in a manual and looks like a path of this repository.
fn paths_in(text: &str) -> Vec<String> {
    let quoted = Regex::new(r"`([^`\s]+)`").expect("a valid pattern");
    let top = ["src/", "adapters/", "intents/", "contracts/", "migrations/", "tests/", "docs/", "benches/", ".ci/"];
    quoted
        .captures_iter(text)
        .map(|found| found[1].trim_end_matches(['.', ',', '/']).to_owned())
        .filter(|path| top.iter().any(|top| path.starts_with(top)) || path == ".ci/run")
        .filter(|path| !path.contains(['*', '<', '…', '$']))
        .collect()
}

/// `src/desk/{a,b}.rs` names two files.
fn spread(path: &str) -> Vec<String> {
    match (path.find('{'), path.find('}')) {
        (Some(from), Some(to)) if from < to => path[from + 1..to]
            .split(',')
            .flat_map(|part| spread(&format!("{}{part}{}", &path[..from], &path[to + 1..])))
            .collect(),
        _ => vec![path.to_owned()],
    }
}

#[test]
fn every_path_named_in_readme_and_docs_exists() {
    let mut manuals = files("docs", "md");
    manuals.extend(["README.md", "README.zh-CN.md"].map(str::to_owned).into_iter().filter(|n| root().join(n).exists()));
    let mut missing = Vec::new();
    for manual in manuals {
        for path in paths_in(&read(&manual)).iter().flat_map(|path| spread(path)) {
            let path = path.split("::").next().unwrap_or_default().to_owned();
            let path = path.split('#').next().unwrap_or_default();
            if !root().join(path).exists() {
                missing.push(format!("{manual} names {path}"));
            }
        }
    }
    assert_none(&missing, "a path that is named exists");
}

#[test]
fn every_key_of_the_configuration_is_in_the_example() {
    let example = root().join("docs/config.example.toml");
    if !example.exists() {
        // Held from the day the example is there; `every_path_named_in_readme_and_docs_exists` asks for it.
        return;
    }
    let text = std::fs::read_to_string(&example).expect("a readable file");
    for key in [
        "name",
        "timezone",
        "data",
        "wording",
        "holidays",
        "url",
        "listen",
        "public_url",
        "admin_password",
        "profile",
        "default",
        "kind",
        "id",
        "transport",
        "path",
        "api_url",
        "access_token",
        "secret",
        "account",
        "media_hosts",
        "mode",
        "bot_id",
        "token",
        "encoding_aes_key",
        "api_base",
        "welcome",
        "corp_id",
        "agent_id",
        "chats",
        "key",
        "conversation",
        "address",
        "display_name",
        "start",
        "authserv_ids",
        "authserv_hops",
        "max_bytes",
        "ca_file",
        "mails_a_day",
        "pause_seconds",
        "host",
        "port",
        "tls",
        "user",
        "password",
        "folder",
        "done_folder",
        "app_id",
        "app_secret",
        "sandbox",
        "token_base",
        "windows",
    ] {
        let pattern = Regex::new(&format!(r"(?m)^[#\s]*{key}\s*=")).expect("a valid pattern");
        assert!(pattern.is_match(&text), "docs/config.example.toml does not show `{key}`");
    }
}

/// The example with its variables filled in, and the entries of WeChat Work and mail that are commented out put in or not.
fn example(all: bool) -> String {
    let text = read("docs/config.example.toml");
    // A comment that is a line of TOML; words about one are not.
    let entry = Regex::new(r"^# (\[\[channel\]\]|\[channel\.[a-z]+\].*|[a-z_]+ = .*)$").expect("a valid pattern");
    let mut inside = false;
    let mut lines = String::new();
    for line in text.lines() {
        inside = all && (inside || line.starts_with("# ---- 企业微信")) && !line.starts_with("[[");
        let line =
            entry.captures(line).filter(|_| inside).map_or(line, |found| found.get(1).map_or(line, |of| of.as_str()));
        lines.push_str(line);
        lines.push('\n');
    }
    // A key of 43 characters where one is asked for, any word elsewhere.
    let key = Regex::new(r"\$\{\w*AES_KEY\}").expect("a valid pattern");
    let word = Regex::new(r"\$\{\w+\}").expect("a valid pattern");
    word.replace_all(&key.replace_all(&lines, "a".repeat(43)), "word").into_owned()
}

#[test]
fn the_example_of_the_configuration_loads() {
    let load = |text: &str| Settings::parse(text, "the example", root());
    let settings = load(&example(false)).expect("as it is shipped");
    assert_eq!(settings.channels.iter().map(ChannelSettings::id).collect::<Vec<_>>(), ["qq", "sandbox"]);
    // The two modes of the bot exclude each other.
    let other = example(true).replace("mode = \"callback\"", "mode = \"callback\"\nid = \"wecom2\"");
    // There is no such certificate here.
    let other = other.replace("ca_file = \"ca.pem\"", "");
    let settings = load(&other).expect("with every surface of WeChat Work, and a mailbox");
    assert_eq!(
        settings.channels.iter().map(ChannelSettings::id).collect::<Vec<_>>(),
        ["qq", "mail", "sandbox", "wecom", "wecom2"]
    );
}
