//! Looks at git's binary patches before they are applied: the library that applies them does not
//! come to an end with compressed data that is cut off, nor does it hold to the declared size.

use crate::view::MAX_FILE;
use diffy::binary::{BinaryData, BinaryPatch};
use flate2::read::ZlibDecoder;
use std::io::Read;

/// The characters of git's base 85, by value.
const ALPHABET: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// Whether the forward half unpacks to exactly what it declares; `Err` says why not.
pub(super) fn check(patch: &BinaryPatch<'_>) -> Result<(), String> {
    match patch {
        BinaryPatch::Marker => Err("it has no content for a binary file".to_owned()),
        BinaryPatch::Full { forward, .. } => unpacks(&forward.data),
    }
}

fn unpacks(data: &BinaryData<'_>) -> Result<(), String> {
    if data.size > MAX_FILE {
        return Err(format!("{} bytes are more than a file may have", data.size));
    }
    let packed = decode_lines(data.data).ok_or("its base 85 is damaged")?;
    let mut unpacked = ZlibDecoder::new(&packed[..]).take(data.size + 1);
    match std::io::copy(&mut unpacked, &mut std::io::sink()) {
        Ok(size) if size == data.size => Ok(()),
        Ok(_) => Err(format!("it does not unpack to {} bytes", data.size)),
        Err(error) => Err(format!("it does not unpack: {error}")),
    }
}

/// Each line: a letter for the number of bytes, then groups of five characters for four bytes.
fn decode_lines(lines: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some((letter, digits)) = line.split_first() else {
            continue;
        };
        let count = match letter {
            b'A'..=b'Z' => letter - b'A' + 1,
            b'a'..=b'z' => letter - b'a' + 27,
            _ => return None,
        };
        let end = bytes.len() + usize::from(count);
        for group in digits.chunks(5) {
            let mut value: u32 = 0;
            for digit in group {
                let digit = ALPHABET.iter().position(|known| known == digit)?;
                value = value
                    .checked_mul(85)?
                    .checked_add(u32::try_from(digit).ok()?)?;
            }
            bytes.extend((group.len() == 5).then_some(value)?.to_be_bytes());
        }
        if bytes.len() < end {
            return None;
        }
        bytes.truncate(end);
    }
    Some(bytes)
}
