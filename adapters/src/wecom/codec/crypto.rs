//! Keys, signature and encryption of callbacks, and decryption of the bot's media (wecom.md 2.1–2.3, 5.9).

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

/// Reads what WeCom writes: real keys carry stray bits in their last character, and `aeskey` comes with and without `=`.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Writes plain base64 with `=`.
const STRICT: GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// Characters of an EncodingAESKey.
const KEY_CHARS: usize = 43;
/// The platform pads to this many bytes, not to the 16 of the cipher.
const PAD: usize = 32;
/// Random bytes in front of every message.
const RANDOM: usize = 16;
/// Random bytes and the length field.
const HEAD: usize = RANDOM + 4;
/// Block of the cipher.
const BLOCK: usize = 16;

/// What is wrong with a key in the configuration. An administrator reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing there.
    #[error("EncodingAESKey 为空")]
    Empty,
    /// Not 43 characters.
    #[error("EncodingAESKey 应为 43 个字符，现在是 {0} 个，请从管理后台重新复制")]
    Length(usize),
    /// An equals sign inside.
    #[error("EncodingAESKey 里不应有等号“=”：请原样复制后台显示的 43 个字符，不要自己补齐")]
    EqualsSign,
    /// A character outside letters, digits, `+` and `/`.
    #[error("EncodingAESKey 里有不允许的字符（第 {0} 个），只能是字母和数字")]
    Symbol(usize),
    /// A media key that is not 32 bytes in base64.
    #[error("the media key is not 32 bytes in base64")]
    Media,
}

/// Why something could not be decrypted. Carries nothing of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// Not base64.
    #[error("the ciphertext is not base64")]
    Base64,
    /// Empty, or not whole blocks.
    #[error("the ciphertext is not a whole number of blocks")]
    Blocks,
    /// The padding is not 1..=32 equal bytes: usually the wrong key.
    #[error("the padding is wrong (usually: another EncodingAESKey)")]
    Padding,
    /// The length field points past the end.
    #[error("the length inside the message is wrong")]
    Length,
    /// Encrypted for somebody else.
    #[error("the message is for another receiver (corp id)")]
    Receiver,
}

/// Token, AES key and receiver of one callback address.
#[derive(Clone)]
pub struct CallbackKeys {
    token: String,
    key: [u8; 32],
    receive_id: String,
}

impl std::fmt::Debug for CallbackKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallbackKeys").field("receive_id", &self.receive_id).finish_non_exhaustive()
    }
}

impl CallbackKeys {
    /// `receive_id` is the CorpID for an app and empty for a bot of one's own corp. White space that was pasted around
    /// any of the three is taken off.
    pub fn new(token: &str, encoding_aes_key: &str, receive_id: &str) -> Result<Self, KeyError> {
        Ok(Self {
            token: token.trim().to_owned(),
            key: callback_key(encoding_aes_key)?,
            receive_id: receive_id.trim().to_owned(),
        })
    }

    /// Lower-case hex SHA-1 of the four parts sorted bytewise and joined (2.2). `ciphertext` is the base64 as received.
    pub fn signature(&self, timestamp: &str, nonce: &str, ciphertext: &str) -> String {
        let mut parts = [self.token.as_str(), timestamp, nonce, ciphertext];
        parts.sort_unstable();
        let mut hash = Sha1::new();
        for part in parts {
            hash.update(part.as_bytes());
        }
        hex::encode(hash.finalize())
    }

    /// Whether a signature is right, compared in constant time; upper-case hex is accepted.
    pub fn verify(&self, given: &str, timestamp: &str, nonce: &str, ciphertext: &str) -> bool {
        let right = self.signature(timestamp, nonce, ciphertext);
        given.to_ascii_lowercase().as_bytes().ct_eq(right.as_bytes()).into()
    }

    /// Encrypts a message to base64. The 16 random bytes come from the caller: nothing here draws them.
    ///
    /// # Panics
    /// For messages of 4 GiB and more; whoever calls is bound to 1 MB by HTTP.
    pub fn encrypt(&self, message: &[u8], random: [u8; 16]) -> String {
        let length = u32::try_from(message.len()).expect("a message is below 4 GiB");
        let mut plain = Vec::with_capacity(HEAD + message.len() + self.receive_id.len() + PAD);
        plain.extend_from_slice(&random);
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(message);
        plain.extend_from_slice(self.receive_id.as_bytes());
        let pad = PAD - plain.len() % PAD;
        let fill = u8::try_from(pad).expect("a pad is 1..=32");
        plain.resize(plain.len() + pad, fill);
        let sealed = cbc::Encryptor::<Aes256>::new(&self.key.into(), &iv(&self.key).into())
            .encrypt_padded_vec_mut::<NoPadding>(&plain);
        STRICT.encode(sealed)
    }

    /// Decrypts base64 and checks padding, length and receiver, in this order (2.3).
    pub fn decrypt(&self, ciphertext: &str) -> Result<Vec<u8>, CryptoError> {
        let (message, receiver) = self.decrypt_any(ciphertext)?;
        if receiver == self.receive_id.as_bytes() { Ok(message) } else { Err(CryptoError::Receiver) }
    }

    /// The same for whoever it was meant for: the message and the receiver named inside. For inspecting a capture; a
    /// callback is opened with [`Self::decrypt`].
    pub fn decrypt_any(&self, ciphertext: &str) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
        let sealed = LENIENT.decode(ciphertext).map_err(|_| CryptoError::Base64)?;
        let mut plain = open(&self.key, &sealed)?;
        let length: [u8; 4] =
            plain.get(RANDOM..HEAD).and_then(|bytes| bytes.try_into().ok()).ok_or(CryptoError::Length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| CryptoError::Length)?;
        let end = HEAD.checked_add(length).filter(|&end| end <= plain.len()).ok_or(CryptoError::Length)?;
        let receiver = plain.split_off(end);
        Ok((plain.split_off(HEAD), receiver))
    }
}

/// The key of a bot's media in socket mode: base64 of 32 bytes, with or without `=` (5.9). In callback mode the same
/// function reads the EncodingAESKey.
pub fn media_key(aeskey: &str) -> Result<[u8; 32], KeyError> {
    LENIENT.decode(aeskey.trim()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(KeyError::Media)
}

/// Decrypts a downloaded file of the bot: the same cipher and padding, with neither head nor receiver (5.9).
pub fn decrypt_media(key: &[u8; 32], bytes: &[u8]) -> Result<Vec<u8>, CryptoError> {
    open(key, bytes)
}

fn callback_key(text: &str) -> Result<[u8; 32], KeyError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(KeyError::Empty);
    }
    if text.contains('=') {
        return Err(KeyError::EqualsSign);
    }
    let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '+' || c == '/');
    if let Some(at) = text.chars().position(odd) {
        return Err(KeyError::Symbol(at + 1));
    }
    if text.len() != KEY_CHARS {
        return Err(KeyError::Length(text.len()));
    }
    let bytes = LENIENT.decode(text).expect("43 characters of the alphabet decode when stray bits are allowed");
    Ok(bytes.try_into().expect("43 characters are 32 bytes"))
}

fn iv(key: &[u8; 32]) -> [u8; BLOCK] {
    let mut iv = [0; BLOCK];
    iv.copy_from_slice(&key[..BLOCK]);
    iv
}

/// Decrypts whole blocks and takes the 32-byte padding off. No library unpadder: those refuse pads of 17 to 32.
fn open(key: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK) {
        return Err(CryptoError::Blocks);
    }
    let mut plain = cbc::Decryptor::<Aes256>::new(key.into(), &iv(key).into())
        .decrypt_padded_vec_mut::<NoPadding>(sealed)
        .map_err(|_| CryptoError::Blocks)?;
    let pad = usize::from(*plain.last().ok_or(CryptoError::Padding)?);
    if pad == 0 || pad > PAD || pad > plain.len() {
        return Err(CryptoError::Padding);
    }
    let end = plain.len() - pad;
    if plain[end..].iter().any(|&byte| usize::from(byte) != pad) {
        return Err(CryptoError::Padding);
    }
    plain.truncate(end);
    Ok(plain)
}
