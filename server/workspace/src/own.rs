//! Where BoxAgnts keeps its own things: configuration, journal with approvals, compiled tools with the
//! key that vouches for them. No workspace has them in it, whatever folder it is.

use std::path::PathBuf;

/// Variables that name a folder or file of ours.
const OURS: [&str; 3] = [
    "BOXAGNTS_CONFIG",
    "BOXAGNTS_STATE_DIR",
    "BOXAGNTS_CACHE_DIR",
];
/// Variables that name folders with ours in them, and where they are below the home folder without.
const SHARED: [(&str, &str); 8] = [
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_STATE_HOME", ".local/state"),
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_DATA_HOME", ".local/share"),
    ("APPDATA", "AppData/Roaming"),
    ("LOCALAPPDATA", "AppData/Local"),
    ("", "Library/Application Support"),
    ("", "Library/Caches"),
];

/// Real paths of those that there are.
pub(crate) fn places() -> Vec<PathBuf> {
    let set = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let ours = OURS.into_iter().filter_map(set);
    let home = std::env::home_dir();
    let shared = SHARED.into_iter().flat_map(|(name, below)| {
        let at_home = home.as_ref().map(|home| home.join(below));
        [
            Some(name).filter(|name| !name.is_empty()).and_then(set),
            at_home,
        ]
    });
    let shared = shared.flatten().map(|folder| folder.join("boxagnts"));
    let real = ours
        .chain(shared)
        .filter_map(|path| path.canonicalize().ok());
    real.collect()
}
