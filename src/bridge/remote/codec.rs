//! Messages as bytes, and back: `serde` with `postcard`.

#![forbid(unsafe_code)]

use serde::{Serialize, de::DeserializeOwned};

use crate::Frame;

/// A value was not encoded, or bytes are not one: what `postcard` says of it.
pub(super) type CodecError = postcard::Error;

/// The bytes of `value`. Allocates once they are more than few.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Frame, CodecError> {
    postcard::to_allocvec(value).map(Frame::from)
}

/// What `bytes` are, all of them: what is left over is an error, too.
///
/// Whoever sent them may have meant anything. Memory is taken for what they have, not for what they say they have: `serde` reserves no
/// more than a mebibyte for a length.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        _ => Err(CodecError::DeserializeBadEncoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Value = (u64, Option<String>, Vec<(i32, bool)>, [u8; 3], f64, char);

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            number: u64, text: Option<String>, list: Vec<(i32, bool)>, bytes: [u8; 3], float in -1e300..1e300_f64, c: char,
        ) {
            let value: Value = (number, text, list, bytes, float, c);
            let encoded = encode(&value).unwrap();
            prop_assert_eq!(decode::<Value>(&encoded), Ok(value));
            let cut = &encoded[..encoded.len() - 1];
            prop_assert!(decode::<Value>(cut).is_err());
            prop_assert!(decode::<Value>(&[&encoded[..], &[0]].concat()).is_err());
        }

        #[test]
        fn whatever_comes_is_decoded_or_an_error(bytes: Vec<u8>) {
            _ = decode::<Value>(&bytes);
            _ = decode::<Vec<Vec<String>>>(&bytes);
            _ = decode::<()>(&bytes);
        }
    }

    #[test]
    fn a_length_alone_takes_no_memory() {
        let mut bytes = vec![0xff; 9];
        bytes.push(0x01);
        assert!(decode::<Vec<u64>>(&bytes).is_err());
    }
}
