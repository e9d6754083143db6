//! Connections: login, the frames of both sides, and the ways they break.

use std::collections::HashSet;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::submit::Then;
use super::{Inner, layout};

pub(super) async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    while let Ok((stream, _)) = listener.accept().await {
        let inner = inner.clone();
        tokio::spawn(async move {
            let connection = inner.change(|state| {
                state.connections += 1;
                state.connections
            });
            let mut served = Served { inner: &inner, connection, logged_in: false, seen: HashSet::new() };
            served.run(stream).await;
            inner.change(|state| {
                if state.live == Some(connection) {
                    state.live = None;
                    state.held.clear();
                    state.say.clear();
                }
            });
        });
    }
}

struct Served<'a> {
    inner: &'a Inner,
    connection: u64,
    logged_in: bool,
    seen: HashSet<u32>,
}

impl Served<'_> {
    async fn run(&mut self, mut stream: TcpStream) {
        let (mut reader, mut writer) = stream.split();
        let (mut buffer, mut chunk) = (Vec::new(), vec![0; 4096]);
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            changed.as_mut().enable();
            for bytes in self.to_say() {
                if writer.write_all(&bytes).await.is_err() || self.cut() {
                    return;
                }
            }
            let came = tokio::select! {
                came = reader.read(&mut chunk) => came.unwrap_or(0),
                () = changed => continue,
            };
            if came == 0 {
                return;
            }
            buffer.extend_from_slice(&chunk[..came]);
            while let Some(length) = buffer.first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if !(12..=4096).contains(&length) {
                    self.inner.change(|state| state.broken_rules.push(format!("a frame of {length} bytes")));
                    return;
                }
                if buffer.len() < length {
                    break;
                }
                let frame: Vec<u8> = buffer.drain(..length).collect();
                if self.cut() {
                    return;
                }
                let (answer, over) = self.frame(&frame);
                if let Some(answer) = answer
                    && (writer.write_all(&answer).await.is_err() || self.cut())
                {
                    return;
                }
                if over {
                    return;
                }
            }
        }
    }

    /// One more frame; whether the connection breaks here.
    fn cut(&self) -> bool {
        if !self.logged_in {
            return false;
        }
        self.inner.change(|state| match &mut state.cut_after {
            Some(0 | 1) => {
                state.cut_after = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        })
    }

    /// What waits to be said: what the test asked for, and DELIVERs within the window.
    fn to_say(&self) -> Vec<Vec<u8>> {
        if !self.logged_in {
            return Vec::new();
        }
        let window = self.inner.agreement.window;
        let mut state = self.inner.lock();
        if state.silent {
            return Vec::new();
        }
        let mut say: Vec<Vec<u8>> = state.say.drain(..).collect();
        let connection = self.connection;
        let open = state.pending.iter().filter(|pending| pending.sent_on == Some(connection)).count();
        let room = window.saturating_sub(open);
        let fresh = state.pending.iter_mut().filter(|pending| pending.sent_on != Some(connection)).take(room);
        for pending in fresh {
            pending.sent_on = Some(connection);
            say.push(pending.frame.clone());
        }
        say
    }

    /// What is answered, and whether that is the end.
    fn frame(&mut self, frame: &[u8]) -> (Option<Vec<u8>>, bool) {
        let number = |at: usize| u32::from_be_bytes(frame[at..at + 4].try_into().unwrap_or_default());
        let (command, sequence, body) = (number(4), number(8), &frame[12..]);
        if self.inner.lock().silent {
            return (None, false);
        }
        match command {
            1 => self.login(sequence, body),
            _ if !self.logged_in => {
                self.inner.change(|state| state.broken_rules.push("a command before the login".to_owned()));
                (None, true)
            }
            2 => {
                self.inner.change(|state| state.terminated += 1);
                (Some(layout::frame(0x8000_0002, sequence, &[])), true)
            }
            4 => {
                if !self.seen.insert(sequence) {
                    let version = self.inner.agreement.version;
                    let body = [&[0; 8][..], &layout::status(version, 3)].concat();
                    return (Some(layout::frame(0x8000_0004, sequence, &body)), false);
                }
                match self.inner.submit(self.connection, sequence, body) {
                    Then::Say(answer) => (Some(answer), false),
                    Then::Nothing => (None, false),
                    Then::Cut => (None, true),
                }
            }
            8 => (Some(layout::frame(0x8000_0008, sequence, &[0])), false),
            0x8000_0002 => (None, true),
            0x8000_0005 => {
                self.acknowledged(body);
                (None, false)
            }
            0x8000_0008 => {
                self.inner.change(|state| state.active_tests += 1);
                (None, false)
            }
            other => {
                self.inner.change(|state| state.broken_rules.push(format!("command {other:#x}")));
                (None, false)
            }
        }
    }

    fn acknowledged(&self, body: &[u8]) {
        let width = if self.inner.agreement.version == 3 { 12 } else { 9 };
        self.inner.change(|state| {
            if body.len() != width {
                state.broken_rules.push(format!("DELIVER_RESP of {} bytes", body.len()));
                return;
            }
            let msg_id = body[..8].iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
            let result = body[8..].iter().fold(0, |all, byte| all << 8 | u32::from(*byte));
            state.pending.retain(|pending| pending.msg_id != msg_id);
            state.acknowledged.push((msg_id, result));
        });
    }

    fn login(&mut self, sequence: u32, body: &[u8]) -> (Option<Vec<u8>>, bool) {
        let agreement = &self.inner.agreement;
        let own = if agreement.version == 3 { 0x30 } else { 0x20 };
        let status = if body.len() == 27 { self.login_fault(body, own) } else { 1 };
        let mut answer = layout::status(agreement.version, status);
        if status == 0 {
            let mut proof = Md5::new();
            proof.update(&answer);
            proof.update(&body[6..22]);
            proof.update(&agreement.secret);
            answer.extend(proof.finalize());
        } else {
            answer.extend([0; 16]);
        }
        answer.push(own);
        self.logged_in = status == 0;
        self.inner.change(|state| {
            state.logins.push(status);
            if status == 0 {
                state.live = Some(self.connection);
            }
        });
        (Some(layout::frame(0x8000_0001, sequence, &answer)), status != 0)
    }

    fn login_fault(&self, body: &[u8], own: u8) -> u32 {
        let agreement = &self.inner.agreement;
        let (version, at) = (body[22], u32::from_be_bytes(body[23..27].try_into().unwrap_or_default()));
        let mut proof = Md5::new();
        proof.update(&body[..6]);
        proof.update([0; 9]);
        proof.update(&agreement.secret);
        proof.update(format!("{at:010}"));
        let proof: [u8; 16] = proof.finalize().into();
        self.inner.change(|state| match state.refuse_login.pop_front() {
            Some(status) => status,
            None if version & 0xf0 > own => 4,
            None if version & 0xf0 < own => 1,
            None if body[..6] != *agreement.sp_id.as_bytes() => 2,
            None if body[6..22] != proof => 3,
            None if state.live.is_some() => 5,
            None => 0,
        })
    }
}
