//! Files that guide the model: those of the workspace through the path policy of tools, the user's own
//! from the folder of their configuration.

use super::text;
use boxagnts_policy::config::Config;
use boxagnts_policy::permission::{Decision, Level, Question, decide};
use boxagnts_protocol::update::Shown;
use boxagnts_workspace::{Call, FsErrorCode, Kind, Overlay};
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// Bytes of one file that the model is shown.
pub(super) const MAX_SHOWN: usize = 32 * 1024;
/// Larger files are not even read.
const MAX_READ: u64 = 1 << 20;

/// A file for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// How it is called.
    pub(super) name: String,
    /// What is shown of it, without characters that nobody sees.
    pub(super) text: String,
    /// Whether there is more.
    pub(super) cut: bool,
}

impl Document {
    /// `None` for what is blank.
    fn new(name: &str, raw: &str) -> Option<Document> {
        let raw = raw.strip_prefix('\u{feff}').unwrap_or(raw);
        let shown = text::visible(text::cut(raw, MAX_SHOWN));
        (!shown.trim().is_empty()).then(|| Document {
            name: name.to_owned(),
            cut: raw.len() > MAX_SHOWN,
            text: shown.into_owned(),
        })
    }

    /// For the journal.
    pub(super) fn shown(&self) -> Shown {
        Shown {
            what: self.name.clone(),
            bytes: self.text.len() as u64,
            sha256: text::sha256(&self.text),
        }
    }

    /// The end of a label.
    pub(super) fn note(&self) -> &'static str {
        if self.cut { ", cut: it is longer" } else { "" }
    }
}

/// Where guiding files are.
pub(super) struct Files<'a> {
    config: &'a Config,
    /// The workspace as the user has it, without what is proposed: a model does not write its own
    /// instructions. `None` when what the workspace says is switched off.
    workspace: Option<Call>,
    /// The folder of the user's configuration.
    user: Option<&'a Path>,
}

impl<'a> Files<'a> {
    pub(super) fn new(overlay: &Overlay, config: &'a Config, user: Option<&'a Path>) -> Files<'a> {
        let project = config.project_instructions();
        Files {
            config,
            workspace: project.then(|| overlay.another().begin("context")),
            user,
        }
    }

    /// A file of the workspace; `None` when it is not there, or blank.
    ///
    /// # Errors
    /// It may not be read, or is no text; in words.
    pub(super) fn project(&mut self, path: &str) -> Result<Option<Document>, String> {
        let Some(call) = &mut self.workspace else {
            return Ok(None);
        };
        if let Some(reason) = denied(self.config, "read", path) {
            return Err(reason);
        }
        match call.read(path, MAX_READ) {
            Ok(bytes) => Ok(Document::new(path, &text_of(path, bytes)?)),
            Err(error) if error.code == FsErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.message),
        }
    }

    /// Names of the files or folders in a folder of the workspace, sorted.
    pub(super) fn project_names(&mut self, folder: &str, kind: Kind) -> Vec<String> {
        let Some(call) = &mut self.workspace else {
            return Vec::new();
        };
        let entries = call.list(folder).unwrap_or_default().into_iter();
        let fitting = entries.filter(|(entry, _)| entry.kind == kind);
        fitting.map(|(entry, _)| entry.name).collect()
    }

    /// A file of the user's own.
    ///
    /// # Errors
    /// As [`Files::project`].
    pub(super) fn user(&self, path: &str) -> Result<Option<Document>, String> {
        let Some(folder) = &self.user else {
            return Ok(None);
        };
        let whole = folder.join(path);
        let shown = whole.display().to_string();
        let failed = |error: std::io::Error| format!("{shown}: {error}");
        // Links are followed: many people link what they configure.
        let metadata = match std::fs::metadata(&whole) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?,
        };
        if !metadata.is_file() {
            return Err(format!("{shown} is no regular file"));
        }
        if metadata.len() > MAX_READ {
            return Err(format!("{shown} has more than {MAX_READ} bytes"));
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&whole).map_err(failed)?;
        file.take(MAX_READ)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        // Where a home folder is, is nobody's business.
        let name = format!("{path} (user)");
        Ok(Document::new(&name, &text_of(&shown, bytes)?))
    }

    /// Names of the files or folders in a folder of the user's, sorted.
    pub(super) fn user_names(&self, folder: &str, kind: Kind) -> Vec<String> {
        let entries = self.user.as_ref().map(|user| user.join(folder).read_dir());
        let Some(Ok(entries)) = entries else {
            return Vec::new();
        };
        let fits = |path: &Path| match kind {
            Kind::Directory => path.is_dir(),
            _ => path.is_file(),
        };
        let fitting = entries.flatten().filter(|entry| fits(&entry.path()));
        let mut names: Vec<String> = fitting
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

fn text_of(name: &str, bytes: Vec<u8>) -> Result<String, String> {
    match String::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(format!("`{name}` is no text")),
    }
}

/// Why a rule of the user keeps a path from the model, whoever wants to show it.
pub(super) fn denied(config: &Config, tool: &str, path: &str) -> Option<String> {
    let input = json!({"path": path});
    let decision = decide(Question {
        tool,
        level: Level::Read,
        mode: config.mode(),
        input: &input,
        rules: config.rules(),
    });
    match decision {
        Decision::Deny { reason } => Some(reason),
        // What is asked about is what the model wants; this the user wants.
        Decision::Allow { .. } | Decision::Ask { .. } => None,
    }
}

/// A folder as a workspace.
#[cfg(test)]
pub(super) fn overlay_of(folder: &Path) -> std::sync::Arc<Overlay> {
    use boxagnts_policy::mounts::Mounts;
    let buffers = std::sync::Arc::new(boxagnts_workspace::NoBuffers);
    Overlay::open(folder, &Mounts::none(), buffers).unwrap()
}

#[cfg(test)]
pub(super) fn put(folder: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}
