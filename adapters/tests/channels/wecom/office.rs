//! An application in service before the stand-in: what the tests of it share.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use zhishou_adapters::wecom::app::{App, AppCallback, AppConfig};
use zhishou_adapters::{Outgoing, SendError};
use zhishou_fakes::wecom::FakeWeCom;

use super::support::{MemoryShelf, now_of, platform};
use crate::support::{Desk, HandClock, within};

/// An application in service.
pub struct Office {
    pub wecom: FakeWeCom,
    pub clock: HandClock,
    pub shelf: Arc<MemoryShelf>,
    pub app: Arc<App>,
    pub desk: Arc<Desk>,
    pub url: String,
}

/// The application of the stand-in, with the group `opsroom` of its own.
pub fn settings(wecom: &FakeWeCom) -> AppConfig {
    let setup = wecom.setup();
    let app = setup.app();
    AppConfig {
        callback: Some(AppCallback {
            token: SecretString::from(app.token.clone()),
            encoding_aes_key: SecretString::from(app.encoding_aes_key.clone()),
            path: AppCallback::DEFAULT_PATH.to_owned(),
        }),
        api_base: wecom.api_base(),
        chats: vec!["opsroom".to_owned()],
        retry: Duration::from_millis(1),
        ..AppConfig::new(&setup.corp_id, app.agent_id, SecretString::from(app.secret.clone()))
    }
}

/// An application whose callback address is saved in the console.
pub async fn office() -> Office {
    let office = office_with(|config| config).await;
    office.wecom.save_app_callback(&office.url).await.unwrap();
    office
}

/// The same before anything was saved in the console.
pub async fn office_with(change: impl FnOnce(AppConfig) -> AppConfig) -> Office {
    let (wecom, clock) = platform().await;
    for (userid, name) in [("ZhangGong", "张工"), ("LiGong", "李工"), ("WangKeZhang", "王科长")] {
        wecom.person(userid, name);
    }
    let shelf = MemoryShelf::new(clock.clone());
    let app = Arc::new(App::new(change(settings(&wecom)), shelf.clone(), now_of(&clock)).unwrap());
    let desk = Arc::new(Desk::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{}", listener.local_addr().unwrap(), AppCallback::DEFAULT_PATH);
    if let Some(routes) = app.routes(desk.clone(), "wecom") {
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    Office { wecom, clock, shelf, app, desk, url }
}

impl Office {
    pub async fn send(&self, message: &Outgoing) -> Result<Option<String>, SendError> {
        within(self.app.send(message)).await.map(|receipt| receipt.external_id)
    }

    /// A second process with the same settings at the same shelf.
    pub fn another(&self) -> App {
        App::new(settings(&self.wecom), self.shelf.another(), now_of(&self.clock)).unwrap()
    }

    /// Posts a callback of the test's own making.
    pub async fn post(&self, inner: &str) -> u16 {
        let sealed = self.wecom.seal_for_app(inner);
        let request = reqwest::Client::new().post(format!("{}?{}", self.url, sealed.query)).body(sealed.body);
        within(request.send()).await.unwrap().status().as_u16()
    }
}
