//! Fetching files: not into the house, not too much, not for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use zhishou_adapters::media::{Fetcher, MediaError, MediaPolicy};

use crate::support::{tls, within};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

async fn files() -> (String, Arc<AtomicUsize>) {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let shaky = move || {
        let before = counted.fetch_add(1, Ordering::Relaxed);
        async move { if before == 0 { StatusCode::BAD_GATEWAY.into_response() } else { PNG.into_response() } }
    };
    let router = Router::new()
        .route("/a.png", get(|| async { PNG }))
        .route("/shaky.png", get(shaky))
        .route("/gone.png", get(|| async { (StatusCode::NOT_FOUND, "gone") }))
        .route("/expired.png", get(|| async { r#"{"retcode":-5503007}"# }))
        .route("/large", get(|| async { vec![0u8; 4096] }))
        .route("/hangs", get(|| async { std::future::pending::<&str>().await }))
        .route("/moved", get(|| async { Redirect::temporary("/a.png") }))
        .route("/round", get(|| async { Redirect::temporary("/round") }))
        .route("/inside", get(|| async { Redirect::temporary("http://169.254.169.254/latest/meta-data/") }))
        .route("/rebind", get(|| async { Redirect::temporary("http://localhost:9/") }))
        .route("/odd", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "file:///etc/passwd")]) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), tries)
}

fn fetcher(allow: &[&str]) -> Fetcher {
    tls();
    let allow_hosts = allow.iter().map(|host| (*host).to_owned()).collect();
    Fetcher::new(MediaPolicy { allow_hosts, max_bytes: 2048, time_limit: Duration::from_secs(2), proxy: None }).unwrap()
}

#[tokio::test]
async fn a_file_is_fetched_within_its_bounds() {
    let (base, _) = files().await;
    let fetcher = fetcher(&["127.0.0.1"]);
    for (path, picture, expected) in [
        ("/a.png", true, Ok("image/png")),
        ("/moved", true, Ok("image/png")),
        ("/shaky.png", true, Ok("image/png")),
        ("/expired.png", false, Ok("text/plain")),
        ("/expired.png", true, Err(MediaError::WrongContent)),
        ("/gone.png", true, Err(MediaError::Refused(404))),
        ("/large", false, Err(MediaError::TooLarge(0))),
        ("/hangs", false, Err(MediaError::TooSlow)),
        ("/round", false, Err(MediaError::BadAddress)),
        ("/inside", false, Err(MediaError::Private)),
        ("/rebind", false, Err(MediaError::Private)),
        ("/odd", false, Err(MediaError::BadAddress)),
    ] {
        let kind = within(fetcher.fetch(&format!("{base}{path}"), picture)).await.map(|file| file.kind);
        assert_eq!(kind, expected, "{path}");
    }
}

#[tokio::test]
async fn nothing_inside_the_house_is_visited_unless_allowed() {
    let (base, tries) = files().await;
    let port = base.rsplit(':').next().unwrap().to_owned();
    let fetcher = fetcher(&["files.intranet"]);
    for address in [
        format!("http://127.0.0.1:{port}/shaky.png"),
        format!("http://localhost:{port}/shaky.png"),
        format!("http://LOCALHOST:{port}/shaky.png"),
        format!("http://2130706433:{port}/shaky.png"),
        format!("http://0:{port}/shaky.png"),
        format!("http://[::1]:{port}/shaky.png"),
        format!("http://[::ffff:7f00:1]:{port}/shaky.png"),
    ] {
        assert_eq!(within(fetcher.fetch(&address, true)).await, Err(MediaError::Private), "{address}");
    }
    assert_eq!(tries.load(Ordering::Relaxed), 0, "nobody was even asked");
}

#[tokio::test]
async fn a_passing_failure_is_tried_once_more_and_a_lasting_one_not() {
    let (base, tries) = files().await;
    let fetcher = fetcher(&["127.0.0.1"]);
    assert!(within(fetcher.fetch(&format!("{base}/shaky.png"), true)).await.is_ok());
    assert_eq!(tries.load(Ordering::Relaxed), 2);
    let nobody = within(fetcher.fetch("http://127.0.0.1:1/x", true)).await;
    assert_eq!(nobody, Err(MediaError::Unreachable));
}
