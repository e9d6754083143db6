//! The way out through an HTTP proxy, for houses whose servers may not call the Internet themselves.

use reqwest::{ClientBuilder, Url};

/// An HTTP proxy as an administrator names it: `http://host:port`, with `user:password@` where it asks for them. Calls to
/// `https` and `wss` go through a tunnel (`CONNECT`), so it sees whom we call and not what we say.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(String);

impl Proxy {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence for the administrator.
    pub fn parse(given: &str) -> Result<Self, String> {
        let fault = || "代理（proxy）应写成 http://主机:端口，例如 http://10.0.0.8:3128".to_owned();
        let url = Url::parse(given.trim()).map_err(|_| fault())?;
        let fits = url.scheme() == "http" && url.has_host() && matches!(url.path(), "" | "/") && url.query().is_none();
        if fits { Ok(Self(url.into())) } else { Err(fault()) }
    }

    /// A client that goes out this way, or directly where there is none; never as the environment says.
    ///
    /// # Errors
    /// Where the client library does not take the address.
    pub fn on(way: Option<&Self>, builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        let builder = builder.no_proxy();
        match way {
            Some(Self(url)) => Ok(builder.proxy(reqwest::Proxy::all(url)?)),
            None => Ok(builder),
        }
    }
}

impl std::fmt::Debug for Proxy {
    /// Without the password that may stand in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.0.rsplit_once('@').map_or(self.0.as_str(), |(_, host)| host);
        f.debug_tuple("Proxy").field(&host).finish()
    }
}
