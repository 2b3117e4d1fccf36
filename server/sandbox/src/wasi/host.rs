//! The host's side of `wasi:filesystem`, served by [`Files`](super::files::Files).

use super::files::{Errno, Failure, OpenOptions, Opened, Stat, metadata_hash};
use super::streams::{FileStream, Refused, lock};
use crate::command::CommandHost;
use crate::files::FileKind;
use crate::meter::Metered;
use bindings::wasi::filesystem::preopens;
use bindings::wasi::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, MetadataHashValue,
    NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

#[allow(missing_docs)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "boxagnts:wasi/files",
        imports: { default: trappable },
        trappable_error_type: {
            "wasi:filesystem/types.error-code" => crate::wasi::files::Failure,
        },
        with: {
            "wasi:io/error": wasmtime_wasi_io::bindings::wasi::io::error,
            "wasi:io/poll": wasmtime_wasi_io::bindings::wasi::io::poll,
            "wasi:io/streams": wasmtime_wasi_io::bindings::wasi::io::streams,
            "wasi:clocks/wall-clock": wasmtime_wasi::p2::bindings::clocks::wall_clock,
            "wasi:filesystem/types.descriptor": crate::wasi::host::Descriptor,
            "wasi:filesystem/types.directory-entry-stream": crate::wasi::host::Listing,
        },
        require_store_data_send: true,
    });
}

/// Where a command finds the workspace.
const ROOT: &str = "/";

/// An open file or folder.
#[derive(Debug, Clone)]
pub struct Descriptor {
    opened: Opened,
    read: bool,
    write: bool,
}

/// A folder's entries that were not yet told.
#[derive(Debug)]
pub struct Listing {
    entries: std::vec::IntoIter<(String, FileKind)>,
    /// Bytes of the host's that it is counted with.
    bytes: u64,
}

/// Puts our files in the place of the host's.
pub(crate) fn link(linker: &mut Linker<CommandHost>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    types::add_to_linker::<CommandHost, HasSelf<CommandHost>>(linker, |host| host)?;
    preopens::add_to_linker::<CommandHost, HasSelf<CommandHost>>(linker, |host| host)?;
    linker.allow_shadowing(false);
    Ok(())
}

type Outcome<T> = Result<T, Failure>;

impl CommandHost {
    fn descriptor(&self, descriptor: &Resource<Descriptor>) -> Outcome<Descriptor> {
        let found = self.table.get(descriptor);
        found.cloned().map_err(|_| Errno::BadDescriptor.into())
    }

    fn file(&self, descriptor: &Resource<Descriptor>) -> Outcome<(u64, Descriptor)> {
        let found = self.descriptor(descriptor)?;
        match found.opened {
            Opened::File(number) => Ok((number, found)),
            Opened::Folder(_) => Err(Errno::IsDirectory.into()),
        }
    }

    fn readable(&self, descriptor: &Resource<Descriptor>) -> Outcome<u64> {
        match self.file(descriptor)? {
            (number, Descriptor { read: true, .. }) => Ok(number),
            _ => Err(Errno::BadDescriptor.into()),
        }
    }

    fn writable(&self, descriptor: &Resource<Descriptor>) -> Outcome<u64> {
        match self.file(descriptor)? {
            (number, Descriptor { write: true, .. }) => Ok(number),
            _ => Err(Errno::BadDescriptor.into()),
        }
    }

    fn folder(&self, descriptor: &Resource<Descriptor>) -> Outcome<String> {
        match self.descriptor(descriptor)?.opened {
            Opened::Folder(path) => Ok(path),
            Opened::File(_) => Err(Errno::NotDirectory.into()),
        }
    }

    /// Asked by every operation: a guest that only makes cheap host calls is stopped, too.
    fn check_time(&mut self) -> Outcome<()> {
        Ok(self.meter().check_time()?)
    }

    fn push<T: Send + 'static>(&mut self, value: T) -> Outcome<Resource<T>> {
        // A full table is the guest's doing.
        let pushed = self.table.push(value);
        pushed.map_err(|_| Failure::Refused(Errno::InsufficientMemory))
    }
}

impl preopens::Host for CommandHost {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        if !self.sees_files {
            return Ok(Vec::new());
        }
        let root = Descriptor {
            opened: Opened::Folder(String::new()),
            read: true,
            write: false,
        };
        match lock(&self.files).open_folder() {
            Ok(()) => {}
            Err(Failure::Stopped(stop)) => return Err(stop.into()),
            Err(Failure::Refused(_)) => return Ok(Vec::new()),
        }
        let root = self.table.push(root)?;
        Ok(vec![(root, ROOT.to_owned())])
    }
}

impl types::Host for CommandHost {
    fn convert_error_code(&mut self, failure: Failure) -> wasmtime::Result<ErrorCode> {
        match failure {
            Failure::Refused(errno) => Ok(code(errno)),
            Failure::Stopped(stop) => Err(stop.into()),
        }
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table.get(&error)?;
        let refused = error.downcast_ref::<Refused>();
        Ok(refused.map(|Refused(errno)| code(*errno)))
    }
}

impl types::HostDescriptor for CommandHost {
    fn read_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        offset: u64,
    ) -> Outcome<Resource<DynInputStream>> {
        let number = self.readable(&file)?;
        let stream: DynInputStream = Box::new(FileStream::new(&self.files, number, Some(offset))?);
        self.push(stream)
    }

    fn write_via_stream(
        &mut self,
        file: Resource<Descriptor>,
        offset: u64,
    ) -> Outcome<Resource<DynOutputStream>> {
        let number = self.writable(&file)?;
        let stream: DynOutputStream = Box::new(FileStream::new(&self.files, number, Some(offset))?);
        self.push(stream)
    }

    fn append_via_stream(
        &mut self,
        file: Resource<Descriptor>,
    ) -> Outcome<Resource<DynOutputStream>> {
        let number = self.writable(&file)?;
        let stream: DynOutputStream = Box::new(FileStream::new(&self.files, number, None)?);
        self.push(stream)
    }

    fn advise(&mut self, file: Resource<Descriptor>, _: u64, _: u64, _: Advice) -> Outcome<()> {
        self.file(&file).map(|_| ())
    }

    fn sync_data(&mut self, file: Resource<Descriptor>) -> Outcome<()> {
        self.sync(file)
    }

    fn get_flags(&mut self, file: Resource<Descriptor>) -> Outcome<DescriptorFlags> {
        let Descriptor {
            opened,
            read,
            write,
        } = self.descriptor(&file)?;
        let changes = matches!(opened, Opened::Folder(_)) && self.changes_files;
        let flags = [
            (read, DescriptorFlags::READ),
            (write, DescriptorFlags::WRITE),
            (changes, DescriptorFlags::MUTATE_DIRECTORY),
        ];
        let set = flags.into_iter().filter(|(set, _)| *set);
        Ok(set.fold(DescriptorFlags::empty(), |all, (_, flag)| all | flag))
    }

    fn get_type(&mut self, file: Resource<Descriptor>) -> Outcome<DescriptorType> {
        Ok(match self.descriptor(&file)?.opened {
            Opened::File(_) => DescriptorType::RegularFile,
            Opened::Folder(_) => DescriptorType::Directory,
        })
    }

    fn set_size(&mut self, file: Resource<Descriptor>, size: u64) -> Outcome<()> {
        let number = self.writable(&file)?;
        lock(&self.files).set_size(number, size)
    }

    fn set_times(
        &mut self,
        file: Resource<Descriptor>,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Outcome<()> {
        // Times are not kept: there is nothing to set, and nothing that could be read back.
        match self.descriptor(&file)? {
            Descriptor { write: true, .. } => Ok(()),
            _ if self.changes_files => Ok(()),
            _ => Err(Errno::ReadOnly.into()),
        }
    }

    fn read(
        &mut self,
        file: Resource<Descriptor>,
        len: u64,
        offset: u64,
    ) -> Outcome<(Vec<u8>, bool)> {
        self.check_time()?;
        let number = self.readable(&file)?;
        let bytes = lock(&self.files).read(number, offset, len)?;
        let end = bytes.is_empty() && len > 0;
        Ok((bytes, end))
    }

    fn write(&mut self, file: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) -> Outcome<u64> {
        self.check_time()?;
        let number = self.writable(&file)?;
        lock(&self.files).write(number, Some(offset), &bytes)?;
        Ok(bytes.len() as u64)
    }

    fn read_directory(&mut self, folder: Resource<Descriptor>) -> Outcome<Resource<Listing>> {
        self.check_time()?;
        let path = self.folder(&folder)?;
        let listing = {
            let mut files = lock(&self.files);
            let entries = files.list(&path)?;
            files.open_folder()?;
            let bytes = files.hold_listing(&entries)?;
            Listing {
                entries: entries.into_iter(),
                bytes,
            }
        };
        self.push(listing)
    }

    fn sync(&mut self, file: Resource<Descriptor>) -> Outcome<()> {
        self.check_time()?;
        match self.descriptor(&file)?.opened {
            Opened::File(number) => lock(&self.files).flush(number),
            Opened::Folder(_) => Ok(()),
        }
    }

    fn create_directory_at(&mut self, at: Resource<Descriptor>, path: String) -> Outcome<()> {
        self.check_time()?;
        let base = self.folder(&at)?;
        lock(&self.files).make_folder(&base, &path)
    }

    fn stat(&mut self, file: Resource<Descriptor>) -> Outcome<DescriptorStat> {
        self.check_time()?;
        let found = match self.descriptor(&file)?.opened {
            Opened::File(number) => lock(&self.files).stat(number)?,
            Opened::Folder(_) => Stat {
                kind: FileKind::Directory,
                size: 0,
            },
        };
        Ok(stat(found))
    }

    fn stat_at(
        &mut self,
        at: Resource<Descriptor>,
        how: PathFlags,
        path: String,
    ) -> Outcome<DescriptorStat> {
        self.check_time()?;
        let base = self.folder(&at)?;
        let found = lock(&self.files).stat_at(&base, &path, follows(how))?;
        Ok(stat(found))
    }

    fn set_times_at(
        &mut self,
        at: Resource<Descriptor>,
        how: PathFlags,
        path: String,
        _: NewTimestamp,
        _: NewTimestamp,
    ) -> Outcome<()> {
        self.check_time()?;
        let base = self.folder(&at)?;
        lock(&self.files).touch_at(&base, &path, follows(how))
    }

    fn link_at(
        &mut self,
        _at: Resource<Descriptor>,
        _how: PathFlags,
        _from: String,
        to_at: Resource<Descriptor>,
        to: String,
    ) -> Outcome<()> {
        self.check_time()?;
        let base = self.folder(&to_at)?;
        Err(lock(&self.files).refuse_link(&base, &to))
    }

    fn open_at(
        &mut self,
        at: Resource<Descriptor>,
        how: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Outcome<Resource<Descriptor>> {
        self.check_time()?;
        let base = self.folder(&at)?;
        let write = flags.contains(DescriptorFlags::WRITE);
        let options = OpenOptions {
            follow: follows(how),
            create: open.contains(OpenFlags::CREATE),
            directory: open.contains(OpenFlags::DIRECTORY),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
            write,
        };
        let opened = lock(&self.files).open_at(&base, &path, options)?;
        let descriptor = Descriptor {
            opened,
            read: flags.contains(DescriptorFlags::READ) || !write,
            write,
        };
        self.push(descriptor)
    }

    fn readlink_at(&mut self, at: Resource<Descriptor>, path: String) -> Outcome<String> {
        self.check_time()?;
        let base = self.folder(&at)?;
        Err(lock(&self.files).read_link(&base, &path))
    }

    fn remove_directory_at(&mut self, at: Resource<Descriptor>, path: String) -> Outcome<()> {
        self.check_time()?;
        let base = self.folder(&at)?;
        lock(&self.files).remove_folder(&base, &path)
    }

    fn rename_at(
        &mut self,
        at: Resource<Descriptor>,
        from: String,
        to_at: Resource<Descriptor>,
        to: String,
    ) -> Outcome<()> {
        self.check_time()?;
        let (base, to_base) = (self.folder(&at)?, self.folder(&to_at)?);
        lock(&self.files).rename((&base, &from), (&to_base, &to))
    }

    fn symlink_at(&mut self, at: Resource<Descriptor>, _: String, path: String) -> Outcome<()> {
        self.check_time()?;
        let base = self.folder(&at)?;
        Err(lock(&self.files).refuse_link(&base, &path))
    }

    fn unlink_file_at(&mut self, at: Resource<Descriptor>, path: String) -> Outcome<()> {
        self.check_time()?;
        let base = self.folder(&at)?;
        lock(&self.files).remove_file(&base, &path)
    }

    fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        Ok(self.table.get(&one)?.opened == self.table.get(&other)?.opened)
    }

    fn metadata_hash(&mut self, file: Resource<Descriptor>) -> Outcome<MetadataHashValue> {
        Ok(match self.descriptor(&file)?.opened {
            Opened::File(number) => hash(&lock(&self.files).identity(number)),
            Opened::Folder(path) => hash(&path),
        })
    }

    fn metadata_hash_at(
        &mut self,
        at: Resource<Descriptor>,
        how: PathFlags,
        path: String,
    ) -> Outcome<MetadataHashValue> {
        self.check_time()?;
        let base = self.folder(&at)?;
        let identity = lock(&self.files).identity_at(&base, &path, follows(how))?;
        Ok(hash(&identity))
    }

    fn drop(&mut self, file: Resource<Descriptor>) -> wasmtime::Result<()> {
        let Descriptor { opened, .. } = self.table.delete(file)?;
        let mut files = lock(&self.files);
        match opened {
            Opened::Folder(_) => files.close_folder(),
            Opened::File(number) => match files.close(number) {
                Err(Failure::Stopped(stop)) => return Err(stop.into()),
                // Told when the call ends; the guest can no longer react to it.
                Ok(()) | Err(Failure::Refused(_)) => {}
            },
        }
        Ok(())
    }
}

impl types::HostDirectoryEntryStream for CommandHost {
    fn read_directory_entry(
        &mut self,
        listing: Resource<Listing>,
    ) -> Outcome<Option<types::DirectoryEntry>> {
        let listing = self.table.get_mut(&listing);
        let listing = listing.map_err(|_| Failure::Refused(Errno::BadDescriptor))?;
        Ok(listing
            .entries
            .next()
            .map(|(name, kind)| types::DirectoryEntry {
                type_: descriptor_type(kind),
                name,
            }))
    }

    fn drop(&mut self, listing: Resource<Listing>) -> wasmtime::Result<()> {
        let Listing { bytes, .. } = self.table.delete(listing)?;
        let mut files = lock(&self.files);
        files.close_folder();
        files.release_listing(bytes);
        Ok(())
    }
}

fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

fn descriptor_type(kind: FileKind) -> DescriptorType {
    match kind {
        FileKind::File => DescriptorType::RegularFile,
        FileKind::Directory => DescriptorType::Directory,
        FileKind::Symlink => DescriptorType::SymbolicLink,
        FileKind::Other => DescriptorType::Unknown,
    }
}

fn stat(found: Stat) -> DescriptorStat {
    DescriptorStat {
        type_: descriptor_type(found.kind),
        link_count: 1,
        size: found.size,
        // The overlay has contents, and no history of them.
        data_access_timestamp: None,
        data_modification_timestamp: None,
        status_change_timestamp: None,
    }
}

fn hash(identity: &str) -> MetadataHashValue {
    let [lower, upper] = metadata_hash(identity);
    MetadataHashValue { lower, upper }
}

fn code(errno: Errno) -> ErrorCode {
    match errno {
        Errno::Access => ErrorCode::Access,
        Errno::BadDescriptor => ErrorCode::BadDescriptor,
        Errno::Exist => ErrorCode::Exist,
        Errno::FileTooLarge => ErrorCode::FileTooLarge,
        Errno::InsufficientMemory => ErrorCode::InsufficientMemory,
        Errno::Invalid => ErrorCode::Invalid,
        Errno::Io => ErrorCode::Io,
        Errno::IsDirectory => ErrorCode::IsDirectory,
        Errno::Loop => ErrorCode::Loop,
        Errno::NameTooLong => ErrorCode::NameTooLong,
        Errno::NoEntry => ErrorCode::NoEntry,
        Errno::NotDirectory => ErrorCode::NotDirectory,
        Errno::NotEmpty => ErrorCode::NotEmpty,
        Errno::NotPermitted => ErrorCode::NotPermitted,
        Errno::ReadOnly => ErrorCode::ReadOnly,
        Errno::Unsupported => ErrorCode::Unsupported,
    }
}
