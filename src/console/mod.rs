//! What the desk serves over HTTP: the sandbox page, health, metrics, and the callbacks of its channels.

mod guard;
mod health;
mod sandbox;
mod stage;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use secrecy::SecretString;
use zhishou_adapters::Inbox;

use crate::clock::SystemClock;
use crate::desk::Desk;

pub use stage::SandboxChannel;

/// Key of the mark that keeps how far the sandbox's clock was moved.
pub const CLOCK_MARK: &str = "sandbox.clock";
/// Longest request body of the console's own API; channels set their own.
const MAX_BODY: usize = 64 * 1024;

/// What the console is made of.
pub struct Console {
    /// The desk.
    pub desk: Arc<Desk>,
    /// The clock, where the sandbox may move it.
    pub clock: Option<Arc<SystemClock>>,
    /// Password of the administrator, asked where the console shows real work.
    pub admin_password: Option<SecretString>,
    /// Whether there is a sandbox channel.
    pub sandbox: bool,
}

/// All routes of the desk.
pub fn router(console: Console) -> Router {
    let desk = console.desk.clone();
    let console = Arc::new(console);
    let mut open = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .with_state(desk.clone());
    let pages = sandbox::routes(console.clone())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(console, guard::log_in));
    open = open.merge(pages).layer(middleware::from_fn(guard::headers));
    for channel in desk.channels() {
        let inbox: Arc<dyn Inbox> = desk.clone();
        if let Some(routes) = channel.routes(inbox) {
            open = open.merge(routes);
        }
    }
    open
}
