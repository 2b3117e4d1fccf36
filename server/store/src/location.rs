//! Where the journal lives.

use std::path::PathBuf;

/// The journal's file: below `BOXAGNTS_STATE_DIR`, else below the platform's folder for state.
/// `None` when the environment names no home.
pub fn default_path() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    // Taken as given, relative or not: it is the user's explicit word.
    if let Some(own) = std::env::var_os("BOXAGNTS_STATE_DIR").filter(|value| !value.is_empty()) {
        return Some(PathBuf::from(own).join("journal.db"));
    }
    #[cfg(windows)]
    let state = folder("LOCALAPPDATA");
    #[cfg(target_os = "macos")]
    let state = folder("HOME").map(|home| home.join("Library/Application Support"));
    #[cfg(not(any(windows, target_os = "macos")))]
    let state =
        folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    Some(state?.join("boxagnts").join("journal.db"))
}
