//! What files were and will be: contents by their hash, each once, packed when that helps.

use crate::error::StoreError;
use crate::store::Store;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use rusqlite::{Connection, OptionalExtension, params};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// BLAKE3 of a content.
pub(crate) type Hash = [u8; 32];

/// Contents on their way into the journal. Hashing and packing take long for large ones, so they
/// come before the transaction that others wait for.
#[derive(Default)]
pub(crate) struct NewBlobs<'a>(BTreeMap<Hash, NewBlob<'a>>);

struct NewBlob<'a> {
    bytes: &'a [u8],
    /// `None` when the journal had it.
    body: Option<Cow<'a, [u8]>>,
}

impl<'a> NewBlobs<'a> {
    /// Takes one up and gives its hash.
    pub(crate) fn add(&mut self, store: &Store, bytes: &'a [u8]) -> Result<Hash, StoreError> {
        let hash = *blake3::hash(bytes).as_bytes();
        if let std::collections::btree_map::Entry::Vacant(place) = self.0.entry(hash) {
            let body = match store.blob(&hash) {
                Ok(_) => None,
                // A damaged one is written again.
                Err(StoreError::Damaged { .. }) => Some(pack(bytes)),
                Err(error) => return Err(error),
            };
            place.insert(NewBlob { bytes, body });
        }
        Ok(hash)
    }

    /// Writes what the journal has not.
    pub(crate) fn put(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut known =
            connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM blobs WHERE hash = ?1)")?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO blobs (hash, size, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (hash) DO UPDATE SET size = excluded.size, body = excluded.body",
        )?;
        for (hash, blob) in &self.0 {
            let body = match &blob.body {
                Some(body) => Cow::Borrowed(&body[..]),
                None if known.query_row([hash], |row| row.get(0))? => continue,
                // Pruned since.
                None => pack(blob.bytes),
            };
            insert.execute(params![hash, blob.bytes.len(), body])?;
        }
        Ok(())
    }
}

impl Store {
    /// The content of that hash, proven.
    pub(crate) fn blob(&self, hash: &Hash) -> Result<Vec<u8>, StoreError> {
        let damaged = |reason: &str| StoreError::Damaged {
            hash: blake3::Hash::from_bytes(*hash).to_hex().to_string(),
            reason: reason.to_owned(),
        };
        let found: Option<(u64, Vec<u8>)> = self
            .connection()
            .prepare_cached("SELECT size, body FROM blobs WHERE hash = ?1")?
            .query_row([hash], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (size, body) = found.ok_or_else(|| damaged("it is not there"))?;
        let bytes = unpack(size, body).map_err(|error| damaged(&error.to_string()))?;
        match bytes.len() as u64 == size && blake3::hash(&bytes).as_bytes() == hash {
            true => Ok(bytes),
            false => Err(damaged("it became another content")),
        }
    }
}

fn pack(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(bytes).and_then(|()| encoder.finish());
    match packed {
        Ok(packed) if packed.len() < bytes.len() => Cow::Owned(packed),
        _ => Cow::Borrowed(bytes),
    }
}

fn unpack(size: u64, body: Vec<u8>) -> std::io::Result<Vec<u8>> {
    if body.len() as u64 == size {
        return Ok(body);
    }
    let mut bytes = Vec::new();
    // Never more than one byte too much, whatever a damaged body says.
    let limit = size.saturating_add(1);
    ZlibDecoder::new(&body[..])
        .take(limit)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives the length of the body.
    fn check(store: &Store, content: &[u8]) -> usize {
        let mut blobs = NewBlobs::default();
        let hash = blobs.add(store, content).unwrap();
        assert_eq!(blobs.add(store, content).unwrap(), hash);
        blobs.put(&store.connection()).unwrap();
        assert_eq!(store.blob(&hash).unwrap(), content);
        let length = "SELECT length(body) FROM blobs WHERE hash = ?1";
        let connection = store.connection();
        connection
            .query_row(length, [hash], |row| row.get(0))
            .unwrap()
    }

    fn count(store: &Store) -> usize {
        let count = "SELECT count(*) FROM blobs";
        let connection = store.connection();
        connection.query_row(count, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn contents_are_packed_when_it_helps_and_kept_once() {
        let store = Store::in_memory().unwrap();
        assert_eq!(check(&store, b""), 0);
        assert_eq!(check(&store, b"x"), 1);
        assert_eq!(check(&store, &[0, 255, 10, 13]), 4);
        assert!(check(&store, &b"fn main() {}\n".repeat(1000)) < 1000);
        assert_eq!(count(&store), 4);
        check(&store, b"x");
        assert_eq!(count(&store), 4);
    }

    #[test]
    fn a_damaged_content_is_named_and_written_again() {
        let packed = b"fn main() {}\n".repeat(1000);
        for content in [&b"plain"[..], &packed] {
            for damage in [
                "body = zeroblob(length(body))",
                "body = zeroblob(3)",
                "body = x''",
                "size = size + 1",
                "size = size - 1",
                "size = 9223372036854775807",
            ] {
                let store = Store::in_memory().unwrap();
                check(&store, content);
                let damage = format!("UPDATE blobs SET {damage}");
                store.connection().execute_batch(&damage).unwrap();
                let hash = blake3::hash(content);
                let message = store.blob(hash.as_bytes()).map(drop);
                let message = message.unwrap_err().to_string();
                let named = message.contains(hash.to_hex().as_str());
                assert!(named, "{damage}: {message}");
                check(&store, content);
            }
        }
    }

    #[test]
    fn what_was_pruned_between_is_written_after_all() {
        let store = Store::in_memory().unwrap();
        check(&store, b"x");
        let mut blobs = NewBlobs::default();
        let hash = blobs.add(&store, b"x").unwrap();
        let connection = store.connection();
        connection.execute_batch("DELETE FROM blobs").unwrap();
        blobs.put(&connection).unwrap();
        drop(connection);
        assert_eq!(store.blob(&hash).unwrap(), b"x");
    }

    proptest! {
        #[test]
        fn any_content_comes_back(contents: Vec<Vec<u8>>, times in 1usize..50) {
            let store = Store::in_memory().unwrap();
            for content in &contents {
                check(&store, content);
                check(&store, &content.repeat(times));
            }
            for content in &contents {
                check(&store, content);
            }
        }
    }
}
