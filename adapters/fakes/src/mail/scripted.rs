//! Servers that say exactly what a script says: for everything that real ones do once a year.
//!
//! A script is played line by line. An IMAP script answers commands by what they begin with, whatever their tag is; an SMTP
//! script answers in order. What no line of the script fits is refused, as a real server would.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What a scripted server does when a command comes that begins like this (capital letters, without the tag).
#[derive(Debug, Clone)]
pub struct Answer {
    /// What the command begins with; `""` fits everything.
    pub to: &'static str,
    /// What is sent; `{tag}` is the command's tag. Bytes, as real ones are not always text.
    pub with: Vec<u8>,
    /// What follows.
    pub then: Then,
}

/// What a scripted server does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Waits for the next command.
    Go,
    /// Closes the connection.
    Close,
    /// Says nothing any more, and keeps the connection.
    Stall,
    /// Reads until a line with a single dot, then goes on with the answer to `.`.
    Data,
}

/// An answer after which it goes on.
pub fn on(to: &'static str, with: &str) -> Answer {
    Answer { to, with: with.as_bytes().to_vec(), then: Then::Go }
}

impl Answer {
    /// The same answer, with something else after it.
    #[must_use]
    pub fn then(mut self, then: Then) -> Self {
        self.then = then;
        self
    }

    /// The same answer, with other bytes.
    #[must_use]
    pub fn bytes(mut self, with: &[u8]) -> Self {
        self.with = with.to_vec();
        self
    }
}

#[derive(Debug, Default)]
struct Heard {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

/// A server that plays a script on each connection: the first connection gets the first one, the last is for all that
/// follow.
pub struct Scripted {
    port: u16,
    heard: Arc<Heard>,
    task: tokio::task::JoinHandle<()>,
}

impl Scripted {
    /// Listens on loopback. Each script: a greeting, then answers; an answer is used up, except the last that fits.
    ///
    /// # Panics
    /// Where loopback has no free port.
    pub async fn start(greeting: &str, scripts: Vec<Vec<Answer>>) -> Self {
        assert!(!scripts.is_empty(), "a server needs a script");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound port").port();
        let heard = Arc::new(Heard::default());
        let (lines, greeting) = (heard.clone(), greeting.to_owned());
        let task = tokio::spawn(async move {
            let mut at = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let script = scripts[at.min(scripts.len() - 1)].clone();
                at += 1;
                let (lines, greeting) = (lines.clone(), greeting.clone());
                lines.lines.lock().expect("nobody panics with it").push(format!("-- connection {at}"));
                tokio::spawn(async move {
                    // A connection that the other side closed has played its part.
                    let _ = play(stream, &greeting, script, &lines).await;
                });
            }
        });
        Self { port, heard, task }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every line heard so far, without tags; `-- connection N` before those of each connection.
    ///
    /// # Panics
    /// Never: nobody panics while holding the list.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lines.lock().expect("nobody panics with it").clone()
    }

    /// Waits until what was heard is enough.
    pub async fn until(&self, enough: impl Fn(&[String]) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.heard.changed.notified());
            changed.as_mut().enable();
            if enough(&self.heard()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    greeting: &str,
    mut script: Vec<Answer>,
    heard: &Heard,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(greeting.as_bytes()).await?;
    let mut body = false;
    let mut last_tag = None;
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if body && line != "." {
            continue;
        }
        // IMAP tags are a letter and digits; SMTP has none.
        let tagged = line.split_once(' ').filter(|(tag, _)| {
            tag.starts_with('A') && tag.len() > 1 && tag[1..].bytes().all(|byte| byte.is_ascii_digit())
        });
        // What ends a command that is under way (`DONE`) is answered under that one's tag.
        let (tag, command) = match tagged {
            Some((tag, command)) => (last_tag.insert(tag.to_owned()).clone(), command),
            None => (last_tag.clone().unwrap_or_else(|| "*".to_owned()), line.as_str()),
        };
        heard.lines.lock().expect("nobody panics with it").push(command.to_owned());
        heard.changed.notify_waiters();
        let upper = command.to_ascii_uppercase();
        let Some(found) = script.iter().position(|answer| upper.starts_with(answer.to)) else {
            let refusal =
                if tagged.is_some() { format!("{tag} BAD not in the script\r\n") } else { "502 no\r\n".into() };
            stream.write_all(refusal.as_bytes()).await?;
            continue;
        };
        let more = script.iter().skip(found + 1).any(|answer| answer.to == script[found].to);
        let answer = if more { script.remove(found) } else { script[found].clone() };
        body = answer.then == Then::Data;
        stream.write_all(&with_tag(&answer.with, &tag)).await?;
        stream.flush().await?;
        match answer.then {
            Then::Go | Then::Data => {}
            Then::Close => return Ok(()),
            Then::Stall => std::future::pending::<()>().await,
        }
    }
}

fn with_tag(bytes: &[u8], tag: &str) -> Vec<u8> {
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    while let Some(at) = rest.windows(5).position(|window| window == b"{tag}") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(tag.as_bytes());
        rest = &rest[at + 5..];
    }
    out.extend_from_slice(rest);
    out
}
