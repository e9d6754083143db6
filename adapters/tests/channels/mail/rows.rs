//! What servers do once a year, line by line: nothing of it may lose a mail, double one, or stop those behind it.

use std::time::Duration;

use zhishou_adapters::Channel as _;
use zhishou_adapters::mail::Start;
use zhishou_fakes::mail::scripted::{Answer, Scripted, Then, on};

use super::support::{ALICE, mail, reads, run, within};

const GREETING: &str = "* OK ready\r\n";
const IDLES: &str = "* CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS ID\r\n{tag} OK done\r\n";
const POLLS: &str = "* CAPABILITY IMAP4rev1 UIDPLUS\r\n{tag} OK done\r\n";

/// A server with one folder, before anything special: answers that come later in the list are for what is not yet answered.
fn server(capabilities: &str, exists: u32) -> Vec<Answer> {
    vec![
        on("LOGIN", "{tag} OK in\r\n"),
        on("CAPABILITY", capabilities),
        on("ID (", "* ID NIL\r\n{tag} OK done\r\n"),
        on(
            "SELECT",
            &format!(
                "* {exists} EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT {}] ok\r\n{{tag}} OK open\r\n",
                exists + 1
            ),
        ),
        on("NOOP", "{tag} OK done\r\n"),
        on("UID STORE", "{tag} OK done\r\n"),
        on("LOGOUT", "* BYE bye\r\n{tag} OK done\r\n"),
    ]
}

fn plus(mut script: Vec<Answer>, more: Vec<Answer>) -> Vec<Answer> {
    script.extend(more);
    script
}

fn text(uid: u32) -> Vec<u8> {
    mail(ALICE, &format!("{uid}@gov.test"), &format!("mail {uid}"), "", &format!("words {uid}"))
}

/// What a mail is like.
fn meta(uid: u32) -> String {
    let size = text(uid).len();
    format!("* {uid} FETCH (UID {uid} INTERNALDATE \" 2-Mar-2026 09:00:00 +0800\" RFC822.SIZE {size})\r\n")
}

/// Its bytes.
fn body(uid: u32) -> String {
    let text = String::from_utf8(text(uid)).unwrap();
    format!("* {uid} FETCH (UID {uid} BODY[] {{{}}}\r\n{text})\r\n{{tag}} OK done\r\n", text.len())
}

fn found(uids: &str) -> String {
    format!("* SEARCH {uids}\r\n{{tag}} OK done\r\n")
}

/// Answers for mails that can all be had.
fn mails(uids: &[u32]) -> Vec<Answer> {
    let all: String = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    let metas: String = uids.iter().map(|uid| meta(*uid)).collect();
    let mut script = vec![on("UID SEARCH", &found(&all))];
    for uid in uids {
        let (of_body, of_meta) = match uid {
            1 => ("UID FETCH 1 (UID BODY.PEEK[]", "UID FETCH 1 (UID INTERNALDATE"),
            2 => ("UID FETCH 2 (UID BODY.PEEK[]", "UID FETCH 2 (UID INTERNALDATE"),
            3 => ("UID FETCH 3 (UID BODY.PEEK[]", "UID FETCH 3 (UID INTERNALDATE"),
            _ => panic!("three are enough"),
        };
        script.push(on(of_body, &body(*uid)));
        script.push(on(of_meta, &format!("{}{{tag}} OK done\r\n", meta(*uid))));
    }
    script.push(on("UID FETCH", &format!("{metas}{{tag}} OK done\r\n")));
    script
}

fn heard(texts: &[zhishou_adapters::Inbound]) -> Vec<String> {
    let mut texts: Vec<String> = texts.iter().map(|heard| heard.text.clone()).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn a_refused_search_is_not_an_empty_mailbox() {
    let first = plus(server(POLLS, 1), vec![on("UID SEARCH", "{tag} NO [UNAVAILABLE] busy\r\n")]);
    let scripted = Scripted::start(GREETING, vec![first, plus(server(POLLS, 1), mails(&[1]))]).await;
    let running = run(reads(&scripted));
    assert_eq!(heard(&running.desk.has(1).await), ["mail 1\n\nwords 1"]);
}

#[tokio::test]
async fn what_was_asked_for_and_did_not_come_is_asked_for_again() {
    for end in ["{tag} NO sorry\r\n", "{tag} BAD what\r\n", "{tag} OK done\r\n"] {
        let mut script = server(POLLS, 3);
        script.push(on("UID FETCH 1:3 (UID INTERNALDATE", &format!("{}{end}", meta(1))));
        script.extend(mails(&[1, 2, 3]));
        let scripted = Scripted::start(GREETING, vec![script]).await;
        let running = run(reads(&scripted));
        let texts = heard(&running.desk.has(3).await);
        assert_eq!(texts, ["mail 1\n\nwords 1", "mail 2\n\nwords 2", "mail 3\n\nwords 3"], "{end}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_of_a_fetch_loses_nothing() {
    for (what, then) in [(format!("{}* 2 FETCH", meta(1)), Then::Close), (meta(1), Then::Close)] {
        let mut script = server(POLLS, 3);
        script.push(on("UID FETCH 1:3 (UID INTERNALDATE", &what).then(then));
        script.extend(mails(&[1, 2, 3]));
        let scripted = Scripted::start(GREETING, vec![script, plus(server(POLLS, 3), mails(&[1, 2, 3]))]).await;
        let running = run(reads(&scripted));
        running.desk.has(3).await;
        assert_eq!(running.desk.repeats(), 0);
    }
}

#[tokio::test]
async fn a_server_that_is_gone_in_idle_says_goodbye_or_refuses_it_is_read_all_the_same() {
    let quiet = || vec![on("UID SEARCH", &found("")).bytes(b"* SEARCH\r\n{tag} OK done\r\n")];
    let next = || plus(server(POLLS, 1), mails(&[1]));
    for answer in [
        on("IDLE", "+ idling\r\n").then(Then::Close),
        on("IDLE", "+ idling\r\n* BYE Server shutting down.\r\n"),
        on("IDLE", "+ idling\r\n* OK Still here\r\n").then(Then::Close),
        on("IDLE", "").then(Then::Close),
    ] {
        let first = plus(plus(server(IDLES, 0), quiet()), vec![answer]);
        let scripted = Scripted::start(GREETING, vec![first, next()]).await;
        run(reads(&scripted)).desk.has(1).await;
    }
}

#[tokio::test]
async fn idle_that_is_refused_or_never_answered_becomes_looking_now_and_then() {
    for (answer, connections) in
        [(on("IDLE", "{tag} NO not now\r\n"), 1), (on("IDLE", "{tag} BAD\r\n"), 1), (on("IDLE", ""), 2)]
    {
        let mut script = server(IDLES, 0);
        script.push(on("UID SEARCH UID 1:*", "* SEARCH\r\n{tag} OK done\r\n"));
        script.push(on("UID SEARCH ALL", "* SEARCH\r\n{tag} OK done\r\n"));
        script.push(answer);
        // From the second look on there is a mail.
        script.push(on("UID SEARCH UID 1:*", &found("1")));
        script.extend(mails(&[1]));
        let scripted = Scripted::start(GREETING, vec![script]).await;
        let mut config = reads(&scripted);
        config.timing.connect = Duration::from_millis(200);
        let running = run(config);
        running.desk.has(1).await;
        let times = scripted.heard().iter().filter(|line| *line == "IDLE").count();
        assert_eq!(times, 1, "it is not asked again");
        let opened = scripted.heard().iter().filter(|line| line.starts_with("-- ")).count();
        assert_eq!(opened, connections);
    }
}

#[tokio::test]
async fn what_comes_between_idle_and_its_go_ahead_counts() {
    let mut script = server(IDLES, 0);
    script.push(on("UID SEARCH UID 1:*", "* SEARCH\r\n{tag} OK done\r\n"));
    // What SELECT told wakes the first round.
    script.push(on("UID SEARCH UID 1:*", "* SEARCH\r\n{tag} OK done\r\n"));
    script.push(on("UID SEARCH ALL", "* SEARCH\r\n{tag} OK done\r\n"));
    script.push(on("IDLE", "+ idling\r\n"));
    script.push(on("IDLE", "* 1 EXISTS\r\n+ idling\r\n"));
    script.push(on("DONE", "{tag} OK done\r\n"));
    script.push(on("UID SEARCH UID 1:*", &found("1")));
    script.extend(mails(&[1]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let mut config = reads(&scripted);
    config.timing.idle = Duration::from_hours(1);
    run(config).desk.has(1).await;
    let opened = scripted.heard().iter().filter(|line| line.starts_with("-- ")).count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn an_empty_body_is_not_a_mail_and_in_the_end_a_person_hears_of_it() {
    for empty in ["BODY[] NIL", "BODY[] {0}\r\n", "BODY[] \"\""] {
        let answer = format!("* 1 FETCH (UID 1 {empty})\r\n{{tag}} OK done\r\n");
        let head = "From: alice@gov.test\r\nSubject: broken\r\n\r\n";
        let header = format!("* 1 FETCH (UID 1 BODY[HEADER]<0> {{{}}}\r\n{head})\r\n{{tag}} OK done\r\n", head.len());
        let script = plus(
            server(POLLS, 2),
            vec![
                on("UID SEARCH", &found("1 2")),
                on("UID FETCH 1:2 (UID INTERNALDATE", &format!("{}{}{{tag}} OK done\r\n", meta(1), meta(2))),
                on("UID FETCH 1 (UID INTERNALDATE", &format!("{}{{tag}} OK done\r\n", meta(1))),
                on("UID FETCH 1 (UID BODY.PEEK[HEADER]", &header),
                on("UID FETCH 1 (UID BODY.PEEK[]", &answer),
                on("UID FETCH 2 (UID BODY.PEEK[]", &body(2)),
            ],
        );
        let scripted = Scripted::start(GREETING, vec![script]).await;
        let running = run(reads(&scripted));
        let all = running.desk.has(2).await;
        assert_eq!(all[0].text, "mail 2\n\nwords 2", "the one behind it does not wait");
        assert!(all[1].text.starts_with("broken\n\n（这封邮件多次读取失败"), "{}", all[1].text);
        assert!(all[1].automatic.is_some() && all[1].sender == ALICE);
        assert_eq!(running.count("mail_unreadable"), 1);
    }
}

#[tokio::test]
async fn a_good_body_after_an_empty_one_is_the_mail() {
    let mut script = server(POLLS, 1);
    script.push(on("UID FETCH 1 (UID BODY.PEEK[]", "* 1 FETCH (UID 1 BODY[] NIL)\r\n{tag} OK done\r\n"));
    script.extend(mails(&[1]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let running = run(reads(&scripted));
    assert_eq!(heard(&running.desk.has(1).await), ["mail 1\n\nwords 1"]);
    assert_eq!(running.count("mail_unreadable"), 0);
}

#[tokio::test]
async fn an_unknown_or_huge_size_is_not_fetched() {
    for size in ["31457281", "4294967296"] {
        let head = "From: alice@gov.test\r\nSubject: big\r\n\r\n";
        let header = format!("* 1 FETCH (UID 1 BODY[HEADER]<0> {{{}}}\r\n{head})\r\n{{tag}} OK done\r\n", head.len());
        let meta = format!(
            "* 1 FETCH (UID 1 INTERNALDATE \" 2-Mar-2026 09:00:00 +0800\" RFC822.SIZE {size})\r\n{{tag}} OK done\r\n"
        );
        let script = plus(
            server(POLLS, 1),
            vec![
                on("UID SEARCH", &found("1")),
                on("UID FETCH 1 (UID INTERNALDATE", &meta),
                on("UID FETCH 1 (UID BODY.PEEK[HEADER]", &header),
            ],
        );
        let scripted = Scripted::start(GREETING, vec![script]).await;
        let running = run(reads(&scripted));
        let big = running.desk.has(1).await.remove(0);
        assert!(big.text.starts_with("big\n\n（这封邮件") && big.text.contains("超过 30 MB 的上限"), "{}", big.text);
        assert_eq!((big.automatic, big.sender.as_str()), (None, ALICE), "the desk answers it");
        assert!(big.attachments[0].problem.is_some());
    }
}

#[tokio::test]
async fn words_that_no_parser_knows_do_not_stop_it() {
    // Bytes of GBK in a refusal, an attribute nobody knows, a flag that is not ASCII.
    let mut script = server(POLLS, 1);
    script[5] = on("UID STORE", "").bytes(b"{tag} NO \xb2\xd9\xd7\xf7\xca\xa7\xb0\xdc\r\n");
    script.push(on(
        "UID FETCH 1 (UID INTERNALDATE",
        &format!(
            "* 1 FETCH (UID 1 FLAGS (\\Seen 旗标) SAVEDATE NIL RFC822.SIZE {})\r\n{{tag}} OK done\r\n",
            text(1).len()
        ),
    ));
    script.extend(mails(&[1]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    run(reads(&scripted)).desk.has(1).await;

    // A line that breaks the parser breaks the connection, not more.
    let first = plus(server(POLLS, 1), vec![on("UID SEARCH", "* XLIST (\\A) nonsense (((\r\n{tag} OK done\r\n")]);
    let scripted = Scripted::start(GREETING, vec![first, plus(server(POLLS, 1), mails(&[1]))]).await;
    run(reads(&scripted)).desk.has(1).await;
}

#[tokio::test]
async fn the_last_mail_named_again_is_not_new() {
    // `2:*` on a mailbox whose last UID is 1 (2.2).
    let mut script = server(POLLS, 1);
    script.push(on("UID SEARCH UID 2:*", &found("1")));
    script.extend(mails(&[1]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let running = run(reads(&scripted));
    running.desk.has(1).await;
    let again = |lines: &[String]| lines.iter().filter(|line| line.starts_with("UID SEARCH UID 2:*")).count() > 2;
    within(scripted.until(again)).await;
    let fetched = scripted.heard().iter().filter(|line| line.starts_with("UID FETCH 1 (UID BODY")).count();
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn what_appears_below_the_watermark_is_found_by_comparing() {
    let mut script = server(POLLS, 3);
    script.push(on("UID SEARCH UID 1:*", &found("1 3")));
    script.push(on("UID SEARCH UID 4:*", "* SEARCH 3\r\n{tag} OK done\r\n"));
    script.push(on("UID SEARCH ALL", &found("1 3")));
    script.push(on("UID SEARCH ALL", &found("1 2 3")));
    script.push(on("UID FETCH 1,3 (UID INTERNALDATE", &format!("{}{}{{tag}} OK done\r\n", meta(1), meta(3))));
    script.extend(mails(&[1, 2, 3]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let running = run(reads(&scripted));
    running.desk.has(2).await;
    within(scripted.until(|lines| lines.iter().any(|line| line == "NOOP"))).await;
    running.clock.forward(Duration::from_hours(2));
    assert_eq!(running.desk.has(3).await[2].text, "mail 2\n\nwords 2");
    assert_eq!(running.desk.repeats(), 0);
}

#[tokio::test]
async fn moving_to_a_missing_folder_makes_it_and_what_did_not_go_is_tried_again() {
    let mut script = server(IDLES, 1);
    script.push(on("UID MOVE 1 ", "{tag} NO [TRYCREATE] no such folder\r\n"));
    script.push(on("CREATE", "{tag} OK done\r\n"));
    script.push(on("UID MOVE 1 ", "{tag} OK done\r\n"));
    script.push(on("IDLE", "{tag} NO no\r\n"));
    script.extend(mails(&[1]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let mut config = reads(&scripted);
    config.imap.as_mut().unwrap().done_folder = Some("已处理".to_owned());
    let running = run(config);
    running.desk.has(1).await;
    let moved = |times: usize| {
        move |lines: &[String]| lines.iter().filter(|line| line.starts_with("UID MOVE")).count() >= times
    };
    // The script's mailbox still shows it after the OK: it is moved again when comparing.
    within(scripted.until(moved(3))).await;
    assert_eq!(running.desk.count(), 1);
    assert!(scripted.heard().contains(&"CREATE \"&XfJZBHQG-\"".to_owned()));
}

#[tokio::test]
async fn netease_wants_to_know_who_comes_and_has_nothing_but_the_basics() {
    let greeting = "* OK Coremail System IMap Server Ready(163com[10774b260cc7a37d26d71b52404dcf5c])\r\n";
    let netease = |knows: bool| {
        let mut script = vec![
            on("LOGIN", "{tag} OK LOGIN completed\r\n"),
            // ID is not in the list: the greeting tells.
            on(
                "CAPABILITY",
                "* CAPABILITY IMAP4rev1 XLIST SPECIAL-USE LITERAL+ STARTTLS\r\n{tag} OK CAPABILITY completed\r\n",
            ),
            on("ID ( ", "{tag} BAD Parse command error\r\n"),
        ];
        if knows {
            script.push(on(
                "ID (\"NAME\"",
                "* ID (\"name\" \"Coremail Imap\" \"vendor\" \"Mailtech\")\r\n{tag} OK ID completed\r\n",
            ));
            script.push(on("SELECT", "* 1 EXISTS\r\n* 1 RECENT\r\n* OK [UIDVALIDITY 1] UIDs valid\r\n{tag} OK [READ-WRITE] SELECT completed\r\n"));
        } else {
            script.push(on("ID (\"NAME\"", "{tag} NO no\r\n"));
            script.push(on("SELECT", "{tag} NO SELECT Unsafe Login. Please contact kefu@188.com for help\r\n"));
        }
        script.push(on("NOOP", "{tag} OK NOOP completed\r\n"));
        script.push(on("UID STORE", "{tag} OK done\r\n"));
        plus(script, mails(&[1]))
    };
    let scripted = Scripted::start(greeting, vec![netease(true)]).await;
    let running = run(reads(&scripted));
    running.desk.has(1).await;
    let order: Vec<String> = scripted.heard().into_iter().filter(|line| !line.starts_with("UID")).collect();
    let at = |what: &str| order.iter().position(|line| line.starts_with(what)).unwrap();
    assert!(at("LOGIN") < at("ID (\"name\"") && at("ID (\"name\"") < at("SELECT"), "{order:?}");

    // Where it is refused all the same a person has to do something, and it is not tried again at once.
    let scripted = Scripted::start(greeting, vec![netease(false)]).await;
    let running = run(reads(&scripted));
    within(scripted.until(|lines| lines.iter().any(|line| line.starts_with("SELECT")))).await;
    let told = within(async {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            match running.channel.health() {
                Err(told) if told.contains("Unsafe Login") => return told,
                _ => tick.tick().await,
            };
        }
    })
    .await;
    assert!(told.contains("允许第三方客户端"), "{told}");
    let opened = scripted.heard().iter().filter(|line| line.starts_with("-- ")).count();
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn qq_is_asked_in_ascending_order_and_by_nothing_but_numbers_and_dates() {
    let mut script = server(IDLES, 3);
    script.push(on("IDLE", "{tag} NO no\r\n"));
    script.extend(mails(&[1, 2, 3]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let running = run(reads(&scripted));
    running.desk.has(3).await;
    for line in scripted.heard() {
        if let Some(keys) = line.strip_prefix("UID SEARCH ") {
            assert!(keys == "ALL" || keys.starts_with("UID ") || keys.starts_with("SINCE "), "{line}");
        }
        if let Some(set) = line.strip_prefix("UID FETCH ").and_then(|rest| rest.split(' ').next()) {
            let numbers: Vec<u32> = set.split([':', ',']).map(|number| number.parse().unwrap()).collect();
            assert!(numbers.is_sorted(), "{line}");
        }
    }
}

#[tokio::test]
async fn only_what_comes_from_now_on_or_since_a_day_is_taken_where_that_is_asked_for() {
    let mut script = server(POLLS, 2);
    script.push(on("UID SEARCH UID 3:*", &found("2")));
    script.push(on("UID SEARCH UID 3:*", &found("3")));
    script.push(on("UID SEARCH ALL", &found("1 2")));
    script.extend(mails(&[3]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let mut config = reads(&scripted);
    config.start = Start::Now;
    assert_eq!(heard(&run(config).desk.has(1).await), ["mail 3\n\nwords 3"]);

    // The mails of the script arrived on the 2nd of March, but the first.
    let old = format!(
        "* 1 FETCH (UID 1 INTERNALDATE \"01-Mar-2026 23:59:59 +0800\" RFC822.SIZE 9)\r\n{}{{tag}} OK done\r\n",
        meta(2)
    );
    let script = plus(plus(server(POLLS, 2), vec![on("UID FETCH 1:2 (UID INTERNALDATE", &old)]), mails(&[1, 2]));
    let scripted = Scripted::start(GREETING, vec![script]).await;
    let mut config = reads(&scripted);
    config.start = "2026-03-02".parse().unwrap();
    let running = run(config);
    assert_eq!(heard(&running.desk.has(1).await), ["mail 2\n\nwords 2"]);
    let looked = |lines: &[String]| lines.iter().filter(|line| line.as_str() == "NOOP").count() > 2;
    within(scripted.until(looked)).await;
    assert_eq!(running.desk.count(), 1);
}

#[tokio::test]
async fn what_the_desk_cannot_store_is_handed_in_again() {
    let scripted = Scripted::start(GREETING, vec![plus(server(POLLS, 1), mails(&[1]))]).await;
    let desk = std::sync::Arc::new(super::support::Desk::default());
    desk.fail(4);
    let clock = crate::support::HandClock::noon();
    let shelf = crate::wecom::support::MemoryShelf::new(clock.clone());
    let running = super::support::run_with(reads(&scripted), desk, clock, shelf);
    running.desk.has(1).await;
    assert_eq!(running.desk.repeats(), 0);
}

#[tokio::test]
async fn a_server_that_sends_without_end_is_cut_off_and_the_mail_behind_it_comes() {
    let endless = || {
        let mut bytes = b"* 1 FETCH (UID 1 BODY[] {400000000}\r\n".to_vec();
        bytes.resize(17 << 20, b'x');
        on("UID FETCH 1 (UID BODY.PEEK[]", "").bytes(&bytes).then(Then::Stall)
    };
    let script = || {
        plus(
            server(POLLS, 2),
            vec![
                on("UID SEARCH UID 1:*", &found("1 2")),
                on("UID SEARCH UID 2:*", &found("2")),
                on("UID SEARCH", &found("1 2")),
                on("UID FETCH 1:2 (UID INTERNALDATE", &format!("{}{}{{tag}} OK done\r\n", meta(1), meta(2))),
                on("UID FETCH 1 (UID INTERNALDATE", &format!("{}{{tag}} OK done\r\n", meta(1))),
                on("UID FETCH 2 (UID INTERNALDATE", &format!("{}{{tag}} OK done\r\n", meta(2))),
                on("UID FETCH 1 (UID BODY.PEEK[HEADER]", "* 1 FETCH (UID 1 BODY[HEADER]<0> NIL)\r\n{tag} OK done\r\n"),
                endless(),
                on("UID FETCH 2 (UID BODY.PEEK[]", &body(2)),
            ],
        )
    };
    let scripted = Scripted::start(GREETING, vec![script()]).await;
    let running = run(reads(&scripted));
    let all = running.desk.has(2).await;
    assert!(all[0].text.contains("多次读取失败") && all[0].sender == "unknown@mail.invalid", "{}", all[0].text);
    assert_eq!(all[1].text, "mail 2\n\nwords 2");
}
