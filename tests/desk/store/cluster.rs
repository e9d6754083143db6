//! A PostgreSQL server of one's own: made from the installed binaries, reached over a Unix socket, gone with the test.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

/// How long the server may take to be there.
const LIMIT: Duration = Duration::from_mins(1);

/// A running server with an empty database.
pub struct Cluster {
    folder: TempDir,
    binaries: PathBuf,
    server: Child,
}

/// Where `initdb` and `postgres` are installed: on the path, or where Debian puts them.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    places.extend(versions.into_iter().rev());
    places.push(PathBuf::from("/usr/local/bin"));
    let found = places.iter().find(|place| place.join("initdb").exists() && place.join("postgres").exists());
    found.cloned().expect(
        "no PostgreSQL server is installed: neither on the PATH nor under /usr/lib/postgresql are there initdb and \
         postgres. On Debian: apt-get install postgresql",
    )
}

/// Somebody who may run the server where root may not: `postgres`, or else `nobody`; uid and gid.
fn somebody() -> Option<(u32, u32)> {
    let me = std::fs::read_to_string("/proc/self/status").expect("Linux tells a process about itself");
    let uid = me.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().next()?.parse::<u32>().ok());
    if uid != Some(0) {
        return None;
    }
    let people = std::fs::read_to_string("/etc/passwd").expect("a machine has a list of its users");
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = people.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

fn command(binaries: &Path, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(binaries.join(name));
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null());
    if let Some((uid, gid)) = somebody() {
        command.uid(uid).gid(gid);
    }
    command
}

impl Cluster {
    /// Makes and starts a server.
    ///
    /// # Panics
    /// Where no server is installed, or it does not start: a test that needs one has then failed, not passed.
    pub fn start() -> Self {
        let binaries = binaries();
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some((uid, gid)) = somebody() {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let made = command(&binaries, "initdb", folder.path())
            .args(["-D", "data", "-U", "zhishou", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .output()
            .expect("initdb can be run");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let mut server = command(&binaries, "postgres", folder.path())
            .args(["-D", "data", "-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("postgres can be run");
        let words = BufReader::new(server.stderr.take().expect("stderr is piped"));
        let (tell, told) = mpsc::channel();
        // Reads on for as long as the server lives, so that it never waits for a full pipe.
        std::thread::spawn(move || {
            for line in words.lines().map_while(Result::ok) {
                // Nobody listens any more once the server is up.
                let _ = tell.send(line);
            }
        });
        // From here on it is ended however this goes.
        let cluster = Self { folder, binaries, server };
        let mut heard = Vec::new();
        loop {
            let line = told.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("postgres does not start: {heard:#?}"));
            if line.contains("database system is ready to accept connections") {
                return cluster;
            }
            heard.push(line);
        }
    }

    /// The address of its database.
    pub fn url(&self) -> String {
        format!("postgres://zhishou@localhost/postgres?host={}", self.folder.path().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = command(&self.binaries, "pg_ctl", self.folder.path())
            .args(["stop", "-D", "data", "-m", "immediate", "-s"])
            .status()
            .is_ok_and(|status| status.success());
        if !stopped {
            // Its helpers end by themselves when it is gone.
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}
