//! Pictures for the model: what is one is told by its first bytes, and how large it may be by what
//! providers take.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxagnts_protocol::conversation::Image;
use sha2::{Digest, Sha256};
use std::fmt;

/// Pictures of one prompt.
pub(super) const MAX_IMAGES: usize = 8;
/// Bytes of one picture: 5 MB in base64, which is what the strictest provider takes.
const MAX_BYTES: usize = 3_750_000;

/// What comes with a prompt, to be shown to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A picture.
    Picture(Picture),
    /// A file, relative to the workspace: read as one is that the prompt mentions.
    Path(String),
}

/// A picture that a model can be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub(super) image: Image,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.image.media_type, self.bytes)
    }
}

impl Picture {
    /// From the bytes of a file.
    ///
    /// # Errors
    /// Bytes that are no picture of a kind that models take, or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Picture, String> {
        let Some(media_type) = media_type(bytes) else {
            return Err("it is no picture in PNG, JPEG, GIF or WebP".to_owned());
        };
        Picture::of(media_type, bytes, STANDARD.encode(bytes))
    }

    /// From base64, of a type as in `image/png`.
    ///
    /// # Errors
    /// As [`Picture::from_bytes`], and text that is no base64 or of another type.
    pub fn from_base64(given: &str, data: &str) -> Result<Picture, String> {
        // Before it is decoded.
        if data.len() > MAX_BYTES.div_ceil(3) * 4 {
            return Err(too_large(data.len() / 4 * 3));
        }
        let bytes = STANDARD.decode(data);
        let bytes = bytes.map_err(|error| format!("its data is no base64: {error}"))?;
        match media_type(&bytes) {
            Some(media_type) if media_type == given => {
                Picture::of(media_type, &bytes, data.to_owned())
            }
            Some(other) => Err(format!("it is called {given:?} and is {other}")),
            None => Err("it is no picture in PNG, JPEG, GIF or WebP".to_owned()),
        }
    }

    fn of(media_type: &str, bytes: &[u8], data: String) -> Result<Picture, String> {
        if bytes.len() > MAX_BYTES {
            return Err(too_large(bytes.len()));
        }
        let digest = Sha256::digest(bytes);
        Ok(Picture {
            image: Image {
                media_type: media_type.to_owned(),
                data,
            },
            bytes: bytes.len() as u64,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// As a conversation has it.
    pub(crate) fn into_image(self) -> Image {
        self.image
    }
}

fn too_large(bytes: usize) -> String {
    format!("the picture has {bytes} bytes; a model is shown at most {MAX_BYTES}, make it smaller")
}

/// What is said of more pictures than a prompt can have.
pub(crate) fn too_many(count: usize) -> Option<String> {
    (count > MAX_IMAGES)
        .then(|| format!("{count} pictures; a prompt has at most {MAX_IMAGES}, leave some out"))
}

/// What the first bytes say.
pub(super) fn media_type(bytes: &[u8]) -> Option<&'static str> {
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        _ if webp => Some("image/webp"),
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        _ if bytes.starts_with(b"\xff\xd8\xff") => Some("image/jpeg"),
        _ if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") => Some("image/gif"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<&str, &str>) {
        let picture = Picture::from_bytes(bytes);
        match (&picture, expect) {
            (Ok(picture), Ok(media_type)) => {
                assert_eq!(picture.image.media_type, media_type);
                let Image { media_type, data } = &picture.image;
                assert_eq!(Picture::from_base64(media_type, data).as_ref(), Ok(picture));
                assert_eq!(STANDARD.decode(data).unwrap(), bytes);
            }
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
            _ => panic!("{picture:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn the_first_bytes_say_what_it_is() {
        check(b"\x89PNG\r\n\x1a\nrest", Ok("image/png"));
        check(b"\xff\xd8\xff\xe0", Ok("image/jpeg"));
        check(b"GIF89a", Ok("image/gif"));
        check(b"RIFF\0\0\0\0WEBPVP8 ", Ok("image/webp"));
        check(b"RIFF\0\0\0\0WAVE", Err("no picture"));
        check(b"<svg/>", Err("no picture"));
        check(b"", Err("no picture"));
        let mut large = b"GIF89a".to_vec();
        large.resize(MAX_BYTES, 0);
        check(&large, Ok("image/gif"));
        large.push(0);
        check(&large, Err("at most 3750000"));
    }

    #[test]
    fn base64_of_strangers_is_checked() {
        let check = |media_type: &str, data: &str, part: &str| {
            let reason = Picture::from_base64(media_type, data).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        };
        let gif = STANDARD.encode(b"GIF89a");
        check("image/png", &gif, "is image/gif");
        check("image/gif", "not base64!", "no base64");
        check("image/gif", &STANDARD.encode(b"text"), "no picture");
        check("image/gif", &"A".repeat(6_000_000), "at most 3750000");
        let picture = Picture::from_base64("image/gif", &gif).unwrap();
        assert_eq!(format!("{picture:?}"), "image/gif of 6 bytes");
    }
}
