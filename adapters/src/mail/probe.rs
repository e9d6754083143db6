//! Trying out what is configured, without reading or sending a mail: for `check --online`.

use tokio_rustls::TlsConnector;

use super::config::{ImapConfig, MailConfig};
use super::imap::{Trouble, open};
use super::smtp::{Sender, told as told_of};

/// The mailbox: connection, login, folder, and what the server can do.
pub(super) async fn reading(
    config: &MailConfig,
    imap: &ImapConfig,
    tls: &TlsConnector,
    told: &mut Vec<Result<String, String>>,
) {
    let mut opened = match open(imap, tls, &config.timing).await {
        Ok(opened) => opened,
        Err(trouble) => {
            told.push(Err(format!("收信 {}:{}：{}", imap.host, imap.port, trouble.text())));
            return;
        }
    };
    told.push(Ok(format!(
        "收信 {}:{} 已登录，文件夹“{}”里有 {} 封邮件（服务器：{}）",
        imap.host, imap.port, imap.folder, opened.exists, opened.greeting
    )));
    told.push(Ok(if opened.can.idle {
        "服务器支持推送（IDLE），新邮件即时收到".to_owned()
    } else {
        format!("服务器不支持推送（IDLE），每 {} 秒查看一次", config.timing.poll.as_secs())
    }));
    if let Some(done) = &imap.done_folder {
        told.push(match opened.has_folder(done).await {
            Ok(true) if opened.can.mv => Ok(format!("处理后的邮件会移到“{done}”")),
            Ok(true) if opened.can.uid_plus => {
                Ok(format!("服务器不支持 MOVE：处理后的邮件会复制到“{done}”再从原处删除"))
            }
            Ok(true) => Ok(format!(
                "服务器不支持 MOVE 和 UIDPLUS：处理后的邮件会复制到“{done}”，原件标记为已删除，留待人工清理"
            )),
            Ok(false) => Ok(format!("文件夹“{done}”还不存在，第一次移动时会创建（QQ 邮箱请先在网页里建好）")),
            Err(Trouble::Refused(why)) => Err(format!("看不到文件夹“{done}”：{why}")),
            Err(trouble) => Err(trouble.text().to_owned()),
        });
    }
    if opened.uid_next.is_none() {
        told.push(Ok("服务器不给出 UIDNEXT，启动时会多查一次邮件列表".to_owned()));
    }
    opened.line.logout().await;
}

/// The sending server: connection, hello and login.
pub(super) async fn sending(sender: &Sender, told: &mut Vec<Result<String, String>>) {
    let at = sender.server();
    match sender.open().await {
        Ok(line) => {
            told.push(Ok(format!(
                "发信 {at} 已连接{}，没有试发邮件",
                if sender.logs_in() { "并登录" } else { "（无需登录）" }
            )));
            line.quit().await;
        }
        Err(failure) => told.push(Err(format!("发信 {at}：{}", told_of(&failure)))),
    }
}
