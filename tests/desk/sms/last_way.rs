//! QQ is down, mail comes back, and the lead is reached all the same: by a text, within the contract's hour.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use zhishou::clock::{Clock as _, SystemClock};
use zhishou::desk::{ChannelShelf, Desk, Parts, Wording, people_rows};
use zhishou::rules::directory::PeopleFile;
use zhishou::rules::profile::Promise;
use zhishou::rules::ticket::{Outcome, Ticket};
use zhishou::store::{Store, TicketKey};
use zhishou_adapters::mail::{MailChannel, Now};
use zhishou_adapters::qq::onebot::{OneBot, OneBotConfig, Transport};
use zhishou_adapters::sms::cmpp::CmppConfig;
use zhishou_adapters::sms::cmpp::codec::Width;
use zhishou_adapters::sms::text::Signature;
use zhishou_adapters::sms::{GatewayConfig, Sms, SmsConfig};
use zhishou_adapters::{Channel, Inbox, Shelf};
use zhishou_fakes::mail::server::MailServer;
use zhishou_fakes::sms::cmpp::{Agreement, FakeGateway, Text};

use crate::mail::town::{self, ALICE, DESK, plain};
use crate::peers::support::{self, XIAN, terms};

/// The lead's ways: an account nobody is logged in to, an address that does not exist, a phone.
const PEOPLE: &str = r#"
[[person]]
id = "chen"
name = "陈经理"
role = "lead"
contracts = ["xian-realestate"]
ways = ["qq", "mail", "sms"]
accounts = { qq = "30012", mail = "nouser1@corp.test", sms = "13800000005" }

[[person]]
id = "zhang"
name = "张工"
role = "engineer"
contracts = ["xian-realestate"]
ways = ["qq", "sms"]
accounts = { qq = "30011", sms = "13800000006" }

[[domain]]
match = "@gov.test"
contract = "xian-realestate"
unit = "市住建局"

[[shift]]
contract = "xian-realestate"
people = ["zhang"]
days = "everyday"
from = "00:00"
to = "00:00"
rotate = "none"
"#;

const CHEN: &str = "13800000005";
const ZHANG: &str = "13800000006";
const MAJOR: &str = "全市登记系统瘫痪，所有窗口都打不开，业务全部停办。";
/// One text with its signature.
const ONE_TEXT: usize = 70;

struct Place {
    server: MailServer,
    gateway: FakeGateway,
    desk: Arc<Desk>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        support::tls();
        let server = MailServer::start().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("zhishou.db").display());
        let store = Store::open(&url).await.expect("a database file");
        let clock = Arc::new(SystemClock::default());
        let now: Now = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let gateway = FakeGateway::start(Agreement::new(3), now.clone()).await;
        gateway.report_all("DELIVRD");
        let shelf =
            |channel: &str| -> Arc<dyn Shelf> { Arc::new(ChannelShelf::new(store.clone(), clock.clone(), channel, 1)) };
        let mail = MailChannel::new(town::config(&server), &shelf("mail"), &now).expect("a mailbox");
        let mut operator = CmppConfig::new(
            Width::Three,
            "127.0.0.1",
            "901234",
            SecretString::from("Zs-2026-test".to_owned()),
            "106900001234",
        );
        operator.port = gateway.port();
        "HELP".clone_into(&mut operator.service_id);
        operator.signature = Signature::new("某某运维", false).expect("a signature");
        let config = SmsConfig { id: "sms".to_owned(), gateway: GatewayConfig::Cmpp(Box::new(operator)) };
        let sms = Sms::new(config, &shelf("sms"), &now).expect("a gateway");
        // Nobody has ever dialled in: QQ is down.
        let mut qq = OneBotConfig::new("qq", Transport::ReverseWs { path: "/ws".to_owned() });
        qq.access_token = Some(SecretString::from("t".to_owned()));
        let qq = OneBot::new(qq, now);
        let channels: Vec<Arc<dyn Channel>> = vec![Arc::new(mail), Arc::new(sms), Arc::new(qq)];
        let desk = Desk::open(Parts {
            store,
            clock,
            seed: 1,
            contracts: vec![terms(XIAN)],
            default_contract: Some(XIAN.to_owned()),
            wording: Wording::new(None).expect("the shipped words"),
            channels: channels.clone(),
            attachments: None,
        })
        .await
        .expect("a desk opens on its database");
        let people = PeopleFile::parse(PEOPLE, "people.toml").expect("the people of the story");
        desk.import(people_rows(&people)).await.expect("people can be brought in");
        let stop = CancellationToken::new();
        let mut tasks = vec![
            tokio::spawn({
                let (desk, stop) = (desk.clone(), stop.clone());
                async move { desk.run_clockwork(stop).await }
            }),
            tokio::spawn({
                let (desk, stop) = (desk.clone(), stop.clone());
                async move { desk.run_outbox(stop).await }
            }),
        ];
        for channel in channels {
            let (inbox, stop): (Arc<dyn Inbox>, _) = (desk.clone(), stop.clone());
            tasks.push(tokio::spawn(async move { channel.listen(inbox, stop).await.expect("it is configured") }));
        }
        Self { server, gateway, desk, stop, tasks, _folder: folder }
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let waited = tokio::time::timeout(Duration::from_secs(90), async {
            while !holds().await {
                tick.tick().await;
            }
        });
        if waited.await.is_err() {
            let said = self.desk.store().said_of("xian-realestate#1").await.expect("messages can be read");
            let said: Vec<_> = said.iter().map(|row| (&row.conversation, &row.kind, &row.state)).collect();
            panic!("{what}: did not come to pass\nsaid: {said:#?}\ntexts: {:#?}", self.gateway.taken());
        }
    }

    /// Texts that a phone got.
    fn texts(&self, phone: &str) -> Vec<String> {
        self.gateway.taken().into_iter().filter(|taken| taken.to == phone).map(|taken| taken.text).collect()
    }

    fn writes(&self, phone: &str, text: &str) {
        let content: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        self.gateway.deliver(&Text { from: phone, extension: "", flag: 0, header: &[], format: 8, content: &content });
    }

    async fn ticket(&self) -> Ticket {
        self.desk.store().tickets_after(XIAN, 0, 10).await.expect("tickets can be read").remove(0)
    }

    async fn ends(self) {
        self.stop.cancel();
        for task in self.tasks {
            support::within("the desk ends", task).await.expect("no task panics");
        }
    }
}

#[tokio::test]
async fn with_qq_down_and_mail_coming_back_the_lead_confirms_by_text_within_the_hour() {
    let place = Place::new().await;
    place.server.submit(ALICE, DESK, &plain(ALICE, "major-1@gov.test", "major", "", MAJOR)).await;
    let report = || place.texts(CHEN).into_iter().find(|text| text.contains("重大紧急"));
    place.until("the lead gets a text", async || report().is_some()).await;
    let text = report().expect("it was there a moment ago");
    assert!(text.starts_with("【某某运维】"), "{text}");
    assert!(text.contains("确认 1"), "it says what to answer: {text}");
    assert!(text.encode_utf16().count() <= ONE_TEXT, "one text: {text}");
    assert!(
        !text.contains("瘫痪") && !text.contains("住建局"),
        "nothing anybody wrote goes through the operators: {text}"
    );
    // QQ and mail were tried before it, and the record says what became of them.
    let key = TicketKey { contract: XIAN.to_owned(), number: 1 };
    let record = place.desk.store().events_of(&key).await.expect("the record can be read");
    assert!(record.iter().any(|event| event.body.contains("came_back")), "the address that does not exist");

    // He needs no number where only one is open; anything else by text is for the chat.
    place.writes(CHEN, "改级 1 一般问题");
    place.until("he is told where to do that", async || place.texts(CHEN).iter().any(|t| t.contains("工作群"))).await;
    place.writes(CHEN, "确认");
    let confirmed = async || {
        let ticket = place.ticket().await;
        ticket.commitments.iter().any(|c| c.promise == Promise::Report && c.outcome == Outcome::Met)
    };
    place.until("the report counts as made", confirmed).await;
    let ticket = place.ticket().await;
    let report = ticket.commitments.iter().find(|c| c.promise == Promise::Report).expect("it was promised");
    let met = report.met_at.expect("it was met");
    assert!(met <= report.due_at.expect("it has a time"), "in time: {report:?}");
    assert!(
        met.duration_since(report.started_at) <= jiff::SignedDuration::from_hours(1),
        "within the hour: {report:?}"
    );

    // The engineer on duty was reached the same way.
    place.until("the engineer gets a text", async || !place.texts(ZHANG).is_empty()).await;
    assert_eq!(place.gateway.broken_rules(), Vec::<String>::new());
    place.ends().await;
}
