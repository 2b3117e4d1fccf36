//! Descriptors and paths of preview 1, on [`Files`](crate::wasi::files::Files).

use super::memory::{Memory, behind};
use super::{Answer, Descriptor, Fault, Listing, OpenFile, Preview1, number};
use crate::files::FileKind;
use crate::wasi::files::{Errno, Failure, OpenOptions, Opened, Stat, metadata_hash};

/// Rights as far as they are asked for or told.
mod right {
    pub(super) const READ: u64 = 1 << 1;
    pub(super) const SEEK: u64 = 1 << 2;
    pub(super) const TELL: u64 = 1 << 5;
    pub(super) const WRITE: u64 = 1 << 6;
    pub(super) const ALL: u64 = (1 << 30) - 1;
}

/// Flag of a descriptor: every write goes to the end.
const APPEND: u32 = 1;
/// Name of the root, as a path.
const ROOT_NAME: &str = "/";
const DIRENT: usize = 24;

fn file_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::Other => 0,
        FileKind::Directory => 3,
        FileKind::File => 4,
        FileKind::Symlink => 7,
    }
}

fn put_filestat(memory: &mut Memory<'_>, at: u32, identity: &str, stat: Stat) -> Answer {
    let mut bytes = [0; 64];
    bytes[8..16].copy_from_slice(&metadata_hash(identity)[0].to_le_bytes());
    bytes[16] = file_type(stat.kind);
    bytes[24] = 1;
    bytes[32..40].copy_from_slice(&stat.size.to_le_bytes());
    // The overlay has contents, and no history of them: all times are zero.
    memory.put(at, &bytes)
}

impl Preview1 {
    fn descriptor(&mut self, fd: u32) -> Result<&mut Descriptor, Fault> {
        let found = self.descriptors.get_mut(&fd);
        found.ok_or(Fault::Number(number::BAD_DESCRIPTOR))
    }

    fn file(&mut self, fd: u32) -> Result<&mut OpenFile, Fault> {
        match self.descriptor(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Folder { .. } => Err(Failure::from(Errno::IsDirectory).into()),
            _ => Err(Fault::Number(number::SEEK_PIPE)),
        }
    }

    fn readable(&mut self, fd: u32) -> Result<OpenFile, Fault> {
        match *self.file(fd)? {
            file @ OpenFile { read: true, .. } => Ok(file),
            _ => Err(Fault::Number(number::BAD_DESCRIPTOR)),
        }
    }

    fn writable(&mut self, fd: u32) -> Result<OpenFile, Fault> {
        match *self.file(fd)? {
            file @ OpenFile { write: true, .. } => Ok(file),
            _ => Err(Fault::Number(number::BAD_DESCRIPTOR)),
        }
    }

    fn folder(&mut self, fd: u32) -> Result<String, Fault> {
        match self.descriptor(fd)? {
            Descriptor::Folder { path, .. } => Ok(path.clone()),
            _ => Err(Fault::Number(number::NOT_DIRECTORY)),
        }
    }

    /// The folder of a descriptor and a path below it.
    fn place(
        &mut self,
        memory: &Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Result<(String, String), Fault> {
        Ok((self.folder(fd)?, memory.text(path, len)?))
    }

    /// Reads at `offset` into buffers, in order, until there is no more; gives how much.
    fn read_at(
        &mut self,
        memory: &mut Memory<'_>,
        file: OpenFile,
        mut offset: u64,
        (buffers, count): (u32, u32),
    ) -> Result<u32, Fault> {
        let mut total = 0_u32;
        for (at, len) in memory.buffers(buffers, count)? {
            memory.part(at, len)?;
            let bytes = self.files.read(file.number, offset, u64::from(len))?;
            memory.put(at, &bytes)?;
            offset = offset.saturating_add(bytes.len() as u64);
            total = total.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            if bytes.len() < len as usize {
                break;
            }
        }
        Ok(total)
    }

    /// Writes buffers in order, at `offset` or to the end; gives how much.
    fn write_at(
        &mut self,
        memory: &Memory<'_>,
        file: OpenFile,
        mut offset: Option<u64>,
        (buffers, count): (u32, u32),
    ) -> Result<u32, Fault> {
        let mut total = 0_u32;
        for (at, len) in memory.buffers(buffers, count)? {
            let bytes = memory.part(at, len)?;
            if !bytes.is_empty() {
                self.files.write(file.number, offset, bytes)?;
            }
            offset = offset.map(|offset| offset.saturating_add(u64::from(len)));
            total = total.saturating_add(len);
        }
        Ok(total)
    }

    fn size(&mut self, file: OpenFile) -> Result<u64, Fault> {
        Ok(self.files.stat(file.number)?.size)
    }

    /// Gives back what a descriptor holds.
    fn release(&mut self, descriptor: Descriptor) -> Answer {
        match descriptor {
            Descriptor::File(file) => self.files.close(file.number)?,
            Descriptor::Folder { listing, .. } => {
                self.files.close_folder();
                if let Some(listing) = listing {
                    self.files.release_listing(listing.bytes);
                }
            }
            Descriptor::Input | Descriptor::Output(_) => {}
        }
        Ok(())
    }

    fn insert(&mut self, descriptor: Descriptor) -> u32 {
        // Descriptors are bounded, so that one of the first numbers is free.
        let free = (0..u32::MAX).find(|fd| !self.descriptors.contains_key(fd));
        let fd = free.unwrap_or(u32::MAX);
        self.descriptors.insert(fd, descriptor);
        fd
    }
}

impl Preview1 {
    pub(super) fn fd_advise(
        &mut self,
        _: Memory<'_>,
        fd: u32,
        _: u64,
        _: u64,
        advice: u32,
    ) -> Answer {
        self.file(fd)?;
        match advice {
            0..=5 => Ok(()),
            _ => Err(Fault::Number(number::INVALID)),
        }
    }

    pub(super) fn fd_allocate(&mut self, _: Memory<'_>, fd: u32, offset: u64, len: u64) -> Answer {
        let file = self.writable(fd)?;
        let end = offset
            .checked_add(len)
            .ok_or(Fault::Number(number::INVALID))?;
        if end > self.size(file)? {
            self.files.set_size(file.number, end)?;
        }
        Ok(())
    }

    pub(super) fn fd_close(&mut self, _: Memory<'_>, fd: u32) -> Answer {
        let closed = self.descriptors.remove(&fd);
        self.release(closed.ok_or(Fault::Number(number::BAD_DESCRIPTOR))?)
    }

    pub(super) fn fd_datasync(&mut self, memory: Memory<'_>, fd: u32) -> Answer {
        self.fd_sync(memory, fd)
    }

    pub(super) fn fd_sync(&mut self, _: Memory<'_>, fd: u32) -> Answer {
        if let Descriptor::File(file) = *self.descriptor(fd)? {
            self.files.flush(file.number)?;
        }
        Ok(())
    }

    pub(super) fn fd_fdstat_get(&mut self, mut memory: Memory<'_>, fd: u32, at: u32) -> Answer {
        let (kind, flags, rights) = match self.descriptor(fd)? {
            // No terminal, which a device of characters would be taken for.
            Descriptor::Input => (0, 0, right::READ),
            Descriptor::Output(_) => (0, 0, right::WRITE),
            Descriptor::Folder { .. } => (3, 0, right::ALL & !(right::SEEK | right::TELL)),
            Descriptor::File(file) => {
                let mut rights = right::ALL;
                if !file.read {
                    rights &= !right::READ;
                }
                if !file.write {
                    rights &= !right::WRITE;
                }
                (4, u8::from(file.append), rights)
            }
        };
        let mut bytes = [0; 24];
        bytes[0] = kind;
        bytes[2] = flags;
        bytes[8..16].copy_from_slice(&rights.to_le_bytes());
        bytes[16..24].copy_from_slice(&right::ALL.to_le_bytes());
        memory.put(at, &bytes)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, _: Memory<'_>, fd: u32, flags: u32) -> Answer {
        if let Descriptor::File(file) = self.descriptor(fd)? {
            file.append = flags & APPEND != 0;
        }
        Ok(())
    }

    /// Rights only become fewer, and what is granted does not hang on them.
    pub(super) fn fd_fdstat_set_rights(
        &mut self,
        _: Memory<'_>,
        fd: u32,
        base: u64,
        _: u64,
    ) -> Answer {
        if let Descriptor::File(file) = self.descriptor(fd)? {
            file.read &= base & right::READ != 0;
            file.write &= base & right::WRITE != 0;
        }
        Ok(())
    }

    pub(super) fn fd_filestat_get(&mut self, mut memory: Memory<'_>, fd: u32, at: u32) -> Answer {
        let (identity, stat) = match self.descriptor(fd)? {
            Descriptor::File(file) => {
                let number = file.number;
                (self.files.identity(number), self.files.stat(number)?)
            }
            Descriptor::Folder { path, .. } => {
                let kind = FileKind::Directory;
                (path.clone(), Stat { kind, size: 0 })
            }
            _ => {
                let kind = FileKind::Other;
                (format!("/stream/{fd}"), Stat { kind, size: 0 })
            }
        };
        put_filestat(&mut memory, at, &identity, stat)
    }

    pub(super) fn fd_filestat_set_size(&mut self, _: Memory<'_>, fd: u32, size: u64) -> Answer {
        let file = self.writable(fd)?;
        Ok(self.files.set_size(file.number, size)?)
    }

    /// Times are not kept: there is nothing to set.
    pub(super) fn fd_filestat_set_times(
        &mut self,
        _: Memory<'_>,
        fd: u32,
        _: u64,
        _: u64,
        _: u32,
    ) -> Answer {
        self.descriptor(fd)?;
        Ok(self.files.check_writable()?)
    }

    pub(super) fn fd_pread(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        buffers: u32,
        count: u32,
        offset: u64,
        told: u32,
    ) -> Answer {
        let file = self.readable(fd)?;
        let read = self.read_at(&mut memory, file, offset, (buffers, count))?;
        memory.put_u32(told, read)
    }

    pub(super) fn fd_read(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        buffers: u32,
        count: u32,
        told: u32,
    ) -> Answer {
        if let Descriptor::Input = self.descriptor(fd)? {
            return memory.put_u32(told, 0);
        }
        let file = self.readable(fd)?;
        let read = self.read_at(&mut memory, file, file.offset, (buffers, count))?;
        let offset = file.offset.saturating_add(u64::from(read));
        self.file(fd)?.offset = offset;
        memory.put_u32(told, read)
    }

    pub(super) fn fd_pwrite(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        buffers: u32,
        count: u32,
        offset: u64,
        told: u32,
    ) -> Answer {
        let file = self.writable(fd)?;
        let written = self.write_at(&memory, file, Some(offset), (buffers, count))?;
        memory.put_u32(told, written)
    }

    pub(super) fn fd_write(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        buffers: u32,
        count: u32,
        told: u32,
    ) -> Answer {
        if let Descriptor::Output(output) = self.descriptor(fd)? {
            let mut total = 0_u32;
            for (at, len) in memory.buffers(buffers, count)? {
                output.take(memory.part(at, len)?)?;
                total = total.saturating_add(len);
            }
            return memory.put_u32(told, total);
        }
        let file = self.writable(fd)?;
        let at = (!file.append).then_some(file.offset);
        let written = self.write_at(&memory, file, at, (buffers, count))?;
        let offset = match at {
            Some(offset) => offset.saturating_add(u64::from(written)),
            None => self.size(file)?,
        };
        self.file(fd)?.offset = offset;
        memory.put_u32(told, written)
    }

    pub(super) fn fd_prestat_get(&mut self, mut memory: Memory<'_>, fd: u32, at: u32) -> Answer {
        match self.descriptor(fd)? {
            Descriptor::Folder { path, .. } if path.is_empty() => {
                memory.put_u32(at, 0)?;
                memory.put_u32(behind(at, 4)?, ROOT_NAME.len() as u32)
            }
            _ => Err(Fault::Number(number::BAD_DESCRIPTOR)),
        }
    }

    pub(super) fn fd_prestat_dir_name(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        at: u32,
        len: u32,
    ) -> Answer {
        match self.descriptor(fd)? {
            Descriptor::Folder { path, .. } if path.is_empty() => {}
            _ => return Err(Fault::Number(number::BAD_DESCRIPTOR)),
        }
        if (len as usize) < ROOT_NAME.len() {
            return Err(Failure::from(Errno::NameTooLong).into());
        }
        memory.put(at, ROOT_NAME.as_bytes())
    }

    pub(super) fn fd_readdir(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        buffer: u32,
        len: u32,
        cookie: u64,
        used: u32,
    ) -> Answer {
        let folder = self.folder(fd)?;
        let Descriptor::Folder { listing, .. } = self.descriptor(fd)? else {
            return Err(Fault::Number(number::NOT_DIRECTORY));
        };
        // From the beginning it is another listing, and the old one is given back first.
        let kept = listing.take().filter(|_| cookie > 0);
        let listing = match kept {
            Some(listing) => listing,
            None => {
                let entries = self.files.list(&folder)?;
                let bytes = self.files.hold_listing(&entries)?;
                Listing { entries, bytes }
            }
        };
        let dots = [".", ".."].map(|name| (name, FileKind::Directory));
        let own = listing
            .entries
            .iter()
            .map(|(name, kind)| (name.as_str(), *kind));
        let from = usize::try_from(cookie).unwrap_or(usize::MAX);
        let target = memory.part_mut(buffer, len)?;
        let mut filled = 0;
        for (at, (name, kind)) in dots.into_iter().chain(own).enumerate().skip(from) {
            let mut entry = [0; DIRENT];
            entry[..8].copy_from_slice(&(at as u64 + 1).to_le_bytes());
            let identity = match folder.as_str() {
                "" => name.to_owned(),
                folder => format!("{folder}/{name}"),
            };
            entry[8..16].copy_from_slice(&metadata_hash(&identity)[0].to_le_bytes());
            entry[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
            entry[20] = file_type(kind);
            // The last one may be cut: a full buffer says that there is more.
            for part in [&entry[..], name.as_bytes()] {
                let room = (target.len() - filled).min(part.len());
                target[filled..filled + room].copy_from_slice(&part[..room]);
                filled += room;
            }
            if filled == target.len() {
                break;
            }
        }
        if let Descriptor::Folder { listing: slot, .. } = self.descriptor(fd)? {
            *slot = Some(listing);
        }
        memory.put_u32(used, u32::try_from(filled).unwrap_or(u32::MAX))
    }

    pub(super) fn fd_renumber(&mut self, _: Memory<'_>, from: u32, to: u32) -> Answer {
        self.descriptor(to)?;
        self.descriptor(from)?;
        if from == to {
            return Ok(());
        }
        let moved = self.descriptors.remove(&from);
        let replaced = moved.and_then(|moved| self.descriptors.insert(to, moved));
        replaced.map_or(Ok(()), |replaced| self.release(replaced))
    }

    pub(super) fn fd_seek(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        delta: i64,
        whence: u32,
        told: u32,
    ) -> Answer {
        let file = *self.file(fd)?;
        let base = match whence {
            0 => 0,
            1 => file.offset,
            2 => self.size(file)?,
            _ => return Err(Fault::Number(number::INVALID)),
        };
        let offset = base
            .checked_add_signed(delta)
            .ok_or(Fault::Number(number::INVALID))?;
        self.file(fd)?.offset = offset;
        memory.put_u64(told, offset)
    }

    pub(super) fn fd_tell(&mut self, mut memory: Memory<'_>, fd: u32, told: u32) -> Answer {
        let offset = self.file(fd)?.offset;
        memory.put_u64(told, offset)
    }

    pub(super) fn path_create_directory(
        &mut self,
        memory: Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Ok(self.files.make_folder(&base, &path)?)
    }

    pub(super) fn path_filestat_get(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        follow: u32,
        path: u32,
        len: u32,
        at: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        let follow = follow & 1 != 0;
        let stat = self.files.stat_at(&base, &path, follow)?;
        let identity = self.files.identity_at(&base, &path, follow)?;
        put_filestat(&mut memory, at, &identity, stat)
    }

    pub(super) fn path_filestat_set_times(
        &mut self,
        memory: Memory<'_>,
        fd: u32,
        follow: u32,
        path: u32,
        len: u32,
        _: u64,
        _: u64,
        _: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Ok(self.files.touch_at(&base, &path, follow & 1 != 0)?)
    }

    pub(super) fn path_link(
        &mut self,
        memory: Memory<'_>,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Err(self.files.refuse_link(&base, &path).into())
    }

    pub(super) fn path_symlink(
        &mut self,
        memory: Memory<'_>,
        _: u32,
        _: u32,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Err(self.files.refuse_link(&base, &path).into())
    }

    pub(super) fn path_open(
        &mut self,
        mut memory: Memory<'_>,
        fd: u32,
        follow: u32,
        path: u32,
        len: u32,
        how: u32,
        rights: u64,
        _inheriting: u64,
        flags: u32,
        told: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        memory.part(told, 4)?;
        let write = rights & right::WRITE != 0;
        let options = OpenOptions {
            follow: follow & 1 != 0,
            create: how & 1 != 0,
            directory: how & 2 != 0,
            exclusive: how & 4 != 0,
            truncate: how & 8 != 0,
            write,
        };
        let opened = match self.files.open_at(&base, &path, options)? {
            Opened::Folder(path) => Descriptor::Folder {
                path,
                listing: None,
            },
            Opened::File(number) => Descriptor::File(OpenFile {
                number,
                offset: 0,
                append: flags & APPEND != 0,
                read: rights & right::READ != 0 || !write,
                write,
            }),
        };
        let fd = self.insert(opened);
        memory.put_u32(told, fd)
    }

    pub(super) fn path_readlink(
        &mut self,
        memory: Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
        _: u32,
        _: u32,
        _: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Err(self.files.read_link(&base, &path).into())
    }

    pub(super) fn path_remove_directory(
        &mut self,
        memory: Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Ok(self.files.remove_folder(&base, &path)?)
    }

    pub(super) fn path_rename(
        &mut self,
        memory: Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
        to_fd: u32,
        to_path: u32,
        to_len: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        let (to_base, to_path) = self.place(&memory, to_fd, to_path, to_len)?;
        Ok(self.files.rename((&base, &path), (&to_base, &to_path))?)
    }

    pub(super) fn path_unlink_file(
        &mut self,
        memory: Memory<'_>,
        fd: u32,
        path: u32,
        len: u32,
    ) -> Answer {
        let (base, path) = self.place(&memory, fd, path, len)?;
        Ok(self.files.remove_file(&base, &path)?)
    }
}
