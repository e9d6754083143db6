//! Fetching what a message points to, without being led astray.
//!
//! Addresses in messages come from strangers. Only http and https are followed, only to public addresses (looked at
//! after name resolution, by the very resolver that connects, and again on every redirect), only so far, so much and
//! so long. Hosts of the intranet can be allowed by name.

mod guard;
mod sniff;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Client, StatusCode, Url, header, redirect};

pub use guard::is_public;
pub use sniff::sniff;

use guard::{GuardedResolver, Refusal};

use crate::Proxy;

/// Bounds of fetching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPolicy {
    /// Hosts (names or addresses, without port) that may be private: test peers, intranet file servers.
    pub allow_hosts: Vec<String>,
    /// Most bytes of one file.
    pub max_bytes: usize,
    /// For one file, everything included.
    pub time_limit: Duration,
    /// The way out. The proxy resolves names then, so only addresses written as figures are looked at here.
    pub proxy: Option<Proxy>,
}

impl Default for MediaPolicy {
    fn default() -> Self {
        Self { allow_hosts: Vec::new(), max_bytes: 20 * 1024 * 1024, time_limit: Duration::from_secs(20), proxy: None }
    }
}

/// A fetched file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// MIME type by content, not by name or header.
    pub kind: &'static str,
}

/// Why a file was not fetched. The sentence is shown to people beside the attachment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// Not an address we follow at all.
    #[error("附件地址无效或不是 http/https，未下载")]
    BadAddress,
    /// The address leads into a private network.
    #[error("附件地址指向内部网络，为安全起见未下载；如确属内网文件服务器，请管理员加入允许名单")]
    Private,
    /// Larger than allowed.
    #[error("附件超过大小上限（{0} MB），未下载，请让对方压缩或分批发送")]
    TooLarge(usize),
    /// The other side said no.
    #[error("附件已过期或无权下载（HTTP {0}），请让对方重新发送")]
    Refused(u16),
    /// Not what it was said to be.
    #[error("下载到的内容不是所说的文件，未保存，请让对方重新发送")]
    WrongContent,
    /// No connection, or it broke off.
    #[error("附件下载失败（网络不通或中断），请让对方重新发送")]
    Unreachable,
    /// It took too long.
    #[error("附件下载超时，请让对方重新发送")]
    TooSlow,
}

impl MediaError {
    fn passing(&self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Refused(code) => *code >= 500,
            Self::BadAddress | Self::Private | Self::TooLarge(_) | Self::WrongContent | Self::TooSlow => false,
        }
    }
}

const MOST_REDIRECTS: usize = 4;

/// Fetches files within a [`MediaPolicy`].
#[derive(Debug, Clone)]
pub struct Fetcher {
    policy: MediaPolicy,
    client: Client,
}

impl Fetcher {
    /// Needs the process's TLS provider to be installed.
    ///
    /// # Errors
    /// Where no HTTP client can be built.
    pub fn new(policy: MediaPolicy) -> Result<Self, reqwest::Error> {
        let client = Proxy::on(policy.proxy.as_ref(), Client::builder().redirect(redirect::Policy::none()))?;
        let client = match &policy.proxy {
            // The one name to resolve is that of the proxy, which lies in the house.
            Some(_) => client,
            None => client.dns_resolver(Arc::new(GuardedResolver::new(policy.allow_hosts.clone()))),
        };
        let client = client.build()?;
        Ok(Self { policy, client })
    }

    /// Fetches one file; a passing failure is tried once more. `picture` asks for content that is one.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn fetch(&self, url: &str, picture: bool) -> Result<Fetched, MediaError> {
        let (bytes, _) = self.fetch_raw(url).await?;
        self.check(bytes, picture)
    }

    /// Fetches bytes that are not yet what they will be (encrypted ones), and the `Content-Disposition` they came with:
    /// where they are named at all, they are named there. To be looked at with [`Self::check`] once they are.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn fetch_raw(&self, url: &str) -> Result<(Vec<u8>, Option<String>), MediaError> {
        let work = async {
            match self.once(url).await {
                Err(error) if error.passing() => self.once(url).await,
                done => done,
            }
        };
        tokio::time::timeout(self.policy.time_limit, work).await.unwrap_or(Err(MediaError::TooSlow))
    }

    /// The same checks for bytes that came within a message.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub fn check(&self, bytes: Vec<u8>, picture: bool) -> Result<Fetched, MediaError> {
        if bytes.len() > self.policy.max_bytes {
            return Err(self.too_large());
        }
        let kind = sniff(&bytes);
        // Expired links answer 200 with a page or a line of JSON; a picture that is text is none.
        if bytes.is_empty() || (picture && !kind.starts_with("image/")) {
            return Err(MediaError::WrongContent);
        }
        Ok(Fetched { bytes, kind })
    }

    fn too_large(&self) -> MediaError {
        MediaError::TooLarge(self.policy.max_bytes / (1024 * 1024))
    }

    async fn once(&self, address: &str) -> Result<(Vec<u8>, Option<String>), MediaError> {
        let mut url = Url::parse(address).map_err(|_| MediaError::BadAddress)?;
        for _ in 0..=MOST_REDIRECTS {
            guard::check_url(&url, &self.policy.allow_hosts).map_err(refused)?;
            let response = self.client.get(url.clone()).send().await.map_err(|error| explain(&error))?;
            let status = response.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                url = target.and_then(|target| url.join(target).ok()).ok_or(MediaError::BadAddress)?;
                continue;
            }
            if !status.is_success() {
                return Err(MediaError::Refused(status.as_u16()));
            }
            // Names are often written as bare UTF-8, which is no text by the letter of HTTP.
            let disposition = response.headers().get(header::CONTENT_DISPOSITION);
            let disposition = disposition.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            return self.read(response).await.map(|bytes| (bytes, disposition));
        }
        Err(MediaError::BadAddress)
    }

    async fn read(&self, response: reqwest::Response) -> Result<Vec<u8>, MediaError> {
        let most = self.policy.max_bytes;
        if response.content_length().is_some_and(|length| length > most as u64) {
            return Err(self.too_large());
        }
        let mut bytes = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| explain(&error))?;
            // The announced length may lie: count what comes.
            if bytes.len() + chunk.len() > most {
                return Err(self.too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn refused(refusal: Refusal) -> MediaError {
    match refusal {
        Refusal::Private => MediaError::Private,
        Refusal::NotWeb => MediaError::BadAddress,
    }
}

/// The resolver's refusal travels inside the client's error.
fn explain(error: &reqwest::Error) -> MediaError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(refusal) = inner.downcast_ref::<Refusal>() {
            return refused(*refusal);
        }
        cause = inner.source();
    }
    if error.is_timeout() { MediaError::TooSlow } else { MediaError::Unreachable }
}
