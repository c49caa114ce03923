//! base64url without padding (RFC 4648 §5), strict: no padding, no white space,
//! no stray trailing bits. One text for one value is what keeps token and key
//! texts from being malleable.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The base64url text of `bytes`.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a base64url text, or `None` when it is not the one text of any bytes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_decodes() {
        assert_eq!(decode("AA"), Some(vec![0]));
        for malleable in ["AB", "AA==", "AA=", "A A", "AA\n", "A", "+w", "/w"] {
            assert_eq!(decode(malleable), None, "{malleable:?}");
        }
    }
}
