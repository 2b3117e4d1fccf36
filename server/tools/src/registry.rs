//! Tools of a workspace and of its user. Files may be put into their folders by anyone, a
//! repository's author among them; a tool is usable only as the user approved it, byte for byte.

mod adding;

use crate::approvals::{Approvals, Approved};
use crate::describe::tool_name;
use crate::files::{Stamp, ToolFiles};
use crate::input::InputSchema;
use crate::toolbox::{Registered, Source, ToolsError};
use boxagnts_protocol::tool::ToolSpec;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use adding::{RegistryError, Removed};

/// Names of tools that are to come with the program: rules that are meant for them must not meet
/// somebody's own.
const RESERVED: [&str; 12] = [
    "apply_patch",
    "bash",
    "diagnostics",
    "git",
    "outline",
    "plan",
    "run_command",
    "script",
    "shell",
    "spawn_executor",
    "task",
    "web_search",
];

/// Where a workspace keeps its tools.
const WORKSPACE_FOLDER: [&str; 2] = [".boxagnts", "tools"];
/// Most tools of one folder.
const MAX_TOOLS: usize = 100;
/// Entries of a folder that are looked at when it is listed.
const MAX_ENTRIES: usize = 10_000;

/// The folders that tools are taken from.
#[derive(Debug, Clone, Default)]
pub struct ToolFolders {
    /// The workspace; its tools are in `.boxagnts/tools`.
    pub workspace: Option<PathBuf>,
    /// The user's own tools.
    pub user: Option<PathBuf>,
}

impl ToolFolders {
    /// Those of a workspace, and the user's where the platform has it: `$XDG_DATA_HOME` on Linux,
    /// then `boxagnts/tools`.
    pub fn of(workspace: &Path) -> ToolFolders {
        // Approvals belong to the folder, by whatever way it was reached.
        let real = std::fs::canonicalize(workspace);
        ToolFolders {
            workspace: Some(real.unwrap_or_else(|_| workspace.to_owned())),
            user: default_user_folder(),
        }
    }
}

/// The user's folder of tools. `None` when the environment names no home.
fn default_user_folder() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    #[cfg(windows)]
    let data = folder("LOCALAPPDATA");
    #[cfg(target_os = "macos")]
    let data = folder("XDG_DATA_HOME")
        .or_else(|| folder("HOME").map(|home| home.join("Library/Application Support")));
    #[cfg(not(any(windows, target_os = "macos")))]
    let data =
        folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")));
    Some(data?.join("boxagnts").join("tools"))
}

/// Whose tool it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The user's, in every workspace.
    User,
    /// The workspace's.
    Workspace,
}

/// What becomes of a tool's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is approved and may be called.
    Usable,
    /// Nobody approved it.
    Unapproved,
    /// It is not what was approved.
    Changed,
    /// It is approved, and its file is not there.
    Gone,
    /// It cannot be a tool.
    Rejected(String),
}

/// A tool's file, or an approval without one.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Name of the tool and of its file.
    pub name: String,
    /// The component.
    pub path: PathBuf,
    /// Whose it is.
    pub place: Place,
    /// What becomes of it.
    pub standing: Standing,
    /// What was approved, when anything was.
    pub approved: Option<Approved>,
}

/// The tools of one workspace and its user.
pub struct Registry {
    folders: ToolFolders,
    approvals: Arc<dyn Approvals>,
    /// Names that no other tool may have.
    built_in: Vec<ToolSpec>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Sums of files, as long as their stamps stay.
    sums: HashMap<PathBuf, (Stamp, Result<String, String>)>,
    offered: Offered,
}

/// What can be called at a moment.
#[derive(Clone, Default)]
struct Offered {
    tools: Vec<Arc<Registered>>,
    specs: Option<Arc<[ToolSpec]>>,
}

impl Registry {
    pub(crate) fn new(
        folders: ToolFolders,
        approvals: Arc<dyn Approvals>,
        built_in: &[ToolSpec],
    ) -> Registry {
        Registry {
            folders,
            approvals,
            built_in: built_in.to_vec(),
            state: Mutex::default(),
        }
    }

    /// Built-in tools and those that are approved, as they are now.
    pub(crate) fn specs(&self) -> Arc<[ToolSpec]> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut state);
        let Offered { tools, specs } = &mut state.offered;
        let all = || {
            let registered = tools.iter().map(|tool| &tool.spec);
            self.built_in.iter().chain(registered).cloned().collect()
        };
        Arc::clone(specs.get_or_insert_with(all))
    }

    /// The tools that are approved, as they are now.
    pub(crate) fn usable(&self) -> Vec<Arc<Registered>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut state);
        state.offered.tools.clone()
    }

    /// The tool of that name, `None` when nothing of that name was ever approved.
    pub(crate) fn find(&self, name: &str) -> Option<Result<Arc<Registered>, ToolsError>> {
        let usable = self.usable();
        if let Some(tool) = usable.into_iter().find(|tool| tool.spec.name == name) {
            return Some(Ok(tool));
        }
        let unusable = self.candidates().into_iter().find(|candidate| {
            let near = !matches!(candidate.standing, Standing::Rejected(_));
            candidate.name == name && near
        })?;
        Some(Err(ToolsError::Unusable {
            name: name.to_owned(),
            reason: unusable.why(),
        }))
    }

    /// Looks at what is approved and whether it is still there. Costs a look at each approved file;
    /// only one that changed is read.
    fn refresh(&self, state: &mut State) {
        let known = std::mem::take(&mut state.offered.tools);
        let mut tools: Vec<Arc<Registered>> = Vec::new();
        for candidate in self.approved(&mut state.sums) {
            let (Standing::Usable, Some(approved)) = (candidate.standing, candidate.approved)
            else {
                continue;
            };
            let tool = Registered {
                spec: approved.spec,
                level: approved.level,
                invocation: approved.invocation,
                sha256: approved.sha256,
                source: Source::File(candidate.path),
                schema: InputSchema::default(),
            };
            // The same tool keeps its compiled schema.
            let same = known.iter().find(|known| known.is(&tool));
            tools.push(same.cloned().unwrap_or_else(|| Arc::new(tool)));
        }
        let unchanged = known.len() == tools.len()
            && known
                .iter()
                .zip(&tools)
                .all(|(was, is)| Arc::ptr_eq(was, is));
        if !unchanged {
            state.offered.specs = None;
        }
        state.offered.tools = tools;
    }

    /// Everything that is approved, the user's first, each name once.
    fn approved(
        &self,
        sums: &mut HashMap<PathBuf, (Stamp, Result<String, String>)>,
    ) -> Vec<Candidate> {
        let mut taken: BTreeSet<String> =
            self.built_in.iter().map(|spec| spec.name.clone()).collect();
        let mut found = Vec::new();
        for place in [Place::User, Place::Workspace] {
            let Some(scope) = self.scope(place) else {
                continue;
            };
            let approvals = self.approvals.list(scope).unwrap_or_else(|error| {
                tracing::warn!(scope = %scope.display(), %error, "no tools but the built-in ones");
                Vec::new()
            });
            for approved in approvals.into_iter().take(MAX_TOOLS) {
                // What is kept elsewhere may have been changed there; a name is no path.
                if tool_name(&approved.name).as_ref() != Some(&approved.name) {
                    continue;
                }
                let path = self.path(scope, place, &approved.name);
                let standing = match taken.insert(approved.name.clone()) {
                    true => self.standing(place, &path, &approved, sums),
                    false => Standing::Rejected(taken_by_another(&approved.name)),
                };
                found.push(Candidate {
                    name: approved.name.clone(),
                    path,
                    place,
                    standing,
                    approved: Some(approved),
                });
            }
        }
        sums.retain(|path, _| found.iter().any(|candidate| candidate.path == *path));
        found
    }

    fn standing(
        &self,
        place: Place,
        path: &Path,
        approved: &Approved,
        sums: &mut HashMap<PathBuf, (Stamp, Result<String, String>)>,
    ) -> Standing {
        if let Err(reason) = self.check_folder(place) {
            return Standing::Rejected(reason);
        }
        let Some(stamp) = Stamp::of(path) else {
            return Standing::Gone;
        };
        let sum = match sums.get(path) {
            Some((then, sum)) if *then == stamp => sum.clone(),
            _ => {
                let read = ToolFiles::read_no_links(path);
                let sum = read.map(|files| files.sha256()).map_err(|e| e.to_string());
                sums.insert(path.to_owned(), (stamp, sum.clone()));
                sum
            }
        };
        match sum {
            Ok(sum) if sum == approved.sha256 => Standing::Usable,
            Ok(_) => Standing::Changed,
            Err(reason) => Standing::Rejected(reason),
        }
    }

    /// Every tool's file in the folders, approved or not, and every approval. Nothing is run or
    /// compiled.
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut found = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.approved(&mut state.sums)
        };
        for place in [Place::User, Place::Workspace] {
            for (name, path) in self.files(place) {
                let known = |known: &Candidate| known.path == path;
                if found.iter().any(known) {
                    continue;
                }
                let standing = match self.name_problem(&name, place) {
                    None => Standing::Unapproved,
                    Some(problem) => Standing::Rejected(problem),
                };
                found.push(Candidate {
                    name,
                    path,
                    place,
                    standing,
                    approved: None,
                });
            }
        }
        found
    }

    /// The components in a folder by the names of their files, in the order of these.
    fn files(&self, place: Place) -> Vec<(String, PathBuf)> {
        let Some(scope) = self.scope(place) else {
            return Vec::new();
        };
        if self.check_folder(place).is_err() {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(self.folder(scope, place)) else {
            return Vec::new();
        };
        let mut files: Vec<(String, PathBuf)> = entries
            .take(MAX_ENTRIES)
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let is_component = path
                    .extension()
                    .is_some_and(|extension| extension == "wasm");
                let name = path.file_stem()?.to_str()?.to_owned();
                is_component.then_some((name, path))
            })
            .collect();
        files.sort();
        files.truncate(MAX_TOOLS);
        files
    }

    /// Why a name cannot be that of a tool of `place`.
    fn name_problem(&self, name: &str, place: Place) -> Option<String> {
        if tool_name(name).as_deref() != Some(name) {
            return Some(format!(
                "`{name}` is no name of a tool; rename the file to at most 64 of a-z, 0-9, _ and -"
            ));
        }
        let built_in = self.built_in.iter().any(|spec| spec.name == name);
        let built_in = built_in || RESERVED.contains(&name);
        let elsewhere = || {
            let other = match place {
                Place::User => Place::Workspace,
                Place::Workspace => Place::User,
            };
            let approvals = self.scope(other).map(|scope| self.approvals.list(scope));
            let approvals = approvals.and_then(Result::ok).unwrap_or_default();
            approvals.iter().any(|approved| approved.name == name)
        };
        (built_in || elsewhere()).then(|| taken_by_another(name))
    }

    /// What approvals of a place belong to.
    fn scope(&self, place: Place) -> Option<&Path> {
        match place {
            Place::User => self.folders.user.as_deref(),
            Place::Workspace => self.folders.workspace.as_deref(),
        }
    }

    fn folder(&self, scope: &Path, place: Place) -> PathBuf {
        match place {
            Place::User => scope.to_owned(),
            Place::Workspace => scope.join(WORKSPACE_FOLDER[0]).join(WORKSPACE_FOLDER[1]),
        }
    }

    fn path(&self, scope: &Path, place: Place, name: &str) -> PathBuf {
        self.folder(scope, place).join(format!("{name}.wasm"))
    }

    /// A workspace's folder of tools is a folder of it, not a link to another.
    fn check_folder(&self, place: Place) -> Result<(), String> {
        let (Place::Workspace, Some(root)) = (place, self.scope(place)) else {
            return Ok(());
        };
        let mut folder = root.to_owned();
        for part in WORKSPACE_FOLDER {
            folder.push(part);
            match std::fs::symlink_metadata(&folder) {
                Ok(metadata) if metadata.is_dir() => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Ok(_) => return Err(format!("{} is no folder", folder.display())),
                Err(error) => return Err(format!("{}: {error}", folder.display())),
            }
        }
        Ok(())
    }
}

fn taken_by_another(name: &str) -> String {
    format!("another tool has the name `{name}`; add it under a name of its own with --name")
}

impl Candidate {
    /// Why it cannot be called, and what would change that.
    pub fn why(&self) -> String {
        let path = self.path.display();
        match &self.standing {
            Standing::Usable => "it can be called".to_owned(),
            Standing::Unapproved => {
                format!("nobody approved {path}; `boxagnts tool add {path}` shows and approves it")
            }
            Standing::Changed => format!(
                "{path} changed since it was approved; `boxagnts tool add {path}` shows what it is \
                 now and approves it again"
            ),
            Standing::Gone => format!(
                "{path} is gone; `boxagnts tool remove {}` forgets it",
                self.name
            ),
            Standing::Rejected(reason) => reason.clone(),
        }
    }
}
