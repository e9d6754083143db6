//! `zhishou init`: asks a few things and writes a commented configuration.

use std::io::{BufRead, Write};
use std::path::Path;

use super::Failure;
use crate::rules::profile::Profile;

pub(super) fn init(path: &Path, yes: bool) -> Result<(), Failure> {
    if path.exists() {
        return Err(Failure::usage(format!("{} 已存在；要重新生成，请先改名或删除它", path.display())));
    }
    let shipped: Vec<&str> = Profile::shipped().iter().map(|(id, _)| *id).collect();
    let ask = |question: &str, default: &str| -> Result<String, Failure> {
        if yes {
            return Ok(default.to_owned());
        }
        print!("{question} [{default}] ");
        std::io::stdout().flush().map_err(Failure::work)?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(Failure::work)?;
        Ok(if line.trim().is_empty() { default.to_owned() } else { line.trim().to_owned() })
    };
    let name = ask("值守台叫什么名字？", "值守")?;
    let profile = ask(&format!("使用哪份合同档案（{}，或文件路径）？", shipped.join("、")), shipped[0])?;
    let hotline = ask("服务热线号码（可留空）？", "")?;
    let listen = ask("控制台监听地址？", "127.0.0.1:8080")?;
    let qq = ask("是否接入 QQ（OneBot 11）？yes / no", "no")?;
    let address = ask("是否接入邮箱？写邮箱地址，不接入就留空", "")?;
    let start = if address.is_empty() {
        String::new()
    } else {
        ask("信箱里已有的邮件怎么办？now 只处理今后的 / all 全部处理 / 一个日期，如 2026-03-01", "now")?
    };
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let onebot = if qq.starts_with('y') {
        "[[channel]]\nkind = \"onebot\"\ntransport = \"reverse-ws\"        # OneBot 端主动连过来，推荐\npath = \"/onebot/v11/ws\"\naccess_token = \"${ONEBOT_TOKEN}\"   # 启动前设置环境变量 ONEBOT_TOKEN，OneBot 端填同样的值\n"
    } else {
        "# 接入 QQ 群（OneBot 11，例如 NapCat）时去掉下面各行的 #：\n# [[channel]]\n# kind = \"onebot\"\n# transport = \"reverse-ws\"        # OneBot 端主动连过来，推荐\n# path = \"/onebot/v11/ws\"\n# access_token = \"${ONEBOT_TOKEN}\"   # 启动前设置环境变量 ONEBOT_TOKEN，OneBot 端填同样的值\n\n[[channel]]\nkind = \"sandbox\"                   # 控制台自带的演示聊天页\n"
    };
    let mail = if address.is_empty() {
        String::new()
    } else {
        format!(
            "\n[[channel]]\nkind = \"mail\"\naddress = {}\nstart = {}                       # 信箱里已有的邮件：now 不处理 | all 全部处理 | 一个日期\n\
             imap = {{ host = \"imap.{host}\", password = \"${{MAIL_PASSWORD}}\" }}   # 主机名和密码的填法见 docs/manual/mail.md\n\
             smtp = {{ host = \"smtp.{host}\", password = \"${{MAIL_PASSWORD}}\" }}   # 启动前设置环境变量 MAIL_PASSWORD（多数邮箱要填授权码）\n",
            quote(&address),
            quote(&start),
            host = address.rsplit_once('@').map_or("example.com", |(_, host)| host),
        )
    };
    let text = format!(
        "# 值守的配置。改完运行 zhishou check，写错的地方会指出来。全部键见 docs/config.example.toml。\n\n\
         [desk]\nname = {}\ntimezone = \"Asia/Shanghai\"\ndata = \"data\"                      # 数据目录\n\n\
         [database]\nurl = \"sqlite://data/zhishou.db\"    # 需要多实例时改用 postgres://…\n\n\
         [console]\nlisten = {}\n\n\
         [[contract]]\nprofile = {}\ndefault = true                     # 没有绑定合同的会话归它\nhotline = {}\n\n{onebot}{mail}",
        quote(&name),
        quote(&listen),
        quote(&profile),
        quote(&hotline),
    );
    std::fs::write(path, text).map_err(|error| Failure::work(format!("无法写入 {}：{error}", path.display())))?;
    say!("已写出 {}。下一步：zhishou check，然后 zhishou import 人员文件，最后 zhishou。", path.display());
    Ok(())
}
