//! Connections: TCP, and TLS over it, to servers that mail is read from and sent through.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::{Tls, is_near};

/// What both protocols talk over.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + fmt::Debug> Io for T {}

/// A connection of either kind.
pub(super) type Stream = Box<dyn Io>;

/// A connection over which not more than so many bytes are read until more are allowed: a server that sends without end, or
/// announces more than was asked for, must not fill the memory.
#[derive(Debug)]
pub(super) struct Metered {
    inner: Stream,
    left: Arc<AtomicU64>,
}

impl Metered {
    /// The connection, and what is left to be read over it.
    pub fn new(inner: Stream) -> (Self, Arc<AtomicU64>) {
        let left = Arc::new(AtomicU64::new(ALLOWANCE));
        (Self { inner, left: left.clone() }, left)
    }
}

/// What one command may bring: a step of a large mail, or a list of a million mails, and some.
pub(super) const ALLOWANCE: u64 = 16 << 20;

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        let count = (buf.filled().len() - before) as u64;
        if self.left.load(Ordering::Relaxed) < count {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        self.left.fetch_sub(count, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Metered {
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

/// Whom to believe: the public authorities, and the private one where the configuration has it.
///
/// # Errors
/// Where `extra` holds no certificate, or a broken one, in a sentence for the administrator.
pub(super) fn roots(extra: Option<&[u8]>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra {
        let wrong = |why: String| format!("邮件：ca_file 里的证书无法使用：{why}");
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            found += 1;
        }
        if found == 0 {
            return Err(wrong("应是 PEM 文件，以 -----BEGIN CERTIFICATE----- 开头".to_owned()));
        }
    }
    Ok(roots)
}

/// TLS as it is used here.
pub(super) fn connector(roots: RootCertStore) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| format!("邮件：无法使用 TLS：{error}"))?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

/// Opens a TCP connection; a plain one only to near addresses, whatever the name resolves to.
pub(super) async fn open(host: &str, port: u16, tls: Tls, limit: Duration) -> io::Result<TcpStream> {
    within(limit, async {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "名称解析不到地址");
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        for address in addresses {
            if tls == Tls::None && !is_near(address.ip()) {
                last = io::Error::other("不加密的连接只允许到本机或内网地址");
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    })
    .await
}

/// Raises a connection to TLS.
pub(super) async fn raise<S: Io>(
    stream: S,
    host: &str,
    connector: &TlsConnector,
    limit: Duration,
) -> io::Result<tokio_rustls::client::TlsStream<S>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    within(limit, connector.connect(name, stream)).await
}

/// With a limit on the time it takes.
pub(super) async fn within<T>(limit: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, what).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Why a connection did not come to stand, for people, with what to do about it.
pub(super) fn told(error: &io::Error) -> String {
    let text = error.to_string();
    let inner = error.get_ref().map(ToString::to_string).unwrap_or_default();
    if inner.contains("certificate") || text.contains("certificate") {
        return format!("服务器证书不被信任（{text}）；内网证书请用 ca_file 指定签发它的根证书");
    }
    match error.kind() {
        io::ErrorKind::OutOfMemory => "服务器一次发来的内容过多，已断开".to_owned(),
        io::ErrorKind::TimedOut => "连接超时，请检查服务器地址、端口和防火墙".to_owned(),
        io::ErrorKind::ConnectionRefused => "对方拒绝连接，请检查服务器地址和端口".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "连接被对方断开".to_owned()
        }
        io::ErrorKind::InvalidData => {
            format!("无法建立加密连接（{text}）；请核对端口与加密方式，老设备可能只支持已停用的加密算法")
        }
        _ => text,
    }
}
