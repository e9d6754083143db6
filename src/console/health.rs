//! Health for machines: is the process there, can it take work, how much is waiting.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::desk::Desk;

/// The process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The database answers, so that work can be taken.
pub(super) async fn readyz(State(desk): State<Arc<Desk>>) -> Response {
    match desk.store().inbox_backlog().await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// The same facts for Prometheus.
pub(super) async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let facts = async {
        let (pending, oldest) = desk.store().inbox_backlog().await?;
        let (waiting, failed) = desk.store().outbox_counts().await?;
        let next = desk.next_alarm().await?;
        Ok::<_, crate::store::StoreError>((pending, oldest, waiting, failed, next))
    };
    let (pending, oldest, waiting, failed, next) = match facts.await {
        Ok(facts) => facts,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    };
    let now = desk.now().as_millisecond();
    let age = if pending > 0 { (now - oldest).max(0) } else { 0 };
    let late = next.map_or(0, |next| (now - next).max(0));
    let mut channels = String::new();
    for channel in desk.channels() {
        let (id, up) = (channel.id(), i32::from(channel.health().is_ok()));
        let _ = writeln!(channels, "zhishou_channel_up{{channel={id:?}}} {up}");
    }
    channels.push_str("# HELP zhishou_channel_events_total What channels took and refused.\n");
    channels.push_str("# TYPE zhishou_channel_events_total counter\n");
    for channel in desk.channels() {
        for (event, count) in channel.counts() {
            let id = channel.id();
            let _ = writeln!(channels, "zhishou_channel_events_total{{channel={id:?},event={event:?}}} {count}");
        }
    }
    format!(
        "# HELP zhishou_inbox_pending Messages without a disposition.\n# TYPE zhishou_inbox_pending gauge\n\
         zhishou_inbox_pending {pending}\n\
         # HELP zhishou_inbox_oldest_ms Age of the oldest of them in milliseconds.\n# TYPE zhishou_inbox_oldest_ms gauge\n\
         zhishou_inbox_oldest_ms {age}\n\
         # HELP zhishou_outbox_pending Messages on their way.\n# TYPE zhishou_outbox_pending gauge\n\
         zhishou_outbox_pending {waiting}\n\
         # HELP zhishou_outbox_failed Messages that could not be delivered.\n# TYPE zhishou_outbox_failed gauge\n\
         zhishou_outbox_failed {failed}\n\
         # HELP zhishou_alarm_late_ms How late the next alarm is in milliseconds.\n# TYPE zhishou_alarm_late_ms gauge\n\
         zhishou_alarm_late_ms {late}\n\
         # HELP zhishou_channel_up Whether a channel works.\n# TYPE zhishou_channel_up gauge\n\
         {channels}"
    )
    .into_response()
}
