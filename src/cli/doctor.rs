//! `zhishou check` and `zhishou doctor`: what is wrong, and what to do about it.

use std::sync::Arc;

use jiff::SignedDuration;
use zhishou_adapters::Inbox;

use super::{Failure, channels};
use crate::clock::SystemClock;
use crate::config::{ChannelSettings, Settings};
use crate::desk::{Desk, Health, Wording};
use crate::rules::directory::{Conversation, ConversationKind, Directory};
use crate::rules::holidays::Holidays;
use crate::rules::roster::gaps;
use crate::store::Store;

/// How far ahead rosters are looked through.
const WEEKS: i64 = 4;

pub(super) async fn check(settings: &Settings, online: bool) -> Result<(), Failure> {
    Wording::new(settings.wording.as_deref()).map_err(Failure::usage)?;
    say!("配置正确：{} 份合同，{} 个渠道。", settings.contracts.len(), settings.channels.len());
    let mut warnings = Vec::new();
    for terms in &settings.contracts {
        let default = if Some(&terms.id) == settings.default_contract.as_ref() { "（默认）" } else { "" };
        say!(
            "合同 {}{default}：{}，承诺 {} 条，系统 {} 个，例行任务 {} 项，文档 {} 种。",
            terms.id,
            terms.profile.name,
            terms.profile.commitments.len(),
            terms.profile.systems.len(),
            terms.profile.duties.len(),
            terms.profile.deliverables.len()
        );
        if terms.profile.hotline.is_empty() {
            warnings.push(format!("合同 {} 没有填写 hotline，拒绝和帮助里不会出现热线号码", terms.id));
        }
    }
    let last = Holidays::shipped().last_year();
    warnings.push(format!(
        "节假日数据到 {last} 年为止；之后的日期按普通周一至周五计算，时限标为暂定，新通知公布后更新 [desk] holidays 指向的文件即可重新计算"
    ));
    if settings.default_contract.is_none() {
        warnings.push("没有默认合同：未绑定的会话会被礼貌拒绝；给一份合同加 default = true".to_owned());
    }
    for (fine, ability) in settings.channels.iter().flat_map(channels::abilities) {
        if fine {
            say!("{ability}");
        } else {
            warnings.push(ability.trim_end_matches('。').to_owned());
        }
    }
    if !settings.clock_movable() && settings.admin_password.is_none() {
        warnings.push("控制台没有设置 admin_password，页面不会开放".to_owned());
    }
    say!("{}", super::model::told(settings)?);
    let nowhere = channels::Ground {
        store: Store::in_memory().await.map_err(Failure::work)?,
        clock: Arc::new(SystemClock::default()),
        seed: 0,
    };
    channels::build(settings, &nowhere)?;
    for warning in &warnings {
        say!("注意：{warning}。");
    }
    if online {
        online_check(settings).await?;
    }
    Ok(())
}

async fn online_check(settings: &Settings) -> Result<(), Failure> {
    let store = Store::open(&settings.database).await.map_err(Failure::work)?;
    store.inbox_backlog().await.map_err(Failure::work)?;
    say!("数据库可用：{}", without_password(&settings.database));
    let ground = channels::Ground { store, clock: Arc::new(SystemClock::default()), seed: super::serve::seed()? };
    let mut bad = false;
    for channel in &settings.channels {
        for (fine, found) in channels::probe(channel, &ground).await? {
            bad |= !fine;
            say!("{}{found}", if fine { "" } else { "需处理：" });
        }
    }
    if bad { Err(Failure::work("有渠道不能用，见上")) } else { Ok(()) }
}

fn without_password(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => url.to_owned(),
    }
}

pub(super) async fn doctor(settings: &Settings) -> Result<(), Failure> {
    let encoder = super::model::told(settings);
    let mut bad = false;
    let mut report = |fine: bool, what: &str, text: String| {
        bad |= !fine;
        say!("[{}] {what}：{text}", if fine { "正常" } else { "需处理" });
    };
    match encoder {
        Ok(text) => report(true, "语义模型", text.trim_start_matches("语义模型：").to_owned()),
        // Nothing below can be looked at by a desk that does not start.
        Err(Failure::Work(text) | Failure::Usage(text)) => {
            report(false, "语义模型", text);
            return Err(Failure::work("体检发现需处理的事项，见上"));
        }
    }
    let desk = match super::serve::desk_without_channels(settings).await {
        Ok(desk) => desk,
        Err(Failure::Work(text) | Failure::Usage(text)) => {
            report(false, "数据库", text);
            return Err(Failure::work("体检发现问题，见上"));
        }
    };
    let store = desk.store();
    report(true, "数据库", without_password(&settings.database));
    let probe = desk.keep(b"zhishou doctor".to_vec()).await;
    report(
        probe.is_ok(),
        "磁盘",
        probe.map_or_else(|error| format!("附件目录不可写：{error}"), |_| format!("{} 可写", settings.data.display())),
    );
    for channel in &settings.channels {
        let told = desk.reported_health(channel.id()).await.map_err(Failure::work)?;
        let what = format!("渠道 {}", channel.id());
        match told {
            // What is ill comes first.
            Some(Health { ok, text }) => report(ok, &what, text.replace('\n', "\n    ")),
            None => report(false, &what, "没有最近的状态；值守没有在运行？请先启动 zhishou".to_owned()),
        }
    }
    let (fine, text) = clock_skew(&desk).await?;
    report(fine, "时钟", text);
    let (pending, oldest) = store.inbox_backlog().await.map_err(Failure::work)?;
    let age_ms = if pending > 0 { desk.now().as_millisecond() - oldest } else { 0 };
    report(
        age_ms < 60_000,
        "待处理消息",
        if pending == 0 {
            "没有".to_owned()
        } else {
            format!("{pending} 条，最早的等了 {} 秒；值守没有在运行？", age_ms / 1000)
        },
    );
    let (waiting, failed) = store.outbox_counts().await.map_err(Failure::work)?;
    report(true, "待发送", format!("{waiting} 条"));
    report(failed == 0, "未送达", if failed == 0 { "没有".to_owned() } else { format!("{failed} 条，见下") });
    for row in store.failed(10).await.map_err(Failure::work)? {
        say!("    {} → {}（{}）", row.kind, row.conversation, row.ticket);
    }
    let late = desk.next_alarm().await.map_err(Failure::work)?.map_or(0, |next| desk.now().as_millisecond() - next);
    report(
        late < 60_000,
        "时限提醒",
        if late < 60_000 {
            "按时".to_owned()
        } else {
            format!("已晚 {} 秒；值守没有在运行？", late / 1000)
        },
    );
    let directory = desk.directory();
    for name in only_answered(settings, &directory) {
        let text = "这个工程师群只能在有人 @ 机器人之后的几分钟里说话，新工单和提醒会等在那里；请把工程师群建在别的渠道，或给它配 also";
        report(false, &format!("会话 {name}"), text.to_owned());
    }
    for contract in desk.contracts() {
        rosters(&directory, contract, desk.now(), &mut report);
    }
    if bad { Err(Failure::work("体检发现需处理的事项，见上")) } else { Ok(()) }
}

/// Engineers' conversations in which the desk can hardly speak first, with nowhere else to go.
fn only_answered(settings: &Settings, directory: &Directory) -> Vec<String> {
    let answers_only =
        |id: &str| settings.channels.iter().any(|c| matches!(c, ChannelSettings::QqOfficial(_)) && c.id() == id);
    let conversations = directory.file().conversation.iter();
    let stuck = conversations.filter(|c| c.kind == ConversationKind::Engineers && c.also.is_empty());
    stuck.filter(|c| answers_only(&c.channel)).map(Conversation::name).collect()
}

/// Our clock against those of the platforms, as the newest messages tell: what was written cannot be newer than what was heard,
/// and of several heard live at least one was heard at once.
async fn clock_skew(desk: &Desk) -> Result<(bool, String), Failure> {
    let lags = desk.lags(20).await.map_err(Failure::work)?;
    let (Some(least), Some(_)) = (lags.iter().min(), lags.get(4)) else {
        return Ok((true, "消息还太少，无法与各平台比较".to_owned()));
    };
    let seconds = least / 1000;
    Ok(if seconds < -30 {
        (false, format!("本机比平台慢约 {} 秒，时限会算晚；请打开系统的时间同步（NTP）", -seconds))
    } else if seconds > 120 {
        (false, format!("本机比平台快约 {seconds} 秒，时限会算早；请打开系统的时间同步（NTP）"))
    } else {
        (true, "与各平台一致".to_owned())
    })
}

fn rosters(
    directory: &Directory,
    contract: &crate::desk::Contract,
    now: jiff::Timestamp,
    report: &mut impl FnMut(bool, &str, String),
) {
    let terms = &contract.terms;
    let until = now + SignedDuration::from_hours(24 * 7 * WEEKS);
    let found = gaps(directory, terms, now, until, 3);
    let text = match found.first() {
        None => format!("今后 {WEEKS} 周都有人值班"),
        Some((from, _)) if directory.file().shift.is_empty() => {
            format!(
                "没有班次（自 {} 起无人值班），请用 zhishou import 导入 [[shift]]",
                crate::desk::local_time(terms, *from, now)
            )
        }
        Some((from, to)) => format!(
            "{} 至 {} 无人值班，请补班",
            crate::desk::local_time(terms, *from, now),
            crate::desk::local_time(terms, *to, now)
        ),
    };
    report(found.is_empty(), &format!("值班（{}）", terms.id), text);
    let leads = crate::rules::escalation::leads(directory, &terms.id);
    report(
        !leads.is_empty(),
        &format!("负责人（{}）", terms.id),
        if leads.is_empty() {
            "没有 role = \"lead\" 的人员，升级无人接收".to_owned()
        } else {
            leads.join("、")
        },
    );
}
