//! A program's memory as host functions see it: every address is the program's, and may be wrong.

use super::{Fault, number};

/// The whole memory.
pub(super) struct Memory<'a>(pub(super) &'a mut [u8]);

impl Memory<'_> {
    /// A part of it.
    ///
    /// # Errors
    /// `FAULT` when it is not all there.
    pub(super) fn part(&self, at: u32, len: u32) -> Result<&[u8], Fault> {
        let at = at as usize;
        let end = at.checked_add(len as usize);
        let part = end.and_then(|end| self.0.get(at..end));
        part.ok_or(Fault::Number(number::FAULT))
    }

    pub(super) fn part_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Fault> {
        let at = at as usize;
        let end = at.checked_add(len as usize);
        let part = end.and_then(|end| self.0.get_mut(at..end));
        part.ok_or(Fault::Number(number::FAULT))
    }

    /// UTF-8 text.
    ///
    /// # Errors
    /// As [`Memory::part`], and `ILLEGAL_SEQUENCE`.
    pub(super) fn text(&self, at: u32, len: u32) -> Result<String, Fault> {
        let text = std::str::from_utf8(self.part(at, len)?);
        text.map(str::to_owned)
            .map_err(|_| Fault::Number(number::ILLEGAL_SEQUENCE))
    }

    pub(super) fn u32(&self, at: u32) -> Result<u32, Fault> {
        let bytes = self.part(at, 4)?.first_chunk();
        bytes
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or(Fault::Number(number::FAULT))
    }

    pub(super) fn u64(&self, at: u32) -> Result<u64, Fault> {
        let bytes = self.part(at, 8)?.first_chunk();
        bytes
            .map(|bytes| u64::from_le_bytes(*bytes))
            .ok_or(Fault::Number(number::FAULT))
    }

    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let len = u32::try_from(bytes.len()).map_err(|_| Fault::Number(number::FAULT))?;
        self.part_mut(at, len)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Fault> {
        self.put(at, &value.to_le_bytes())
    }

    pub(super) fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Fault> {
        self.put(at, &value.to_le_bytes())
    }

    /// Addresses and lengths of buffers.
    pub(super) fn buffers(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Fault> {
        let count = count.min(super::MAX_BUFFERS);
        let pairs = self.part(at, count * 8)?.chunks_exact(8);
        let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
        Ok(pairs
            .map(|pair| (number(&pair[..4]), number(&pair[4..])))
            .collect())
    }
}

/// An address behind another.
///
/// # Errors
/// `FAULT` when there is no such address.
pub(super) fn behind(at: u32, by: u32) -> Result<u32, Fault> {
    at.checked_add(by).ok_or(Fault::Number(number::FAULT))
}
