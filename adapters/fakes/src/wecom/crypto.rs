//! Callback encryption and media encryption, written a second time on purpose (wecom.md 2): CBC by hand over the bare
//! block cipher, so that a mistake in the adapters' codec is not repeated here.

use aes::Aes256;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, Engine as _};
use sha1::{Digest, Sha1};

/// Cipher block, bytes.
const BLOCK: usize = 16;
/// WeCom pads to this many bytes, not to the block (wecom.md 2.3).
const PAD_TO: usize = 32;

/// Token, key and receiver of one callback address.
#[derive(Clone)]
pub(super) struct Keys {
    token: String,
    key: [u8; 32],
    receive_id: String,
}

impl Keys {
    /// # Panics
    /// Where the key is not 43 characters of base64: a mistake in a test's set-up.
    pub(super) fn new(token: &str, encoding_aes_key: &str, receive_id: &str) -> Self {
        assert_eq!(encoding_aes_key.len(), 43, "an EncodingAESKey has 43 characters");
        let key = key_of(encoding_aes_key).expect("an EncodingAESKey is 32 bytes of base64");
        Self { token: token.to_owned(), key, receive_id: receive_id.to_owned() }
    }

    /// The `msg_signature` over these strings (wecom.md 2.2).
    pub(super) fn signature(&self, timestamp: &str, nonce: &str, ciphertext: &str) -> String {
        let mut parts = [self.token.as_str(), timestamp, nonce, ciphertext];
        parts.sort_unstable();
        hex::encode(Sha1::digest(parts.concat()))
    }

    /// Encrypts a message; answers base64.
    pub(super) fn seal(&self, message: &[u8], random: [u8; 16]) -> String {
        let length = u32::try_from(message.len()).expect("a message is shorter than 4 GB");
        let mut plain = random.to_vec();
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(message);
        plain.extend_from_slice(self.receive_id.as_bytes());
        STANDARD.encode(seal_bytes(&self.key, plain))
    }

    /// Decrypts base64.
    pub(super) fn open(&self, ciphertext: &str) -> Result<Vec<u8>, &'static str> {
        let cipher = STANDARD.decode(ciphertext).map_err(|_| "not base64")?;
        let plain = open_bytes(&self.key, cipher)?;
        let (head, rest) = plain.split_at_checked(20).ok_or("shorter than its header")?;
        let length = head[16..].iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let (message, receiver) = rest.split_at_checked(length).ok_or("length past the end")?;
        if receiver != self.receive_id.as_bytes() {
            return Err("another receive_id");
        }
        Ok(message.to_vec())
    }

    /// The raw key: media of a bot in callback mode are encrypted with it.
    pub(super) fn raw(&self) -> &[u8; 32] {
        &self.key
    }
}

/// 32 bytes from base64 whose last character may carry stray bits and whose padding may be missing.
pub(super) fn key_of(text: &str) -> Option<[u8; 32]> {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&ALPHABET, config).decode(text).ok()?.try_into().ok()
}

/// Pads to 32 and encrypts; the first half of the key is the start vector.
pub(super) fn seal_bytes(key: &[u8; 32], mut bytes: Vec<u8>) -> Vec<u8> {
    let pad = PAD_TO - bytes.len() % PAD_TO;
    bytes.resize(bytes.len() + pad, u8::try_from(pad).expect("1 to 32"));
    let cipher = Aes256::new(GenericArray::from_slice(key));
    let mut before: [u8; BLOCK] = key[..BLOCK].try_into().expect("half of 32 is 16");
    for block in bytes.chunks_exact_mut(BLOCK) {
        block.iter_mut().zip(before).for_each(|(byte, mask)| *byte ^= mask);
        cipher.encrypt_block(GenericArray::from_mut_slice(block));
        before.copy_from_slice(block);
    }
    bytes
}

/// Decrypts and takes the padding off.
pub(super) fn open_bytes(key: &[u8; 32], mut bytes: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
        return Err("not whole blocks");
    }
    let cipher = Aes256::new(GenericArray::from_slice(key));
    let mut before: [u8; BLOCK] = key[..BLOCK].try_into().expect("half of 32 is 16");
    for block in bytes.chunks_exact_mut(BLOCK) {
        let sealed: [u8; BLOCK] = (&*block).try_into().expect("chunks of 16");
        cipher.decrypt_block(GenericArray::from_mut_slice(block));
        block.iter_mut().zip(before).for_each(|(byte, mask)| *byte ^= mask);
        before = sealed;
    }
    let pad = usize::from(*bytes.last().ok_or("empty")?);
    if !(1..=PAD_TO).contains(&pad) || pad > bytes.len() {
        return Err("padding");
    }
    let (kept, padding) = bytes.split_at(bytes.len() - pad);
    if padding.iter().any(|byte| usize::from(*byte) != pad) {
        return Err("padding");
    }
    Ok(kept.to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/wecom.json");
        serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors lie beside the adapters"))
            .expect("JSON")
    }

    fn cases(section: &str) -> Vec<Value> {
        let cases = vectors()[section].as_array().cloned().unwrap_or_default();
        assert!(!cases.is_empty(), "{section} has cases");
        cases
    }

    fn text<'a>(case: &'a Value, key: &str) -> &'a str {
        case[key].as_str().unwrap_or_else(|| panic!("{}: {key} is missing", case["id"]))
    }

    #[test]
    fn keys_decode_as_the_sheet_says() {
        for case in cases("encoding_aes_key") {
            if case["valid"] == true {
                let key = key_of(text(&case, "key")).map(hex::encode);
                assert_eq!(key.as_deref(), Some(text(&case, "key_hex")), "{}", case["id"]);
            }
        }
    }

    #[test]
    fn signatures_match_the_sheet() {
        for case in cases("signature") {
            let keys = Keys { token: text(&case, "token").to_owned(), key: [0; 32], receive_id: String::new() };
            let made = keys.signature(text(&case, "timestamp"), text(&case, "nonce"), text(&case, "encrypt"));
            assert_eq!(made == text(&case, "msg_signature"), case["matches"] == true, "{}", case["id"]);
        }
    }

    #[test]
    fn the_sheets_ciphertexts_open_and_only_those() {
        for case in cases("decrypt") {
            let keys = Keys::new("", text(&case, "encoding_aes_key"), text(&case, "receive_id"));
            let opened = keys.open(text(&case, "encrypt")).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(opened.as_deref(), Ok(text(&case, "msg")), "{}", case["id"]);
        }
        for case in cases("decrypt_must_fail") {
            let keys = Keys::new("", text(&case, "encoding_aes_key"), "");
            assert!(keys.open(text(&case, "encrypt")).is_err(), "{}", case["id"]);
        }
    }

    #[test]
    fn sealing_gives_the_sheets_bytes() {
        for case in cases("encrypt") {
            let keys = Keys::new("", text(&case, "encoding_aes_key"), text(&case, "receive_id"));
            let random = text(&case, "random16").as_bytes().try_into().expect("16 bytes");
            assert_eq!(keys.seal(text(&case, "msg").as_bytes(), random), text(&case, "encrypt"), "{}", case["id"]);
        }
    }

    #[test]
    fn media_open_and_seal_again_to_the_same_bytes() {
        for case in cases("media") {
            let key = key_of(text(&case, "aeskey")).expect("a key");
            if let Some(bare) = case["aeskey_without_padding"].as_str() {
                assert_eq!(key_of(bare), Some(key), "{}", case["id"]);
            }
            let cipher = STANDARD.decode(text(&case, "cipher_b64")).unwrap();
            let plain = open_bytes(&key, cipher.clone()).unwrap_or_else(|why| panic!("{}: {why}", case["id"]));
            assert_eq!(plain.len() as u64, case["plain_len"].as_u64().unwrap(), "{}", case["id"]);
            assert_eq!(seal_bytes(&key, plain), cipher, "{}", case["id"]);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_sealed_opens_again(message: Vec<u8>, random: [u8; 16], receiver in "[a-z0-9]{0,40}") {
            let keys = Keys::new("t", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", &receiver);
            let sealed = keys.seal(&message, random);
            proptest::prop_assert_eq!(STANDARD.decode(&sealed).unwrap().len() % 32, 0);
            proptest::prop_assert_eq!(keys.open(&sealed), Ok(message));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = open_bytes(&[7; 32], bytes.clone());
            let keys = Keys { token: String::new(), key: [7; 32], receive_id: String::new() };
            let _ = keys.open(&STANDARD.encode(bytes));
        }
    }
}
