//! Who may see the console, and what a browser may do with it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::Console;

/// Nothing is loaded from elsewhere, nothing inline is run, nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Sets the headers that keep a browser from doing what the page never asks for.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The sandbox that stands alone on this machine asks for nothing; a console beside real channels asks for the
/// administrator. What changes something needs a header that another site's form cannot send.
pub(super) async fn log_in(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    if request.method() != Method::GET && !request.headers().contains_key("x-zhishou") {
        return refuse(StatusCode::FORBIDDEN, "缺少请求头 X-Zhishou");
    }
    if console.clock.is_some() {
        return next.run(request).await;
    }
    let Some(password) = &console.admin_password else {
        return refuse(StatusCode::FORBIDDEN, "控制台需要先在 zhishou.toml 的 [console] 里设置 admin_password");
    };
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let expected = format!("admin:{}", password.expose_secret());
    if given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(expected.as_bytes()))) {
        return next.run(request).await;
    }
    let mut response = refuse(StatusCode::UNAUTHORIZED, "请以 admin 登录");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zhishou\", charset=\"UTF-8\""));
    response
}

/// A refusal that says why.
pub(super) fn refuse(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(serde_json::json!({ "error": why }))).into_response()
}
