//! The `zhishou` binary: logging, TLS, and the command line.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ZHISHOU_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,zhishou=info,sqlx=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    // One provider for the whole process; that one is there already is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::process::ExitCode::from(u8::try_from(zhishou::cli::run().await).unwrap_or(1))
}
