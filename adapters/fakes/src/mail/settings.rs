//! What the real servers are told: Dovecot (2.3 as in Debian 12, 2.4 as in Debian 13) and Exim.

/// Ports on loopback.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// IMAP, plain or raised by STARTTLS.
    pub imap: u16,
    /// IMAP over TLS.
    pub imaps: u16,
    /// Submission, raised by STARTTLS.
    pub submission: u16,
    /// Submission over TLS.
    pub submissions: u16,
    /// Local delivery.
    pub lmtp: u16,
    /// The mail transfer agent behind it all.
    pub smtp: u16,
}

/// Users and their passwords.
pub const USERS: [(&str, &str); 4] = [
    ("helpdesk@gov.test", "secret"),
    ("robot@gov.test", "robotpw"),
    ("alice@gov.test", "alicepw"),
    ("bob@corp.test", "bobpw"),
];

/// Dovecot's configuration. `poor`: without IDLE and MOVE in its list of capabilities.
pub fn dovecot(version: &str, folder: &str, user: &str, group: &str, ports: &Ports, poor: bool) -> String {
    let new = !(version.starts_with("2.2") || version.starts_with("2.3"));
    let head = if new { head_2_4(folder, user, group) } else { head_2_3(folder, user, group) };
    let list = if poor { "  imap_capability = IMAP4rev1 ID LITERAL+ SPECIAL-USE UIDPLUS\n" } else { "" };
    let Ports { imap, imaps, submission, submissions, lmtp, smtp } = ports;
    format!(
        "{head}
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log/dovecot.log
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
ssl = yes
auth_failure_delay = 0
mail_fsync = never
recipient_delimiter = +
hostname = localhost
submission_relay_host = 127.0.0.1
submission_relay_port = {smtp}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Processed {{
    auto = create
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = {submissions}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@gov.test
}}
protocol imap {{
{list}}}
"
    )
}

fn head_2_3(folder: &str, user: &str, group: &str) -> String {
    format!(
        "protocols = imap lmtp submission
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
mail_location = maildir:~/Maildir"
    )
}

/// Written after the documentation of 2.4; no machine of ours has run it yet.
fn head_2_4(folder: &str, user: &str, group: &str) -> String {
    format!(
        "dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap lmtp submission
ssl_server_cert_file = {folder}/cert.pem
ssl_server_key_file = {folder}/key.pem
auth_allow_cleartext = yes
auth_mechanisms = plain login
passdb passwd-file {{
  passwd_file_path = {folder}/users
}}
userdb static {{
  fields {{
    uid = {user}
    gid = {group}
    home = {folder}/mail/%{{user}}
  }}
}}
mail_driver = maildir
mail_path = ~/Maildir"
    )
}

/// Exim's configuration: everything for the two domains goes to local delivery, unknown users come back as real bounces.
pub fn exim(folder: &str, user: &str, group: &str, ports: &Ports) -> String {
    let lmtp = ports.lmtp;
    format!(
        "exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/exim-log/%slog
pid_file_path = {folder}/exim-daemon.pid
primary_hostname = mx.gov.test
domainlist local_domains = gov.test : corp.test
acl_smtp_rcpt = acl_rcpt
never_users =
keep_environment =
deliver_drop_privilege = true
tls_advertise_hosts =
message_size_limit = 20M
begin acl
acl_rcpt:
  accept hosts = 127.0.0.1
  deny
begin routers
local:
  driver = manualroute
  domains = +local_domains
  route_list = * 127.0.0.1::{lmtp} byname
  self = send
  transport = dovecot_lmtp
begin transports
dovecot_lmtp:
  driver = smtp
  protocol = lmtp
  port = {lmtp}
  allow_localhost
begin retry
* * F,1h,1s
begin rewrite
"
    )
}
