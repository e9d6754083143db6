//! Real mail servers in a folder of their own: submission → Exim → local delivery → Maildir → IMAP, all on loopback.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

use super::login::hand_over;
use super::settings::{self, Ports, USERS};

/// The packages that are needed, as Debian calls them.
const PACKAGES: &str = "dovecot-imapd dovecot-lmtpd dovecot-submissiond exim4-daemon-light openssl";

/// Servers of this process so far: each has a folder of its own.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Long enough for a loaded machine, short enough to end.
const LIMIT: Duration = Duration::from_mins(1);

/// Mail servers that run until this is dropped.
pub struct MailServer {
    folder: PathBuf,
    ports: Ports,
    identity: Identity,
    running: Vec<Child>,
    loaded: AtomicU32,
}

/// Whom the servers run as: Dovecot takes no mail for root.
struct Identity {
    user: String,
    group: String,
    /// Ids to give the files to; `None` where that is ourselves.
    ids: Option<(u32, u32)>,
}

impl MailServer {
    /// Starts them and waits until all of them answer.
    ///
    /// # Panics
    /// Where a program is missing (it says what to install) or does not start.
    pub async fn start() -> Self {
        Self::started(false).await
    }

    /// The same, with neither IDLE nor MOVE among the capabilities.
    pub async fn poor() -> Self {
        Self::started(true).await
    }

    async fn started(poor: bool) -> Self {
        for program in ["dovecot", "doveadm", "exim4", "openssl"] {
            assert!(find(program).is_some(), "{program} is missing; install: {PACKAGES}");
        }
        let name = format!("zs-mail-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        let identity = Identity::ours();
        // A port that was free a moment ago may be taken when it is needed: once more, with others.
        for _ in 0..5 {
            let mut server = Self {
                folder: folder.clone(),
                ports: free_ports(),
                identity: identity.clone(),
                running: Vec::new(),
                loaded: AtomicU32::new(0),
            };
            server.prepare(poor);
            server.run();
            if server.up().await {
                return server;
            }
        }
        panic!("the mail servers do not start: see what is needed ({PACKAGES})");
    }

    fn prepare(&self, poor: bool) {
        for part in ["run", "state", "mail", "log", "spool", "exim-log"] {
            fs::create_dir_all(self.folder.join(part)).expect("a writable folder for temporary files");
        }
        self.certificates();
        let users: Vec<String> = USERS.iter().map(|(user, word)| format!("{user}:{{PLAIN}}{word}\n")).collect();
        self.write("users", &users.concat());
        let version = said(Command::new(find("dovecot").expect("found above")).arg("--version"));
        let Identity { user, group, .. } = &self.identity;
        self.write("dovecot.conf", &settings::dovecot(&version, &self.text(), user, group, &self.ports, poor));
        self.write("exim.conf", &settings::exim(&self.text(), user, group, &self.ports));
        if let Some((uid, gid)) = self.identity.ids {
            give(&self.folder, uid, gid);
        }
    }

    /// A CA and a leaf: one self-signed certificate as both is refused by TLS libraries.
    fn certificates(&self) {
        let at = |name: &str| self.folder.join(name).display().to_string();
        self.write("ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let openssl = || Command::new(find("openssl").expect("found above"));
        said(openssl().args(["req", "-x509", "-days", "30", "-subj", "/CN=mailtest CA"]).args(key).args([
            "-keyout",
            &at("ca.key"),
            "-out",
            &at("ca.pem"),
        ]));
        said(openssl().args(["req", "-subj", "/CN=localhost"]).args(key).args([
            "-keyout",
            &at("key.pem"),
            "-out",
            &at("csr.pem"),
        ]));
        said(openssl().args(["x509", "-req", "-days", "30", "-CAcreateserial"]).args([
            "-in",
            &at("csr.pem"),
            "-CA",
            &at("ca.pem"),
            "-CAkey",
            &at("ca.key"),
            "-extfile",
            &at("ext"),
            "-out",
            &at("cert.pem"),
        ]));
    }

    fn run(&mut self) {
        let config = self.folder.join("dovecot.conf");
        let dovecot = self.as_user("dovecot", &["-F", "-c", &config.display().to_string()]);
        let config = self.folder.join("exim.conf");
        let listen = format!("[127.0.0.1]:{}", self.ports.smtp);
        let exim = self.as_user("exim4", &["-C", &config.display().to_string(), "-bdf", "-q1m", "-oX", &listen]);
        for mut command in [dovecot, exim] {
            // A group of its own: all of it can be killed at once.
            let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
            self.running.push(command.spawn().expect("an installed program runs"));
        }
    }

    /// Whether all ports answer; `false` as soon as one of the programs has ended.
    async fn up(&mut self) -> bool {
        let Ports { imap, imaps, submission, submissions, lmtp, smtp } = self.ports;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for port in [imap, imaps, submission, submissions, lmtp, smtp] {
            let waited = tokio::time::timeout(LIMIT, async {
                while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                    if self.running.iter_mut().any(|child| !matches!(child.try_wait(), Ok(None))) {
                        return false;
                    }
                    tick.tick().await;
                }
                true
            });
            if !waited.await.unwrap_or(false) {
                return false;
            }
        }
        true
    }

    /// Where everything listens.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// The certificate to trust.
    ///
    /// # Panics
    /// Where somebody removed it.
    pub fn ca_pem(&self) -> Vec<u8> {
        fs::read(self.folder.join("ca.pem")).expect("written at the start")
    }

    /// Kills everything at once, as a power cut would.
    pub fn kill(&mut self) {
        for child in &mut self.running {
            let group = format!("-{}", child.id());
            // A group that is gone already is none to worry about.
            let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
            let _ = child.wait();
        }
        self.running.clear();
    }

    /// Starts again after [`MailServer::kill`], on the same ports, with the same mails.
    ///
    /// # Panics
    /// Where it does not start.
    pub async fn restart(&mut self) {
        // Leftovers of a killed process would be taken for a running one.
        let _ = fs::remove_file(self.folder.join("run/master.pid"));
        let _ = fs::remove_file(self.folder.join("exim-daemon.pid"));
        self.run();
        assert!(self.up().await, "the mail servers did not come back: {}", self.log());
    }

    /// Throws a user's connections out: `* BYE`, then the end.
    pub fn kick(&self, user: &str) {
        self.doveadm(&["kick", user]);
    }

    /// Makes all UIDs void, as a restored backup does.
    pub fn set_uid_validity(&self, user: &str, validity: u32) {
        self.doveadm(&["mailbox", "update", "--uid-validity", &validity.to_string(), "-u", user, "INBOX"]);
    }

    /// Removes a mail for good.
    pub fn expunge(&self, user: &str, folder: &str, uid: u32) {
        self.doveadm(&["expunge", "-u", user, "mailbox", folder, "uid", &uid.to_string()]);
    }

    /// Moves a mail back, as a person does who wants it looked at again.
    pub fn move_all(&self, user: &str, from: &str, to: &str) {
        self.doveadm(&["move", "-u", user, to, "mailbox", from, "ALL"]);
    }

    /// How many mails a folder has.
    ///
    /// # Panics
    /// Where there is no such folder.
    pub fn count(&self, user: &str, folder: &str) -> usize {
        let told = self.doveadm(&["-f", "flow", "mailbox", "status", "-u", user, "messages", folder]);
        let number = told.rsplit("messages=").next().map(str::trim);
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("not a count: {told}"))
    }

    /// Waits until a folder has so many mails.
    ///
    /// # Panics
    /// Where it does not come to that.
    pub async fn counted(&self, user: &str, folder: &str, wanted: usize) {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let waited = tokio::time::timeout(LIMIT, async {
            while self.count(user, folder) != wanted {
                tick.tick().await;
            }
        });
        let waited = waited.await;
        assert!(waited.is_ok(), "{user} has {} in {folder}, not {wanted}", self.count(user, folder));
    }

    /// Delivers a mail at once, without any transfer agent.
    pub async fn deliver(&self, to: &str, raw: &[u8]) {
        hand_over(self.ports.lmtp, "LHLO", "", to, raw).await;
    }

    /// Sends a mail through the transfer agent, as a person's program does.
    pub async fn submit(&self, from: &str, to: &str, raw: &[u8]) {
        hand_over(self.ports.smtp, "EHLO", from, to, raw).await;
    }

    /// Puts mails straight into a user's mailbox: the fast way to many.
    ///
    /// # Panics
    /// Where the files cannot be written.
    pub fn load(&self, user: &str, mails: impl Iterator<Item = Vec<u8>>) {
        let home = self.folder.join("mail").join(user);
        for part in ["tmp", "cur", "new"] {
            fs::create_dir_all(home.join("Maildir").join(part)).expect("a writable folder");
        }
        for mail in mails {
            let name = format!("{:010}.load.localhost", self.loaded.fetch_add(1, Ordering::Relaxed));
            fs::write(home.join("Maildir/new").join(name), mail).expect("a writable folder");
        }
        if let Some((uid, gid)) = self.identity.ids {
            give(&home, uid, gid);
        }
    }

    /// All mails in a user's folder, as bytes, in no order.
    pub fn mails(&self, user: &str, folder: &str) -> Vec<Vec<u8>> {
        let home = self.folder.join("mail").join(user).join("Maildir");
        let home = if folder == "INBOX" { home } else { home.join(format!(".{folder}")) };
        let mut found = Vec::new();
        for part in ["new", "cur"] {
            for entry in fs::read_dir(home.join(part)).into_iter().flatten().flatten() {
                // It may just be on its way from one folder to the other.
                found.extend(fs::read(entry.path()).ok());
            }
        }
        found
    }

    /// What the servers wrote down; for messages of failed tests.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("log/dovecot.log") + &read("exim-log/mainlog") + &read("exim-log/paniclog")
    }

    fn doveadm(&self, arguments: &[&str]) -> String {
        let config = self.folder.join("dovecot.conf").display().to_string();
        let mut all = vec!["-c", config.as_str()];
        all.extend(arguments);
        said(&mut self.as_user("doveadm", &all))
    }

    fn as_user(&self, program: &str, arguments: &[&str]) -> Command {
        let program = find(program).expect("looked for at the start");
        let mut command = match self.identity.ids {
            None => Command::new(program),
            Some((uid, gid)) => {
                let mut command = Command::new(find("setpriv").expect("part of util-linux"));
                command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}")).arg("--clear-groups").arg(program);
                command
            }
        };
        command.args(arguments).current_dir("/");
        command
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).expect("a writable folder for temporary files");
    }

    fn text(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.kill();
        // Left over it is only clutter.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { user: self.user.clone(), group: self.group.clone(), ids: self.ids }
    }
}

impl Identity {
    fn ours() -> Self {
        let id = |arguments: &[&str]| said(Command::new("id").args(arguments)).trim().to_owned();
        if id(&["-u"]) == "0" {
            let number = |which| id(&[which, "nobody"]).parse().expect("`id` tells a number");
            let ids = Some((number("-u"), number("-g")));
            return Self { user: "nobody".to_owned(), group: id(&["-gn", "nobody"]), ids };
        }
        Self { user: id(&["-un"]), group: id(&["-gn"]), ids: None }
    }
}

/// A program, wherever Debian keeps it.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Runs a program to its end and returns what it said.
fn said(command: &mut Command) -> String {
    let output = command.output().expect("an installed program runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Gives a folder and all in it to somebody.
fn give(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).expect("root may give files away");
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a readable folder").flatten() {
            give(&entry.path(), uid, gid);
        }
    }
}

fn free_ports() -> Ports {
    let held: Vec<TcpListener> =
        (0..6).map(|_| TcpListener::bind("127.0.0.1:0").expect("loopback has free ports")).collect();
    let port = |at: usize| held[at].local_addr().expect("a bound port").port();
    Ports { imap: port(0), imaps: port(1), submission: port(2), submissions: port(3), lmtp: port(4), smtp: port(5) }
}
