//! The cache of compiled components. Compiled code is run as it is, so a file is loaded only when
//! its MAC proves that we wrote it: a key in the same owner-only folder, outside of any workspace.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// Size of the whole folder after a write, in bytes.
const MAX_TOTAL: u64 = 256 << 20;
/// Largest file that is read back.
const MAX_ENTRY: u64 = 256 << 20;
const MAC_LEN: usize = 32;
const SUFFIX: &str = "aot";

/// Compiled code.
pub(crate) enum Code {
    Component(Component),
    Module(Module),
}

/// A folder of compiled components.
pub(crate) struct Cache {
    folder: PathBuf,
    /// `None` when the folder cannot be trusted: then nothing is cached.
    key: OnceLock<Option<[u8; 32]>>,
}

/// The folder for compiled components: `BOXAGNTS_CACHE_DIR`, else below the platform's cache
/// folder. `None` when the environment names no home.
pub fn default_cache_dir() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(own) = std::env::var_os("BOXAGNTS_CACHE_DIR").filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(own).join("aot"));
    }
    #[cfg(windows)]
    let cache = folder("LOCALAPPDATA");
    #[cfg(target_os = "macos")]
    let cache = folder("HOME").map(|home| home.join("Library/Caches"));
    #[cfg(not(any(windows, target_os = "macos")))]
    let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    Some(cache?.join("boxagnts").join("aot"))
}

impl Cache {
    pub(crate) fn new(folder: PathBuf) -> Cache {
        Cache {
            folder,
            key: OnceLock::new(),
        }
    }

    /// The compiled code, when a file for it is there and proves itself. `is_module` is of the bytes
    /// that it was made from.
    pub(crate) fn load(&self, engine: &Engine, wasm: &[u8], is_module: bool) -> Option<Code> {
        let key = self.key()?;
        let name = entry_name(engine, wasm, is_module);
        let path = self.folder.join(&name);
        let bytes = read(&path, MAX_ENTRY).ok()?;
        let code = bytes.split_at_checked(MAC_LEN).and_then(|(mac, code)| {
            let expected = tag(&key, &name, code);
            let given: [u8; MAC_LEN] = mac.try_into().ok()?;
            // Comparing `blake3::Hash` takes the same time wherever they differ.
            (expected == blake3::Hash::from_bytes(given)).then_some(code)
        });
        let code = code.and_then(|code| deserialize(engine, code, is_module));
        if code.is_none() {
            tracing::warn!(file = %path.display(), "a cached component failed its check and is compiled again");
            let _ = fs::remove_file(&path);
        }
        code
    }

    /// Keeps compiled code. Failing costs only time later.
    pub(crate) fn store(&self, engine: &Engine, wasm: &[u8], code: &Code) {
        let Some(key) = self.key() else { return };
        let write = || -> Result<(), Box<dyn std::error::Error>> {
            let (code, is_module) = match code {
                Code::Component(component) => (component.serialize(), false),
                Code::Module(module) => (module.serialize(), true),
            };
            let code = code.map_err(|error| error.to_string())?;
            let name = entry_name(engine, wasm, is_module);
            let mut bytes = tag(&key, &name, &code).as_bytes().to_vec();
            bytes.extend_from_slice(&code);
            write_private(&self.folder, &name, &bytes)?;
            prune(&self.folder, &name)?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::warn!(folder = %self.folder.display(), %error, "cannot cache a compiled component");
        }
    }

    fn key(&self) -> Option<[u8; 32]> {
        *self.key.get_or_init(|| match self.open() {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "compiled components are not cached");
                None
            }
        })
    }

    fn open(&self) -> io::Result<[u8; 32]> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)?;
        check_private(&self.folder)?;
        let path = self.folder.join("key");
        if !path.exists() {
            let mut key = [0u8; 32];
            getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
            // Two processes may be here at once: the link makes one of them the first.
            let own = format!("key-{}-{}", std::process::id(), blake3::hash(&key).to_hex());
            write_private(&self.folder, &own, &key)?;
            let linked = fs::hard_link(self.folder.join(&own), &path);
            let _ = fs::remove_file(self.folder.join(&own));
            match linked {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        let key = read(&path, 32)?;
        key.try_into()
            .map_err(|_| io::Error::other("the key file is damaged; remove it"))
    }
}

/// Compiled code is only good for the very same engine settings, wasmtime, and component or
/// module.
fn entry_name(engine: &Engine, wasm: &[u8], is_module: bool) -> String {
    struct Fingerprint(blake3::Hasher);
    impl Hasher for Fingerprint {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut fingerprint = Fingerprint(blake3::Hasher::new());
    engine
        .precompile_compatibility_hash()
        .hash(&mut fingerprint);
    fingerprint.0.update(blake3::hash(wasm).as_bytes());
    fingerprint.0.update(&[u8::from(is_module)]);
    format!("{}.{SUFFIX}", fingerprint.0.finalize().to_hex())
}

fn tag(key: &[u8; 32], name: &str, code: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(name.as_bytes()).update(&[0]).update(code);
    hasher.finalize()
}

#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &[u8], is_module: bool) -> Option<Code> {
    // SAFETY: the MAC over these very bytes proves that this program wrote them, for this
    // component or module and these engine settings, with a key that only its owner can read.
    let read = unsafe {
        match is_module {
            true => Module::deserialize(engine, code).map(Code::Module),
            false => Component::deserialize(engine, code).map(Code::Component),
        }
    };
    match read {
        Ok(code) => Some(code),
        Err(error) => {
            tracing::warn!(%error, "a cached component cannot be used");
            None
        }
    }
}

/// Reads a regular file, through no link.
fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits() as i32);
    }
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > max {
        return Err(io::Error::other("not a file of ours"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Others must neither read the key nor plant files.
fn check_private(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::other("not a folder"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("the folder belongs to somebody else"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(io::Error::other(
                "the folder is open to others; it must have mode 0700",
            ));
        }
    }
    Ok(())
}

/// Readers see the whole file or none.
fn write_private(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.{}.tmp", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32);
    }
    let mut file: File = options.open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| fs::rename(&temporary, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Removes the files that were written first, until the rest fits.
fn prune(folder: &Path, keep: &str) -> io::Result<()> {
    let mut entries: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(folder)?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let path = entry.path();
            let ours = path
                .extension()
                .is_some_and(|extension| extension == SUFFIX);
            let metadata = entry
                .metadata()
                .ok()
                .filter(|_| ours && entry.file_name() != keep)?;
            Some((metadata.modified().ok()?, metadata.len(), path))
        })
        .collect();
    entries.sort();
    let mut total: u64 = entries.iter().map(|(_, len, _)| len).sum();
    for (_, len, path) in entries {
        if total <= MAX_TOTAL {
            break;
        }
        fs::remove_file(path)?;
        total -= len;
    }
    Ok(())
}
