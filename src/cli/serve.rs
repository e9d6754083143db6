//! `zhishou serve`: wires everything together and runs it until it is told to stop.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zhishou_adapters::Inbox;

use super::Failure;
use super::channels::{Ground, build};
use crate::clock::SystemClock;
use crate::config::{ChannelSettings, Settings};
use crate::console::{CLOCK_MARK, Console, router};
use crate::desk::{Desk, Parts, Wording, faq_rows, people_rows};
use crate::rules::directory::PeopleFile;
use crate::rules::profile::Profile;
use crate::store::Store;

pub(super) fn seed() -> Result<u64, Failure> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(Failure::work)?;
    Ok(u64::from_le_bytes(bytes))
}

async fn open(settings: &Settings, clock: Arc<SystemClock>, channels: bool) -> Result<Arc<Desk>, Failure> {
    let store = Store::open(&settings.database).await.map_err(|error| {
        Failure::work(format!("{error}\n请检查数据目录是否可写、磁盘是否已满：{}", settings.data.display()))
    })?;
    if settings.clock_movable()
        && let Some((offset, _)) = store.mark(CLOCK_MARK).await.map_err(Failure::work)?
    {
        clock.forward(offset);
    }
    let ground = Ground { store: store.clone(), clock: clock.clone(), seed: seed()? };
    let channels = if channels { build(settings, &ground)? } else { Vec::new() };
    let encoder = super::model::encoder(settings)?;
    let desk = Desk::open(Parts {
        store,
        clock,
        seed: ground.seed,
        contracts: settings.contracts.clone(),
        default_contract: settings.default_contract.clone(),
        wording: Wording::new(settings.wording.as_deref()).map_err(Failure::usage)?,
        channels,
        attachments: Some(settings.data.join("attachments")),
    })
    .await
    .map_err(Failure::work)?;
    if let Some(encoder) = encoder {
        desk.use_encoder(encoder).await.map_err(Failure::work)?;
    }
    Ok(desk)
}

/// The desk on its database without any channel, for commands that change data.
pub(super) async fn desk_without_channels(settings: &Settings) -> Result<Arc<Desk>, Failure> {
    open(settings, Arc::new(SystemClock::default()), false).await
}

pub(super) async fn serve(settings: Settings) -> Result<(), Failure> {
    let movable = settings.clock_movable();
    let clock = Arc::new(SystemClock::default());
    // The port before the database: a second desk by mistake must not touch what the first one holds.
    let listener = tokio::net::TcpListener::bind(&settings.listen).await.map_err(|error| {
        Failure::work(format!("无法监听 {}：{error}。请在 [console] listen 换一个端口", settings.listen))
    })?;
    let desk = open(&settings, clock.clone(), true).await?;
    if movable && desk.directory().file().person.is_empty() {
        furnish(&desk).await?;
    }
    desk.recompute().await.map_err(Failure::work)?;
    let address = listener.local_addr().map_err(Failure::work)?;
    let console = Console {
        desk: desk.clone(),
        clock: movable.then_some(clock),
        admin_password: settings.admin_password.clone(),
        sandbox: settings.channels.iter().any(|c| matches!(c, ChannelSettings::Sandbox { .. })),
    };
    let routes = router(console);
    // The desk's own work ends first: what is being sent still needs its channel to hear that it was taken.
    let (stop, hang_up) = (CancellationToken::new(), CancellationToken::new());
    let (tasks, lines) = (TaskTracker::new(), TaskTracker::new());
    {
        let (desk, stop) = (desk.clone(), stop.clone());
        tasks.spawn(async move { desk.run_clockwork(stop).await });
    }
    {
        let (desk, stop) = (desk.clone(), stop.clone());
        tasks.spawn(async move { desk.run_outbox(stop).await });
    }
    {
        let (desk, stop) = (desk.clone(), stop.clone());
        tasks.spawn(async move { desk.run_library_watch(stop).await });
    }
    {
        let (desk, stop) = (desk.clone(), stop.clone());
        tasks.spawn(async move { desk.run_health_watch(stop).await });
    }
    for channel in desk.channels() {
        let channel = channel.clone();
        let (inbox, hang_up): (Arc<dyn Inbox>, _) = (desk.clone(), hang_up.clone());
        lines.spawn(async move {
            if let Err(error) = channel.listen(inbox, hang_up).await {
                tracing::error!(channel = channel.id(), %error, "a channel has stopped until somebody changes something");
            }
        });
    }
    tasks.close();
    lines.close();
    let url = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}/"));
    say!("{}已启动，请在浏览器打开 {url}", settings.name);
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut serving = tokio::spawn(served.into_future());
    let ended = tokio::select! {
        () = told_to_stop() => Ok(()),
        result = &mut serving => result.map_err(Failure::work).and_then(|served| served.map_err(Failure::work)),
    };
    stop.cancel();
    tasks.wait().await;
    hang_up.cancel();
    lines.wait().await;
    // An open event stream would hold a graceful end for ever.
    serving.abort();
    desk.store().close().await;
    ended
}

/// The sample people and questions of a sandbox that stands alone and is still empty.
async fn furnish(desk: &Desk) -> Result<(), Failure> {
    let people = PeopleFile::parse(Profile::sample_people(), "（示例人员）").map_err(Failure::work)?;
    let faq = super::tables::faq_text(Profile::sample_faq(), "jsonl", "（示例问答）").map_err(Failure::work)?;
    let mut rows = people_rows(&people);
    rows.extend(faq_rows(&faq));
    desk.import(rows).await.map_err(Failure::work).map(drop)
}

async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without signals only the console's own end is left; a failure to listen must not end the desk.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
