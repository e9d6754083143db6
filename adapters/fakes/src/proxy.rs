//! An HTTP proxy as agencies have them: asks for a name and a password, opens tunnels, hands plain requests on. Whatever is
//! asked for is led to one address, so that a name which exists nowhere is reached through it and in no other way.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Longest head of a request.
const HEAD_MAX: usize = 64 << 10;

/// The stand-in. Ends with the runtime of the test.
pub struct HttpProxy {
    address: SocketAddr,
    asked: watch::Receiver<Vec<String>>,
}

impl HttpProxy {
    /// Leads everything to `to`, for those who know `password` (`name:password`).
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn start(to: SocketAddr, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (seen, asked) = watch::channel(Vec::new());
        let expected = format!("basic {}", STANDARD.encode(password));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (seen, expected) = (seen.clone(), expected.clone());
                tokio::spawn(async move {
                    // A connection that breaks concerns nobody else.
                    let _ = serve(client, to, &expected, &seen).await;
                });
            }
        });
        Self { address, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked for first on each connection: `CONNECT host:port`, or method and host of a plain request. Refused ones
    /// have ` 407` behind them.
    pub fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    /// Resolves once this was asked for.
    ///
    /// # Panics
    /// Where that does not come to pass within ten seconds.
    pub async fn was_asked(&self, what: &str) {
        let mut asked = self.asked.clone();
        let waiting = asked.wait_for(|asked| asked.iter().any(|line| line == what));
        let came = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(came.is_ok_and(|came| came.is_ok()), "{what}: was not asked for: {:?}", self.asked());
    }
}

async fn serve(
    mut client: TcpStream,
    to: SocketAddr,
    expected: &str,
    seen: &watch::Sender<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > HEAD_MAX {
            return Ok(());
        }
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let host = target.split_once("://").map_or(target, |(_, rest)| rest);
    let asked = format!("{method} {}", host.split(['/', '?']).next().unwrap_or_default());
    let given = text.lines().find_map(|line| line.to_lowercase().strip_prefix("proxy-authorization: ").map(|_| line));
    let knows = given.and_then(|line| line.split_once(": ")).is_some_and(|(_, given)| {
        given.len() == expected.len() && given[..6].eq_ignore_ascii_case("basic ") && given[6..] == expected[6..]
    });
    if !knows {
        seen.send_modify(|seen| seen.push(format!("{asked} 407")));
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"out\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        return client.write_all(refusal.as_bytes()).await;
    }
    seen.send_modify(|seen| seen.push(asked));
    let mut target = TcpStream::connect(to).await?;
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        target.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut target).await.map(|_| ())
}
