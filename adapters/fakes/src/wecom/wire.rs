//! The wire between the port a test dials and the server behind it: can be cut for one connection or altogether.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

#[derive(Default)]
pub(super) struct Wire {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// What is dialled; fixed once opened first.
    port: Option<SocketAddr>,
    server: Option<SocketAddr>,
    door: Option<JoinHandle<()>>,
    /// By the address the server sees.
    connections: BTreeMap<SocketAddr, AbortHandle>,
}

impl Wire {
    /// Opens the port in front of this server.
    pub(super) async fn open(&self, server: SocketAddr) -> SocketAddr {
        self.edit(|inner| inner.server = Some(server));
        self.up().await
    }

    /// Opens the same port again.
    pub(super) async fn up(&self) -> SocketAddr {
        let (port, server) = self.edit(|inner| (inner.port, inner.server));
        let server = server.expect("opened before");
        let wanted = port.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = TcpListener::bind(wanted).await.expect("the port is free");
        let port = listener.local_addr().expect("a bound socket has an address");
        let shared = self.inner.clone();
        let door = tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let Ok(inside) = TcpStream::connect(server).await else { continue };
                let Ok(seen_as) = inside.local_addr() else { continue };
                let handle = tokio::spawn(carry(outside, inside)).abort_handle();
                let mut inner = shared.lock().unwrap_or_else(PoisonError::into_inner);
                inner.connections.retain(|_, handle| !handle.is_finished());
                inner.connections.insert(seen_as, handle);
            }
        });
        self.edit(|inner| {
            inner.port = Some(port);
            inner.door = Some(door);
        });
        port
    }

    /// Nobody is there: new connections are refused, old ones end without a word.
    pub(super) async fn down(&self) {
        if let Some(door) = self.edit(|inner| inner.door.take()) {
            door.abort();
            // Only when the task is gone is its listener closed, and the port refuses.
            let _ = door.await;
        }
        let connections = self.edit(|inner| std::mem::take(&mut inner.connections));
        for handle in connections.into_values() {
            handle.abort();
        }
    }

    /// Cuts one connection, known by the address the server sees.
    pub(super) fn cut(&self, seen_as: SocketAddr) {
        if let Some(handle) = self.edit(|inner| inner.connections.remove(&seen_as)) {
            handle.abort();
        }
    }

    fn edit<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn carry(mut outside: TcpStream, mut inside: TcpStream) {
    // Either end may go at any time; there is nobody to tell.
    let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
}
