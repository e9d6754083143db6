//! The connection for sending, with what the library leaves open (8.1) closed: it is known how far a mail got, and a reply
//! that is not UTF-8 is still a reply.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, transport::smtp::Error};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::mail::config::{SmtpConfig, Tls};
use crate::mail::net::{self, Stream, raise, told};

/// How far a mail got before something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mail) enum Stage {
    /// No connection, or none that can be used.
    Connecting,
    /// The login.
    Login,
    /// Sender and recipients.
    Envelope,
    /// Its words were on the way: it may have been taken.
    Body,
}

/// What went wrong.
#[derive(Debug)]
pub(in crate::mail) struct Failure {
    /// How far it got.
    pub stage: Stage,
    /// The server's code, where it answered.
    pub code: Option<u16>,
    /// The server's words, or ours where it said none.
    pub text: String,
}

impl Failure {
    pub fn new(stage: Stage, text: impl Into<String>) -> Self {
        Self { stage, code: None, text: text.into() }
    }

    fn of(stage: Stage, error: &Error) -> Self {
        let source = std::error::Error::source(error).map(ToString::to_string);
        let code = error.status().map(u16::from);
        let text = match code {
            Some(_) => source.unwrap_or_default(),
            None => format!("连接中断（{}）", source.unwrap_or_else(|| "没有应答".to_owned())),
        };
        Self { stage, code, text: text.chars().filter(|c| !c.is_control()).take(300).collect() }
    }
}

/// Replies as the library can read them: bytes that are not ASCII (Chinese in GBK after a code) become `?`; and the greeting
/// once more, where it was read before TLS.
struct Replies {
    inner: Stream,
    again: Vec<u8>,
    peer: SocketAddr,
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for Replies {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.again.is_empty() {
            let count = self.again.len().min(buf.remaining());
            buf.put_slice(&self.again[..count]);
            self.again.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        for byte in &mut buf.filled_mut()[before..] {
            if !byte.is_ascii() {
                *byte = b'?';
            }
        }
        read
    }
}

impl AsyncWrite for Replies {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Replies {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

/// A connection that is logged in.
pub(in crate::mail) struct Line {
    connection: AsyncSmtpConnection,
}

impl Line {
    /// Connects, protects, says hello and logs in. `hello` is the name we give: the mail domain, never the host's.
    pub async fn open(config: &SmtpConfig, tls: &TlsConnector, hello: &str, limit: Duration) -> Result<Self, Failure> {
        let failed = |error: &io::Error| Failure::new(Stage::Connecting, told(error));
        let tcp = net::open(&config.host, config.port, config.tls, limit).await.map_err(|error| failed(&error))?;
        let peer = tcp.peer_addr().map_err(|error| failed(&error))?;
        let (inner, again): (Stream, Vec<u8>) = match config.tls {
            Tls::None => (Box::new(tcp), Vec::new()),
            Tls::Tls => {
                let stream = raise(tcp, &config.host, tls, limit).await.map_err(|error| failed(&error))?;
                (Box::new(stream), Vec::new())
            }
            Tls::StartTls => {
                let begun = net::within(limit, start_tls(tcp, hello)).await;
                let (tcp, greeting) = begun.map_err(|error| failed(&error))?;
                let stream = raise(tcp, &config.host, tls, limit).await.map_err(|error| failed(&error))?;
                (Box::new(stream), greeting)
            }
        };
        let name = ClientId::Domain(hello.to_owned());
        let opened = AsyncSmtpConnection::connect_with_transport(Box::new(Replies { inner, again, peer }), &name);
        let opened = tokio::time::timeout(limit, opened).await;
        let opened =
            opened.map_err(|_| Failure::new(Stage::Connecting, "发信服务器没有问候：端口或加密方式可能不对"))?;
        let mut connection = opened.map_err(|error| Failure::of(Stage::Connecting, &error))?;
        if let Some(password) = &config.password {
            let credentials = Credentials::new(config.user.clone(), password.expose_secret().to_owned());
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            let login = tokio::time::timeout(limit, login).await;
            let login = login.map_err(|_| Failure::new(Stage::Connecting, "登录时发信服务器没有应答"))?;
            login.map_err(|error| {
                // Without a code it was the connection, or the server offers no way to log in that we know.
                let stage =
                    if error.status().is_some() || error.is_client() { Stage::Login } else { Stage::Connecting };
                Failure::of(stage, &error)
            })?;
        }
        Ok(Self { connection })
    }

    /// Whether the server is still there.
    pub async fn stands(&mut self) -> bool {
        self.connection.test_connected().await
    }

    /// Hands one mail over. `began` is called when its words go on their way: from then on it may have arrived. A copy that
    /// is refused is left out; the recipient itself is not.
    pub async fn hand_over(
        &mut self,
        from: &Address,
        to: &Address,
        copies: &[Address],
        raw: &[u8],
        began: impl FnOnce() + Send,
    ) -> Result<(), Failure> {
        let envelope = |error: Error| Failure::of(Stage::Envelope, &error);
        let mut options = Vec::new();
        if self.connection.server_info().supports_feature(Extension::EightBitMime) && !raw.is_ascii() {
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.connection.command(Mail::new(Some(from.clone()), options)).await.map_err(envelope)?;
        self.connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(envelope)?;
        for copy in copies {
            match self.connection.command(Rcpt::new(copy.clone(), Vec::new())).await {
                Ok(_) => {}
                Err(error) if error.status().is_some() => {
                    tracing::info!(%error, "somebody in copy was refused by the sending server");
                }
                Err(error) => return Err(envelope(error)),
            }
        }
        self.connection.command(Data).await.map_err(envelope)?;
        began();
        self.connection.message(raw).await.map_err(|error| Failure::of(Stage::Body, &error))?;
        Ok(())
    }

    /// Says goodbye; whether it is heard does not matter.
    pub async fn quit(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.connection.quit()).await;
    }
}

/// The part before TLS. Returns the greeting, as the library reads one on every connection. What the server sends beyond its
/// last reply is not carried over into TLS, where it would pass for protected.
async fn start_tls(tcp: TcpStream, hello: &str) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut stream = BufReader::new(tcp);
    let greeting = reply(&mut stream, b"220").await?;
    stream.write_all(format!("EHLO {hello}\r\n").as_bytes()).await?;
    reply(&mut stream, b"250").await?;
    stream.write_all(b"STARTTLS\r\n").await?;
    reply(&mut stream, b"220").await.map_err(|error| match error.kind() {
        io::ErrorKind::Other => io::Error::other("发信服务器不支持 STARTTLS：请改用 tls = \"tls\"（通常是端口 465）"),
        _ => error,
    })?;
    Ok((stream.into_inner(), greeting))
}

async fn reply(stream: &mut BufReader<TcpStream>, wanted: &[u8]) -> io::Result<Vec<u8>> {
    /// Longer than any honest reply.
    const MOST: usize = 64 << 10;
    let mut all = Vec::new();
    loop {
        let from = all.len();
        if stream.read_until(b'\n', &mut all).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = &all[from..];
        if !line.starts_with(wanted) || all.len() > MOST {
            return Err(io::Error::other("发信服务器的应答不是预期的"));
        }
        if line.get(3) != Some(&b'-') {
            return Ok(all);
        }
    }
}
