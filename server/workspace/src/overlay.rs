//! The copy-on-write view of a workspace: changeset over dirty documents over disk.
//!
//! Opening one does no walk and reads no file; it costs the same for any size of tree.

use crate::buffers::Buffers;
use crate::call::Call;
use crate::change::{FileChange, Namer};
use crate::changes::Changes;
use crate::content::Content;
use crate::decided::Decided;
use crate::diff::{self, FileDiff};
use crate::error::{CommitError, OpenError};
use crate::plan::{FilePlan, Selection};
use crate::root::{Near, Root, Stamp};
use crate::seen::Seen;
use crate::view::{self, Live};
use crate::visibility::Rules;
use boxagnts_policy::mounts::Mounts;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::proposal::HunkState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Where so many files are proposed, a look at the user's files takes its time.
const MANY: usize = 500;
/// How much longer than it took a look at many files is good for, and how long at most.
const PAUSE: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What a session proposes on top of a workspace.
pub struct Overlay {
    pub(crate) root: Arc<Root>,
    pub(crate) buffers: Arc<dyn Buffers>,
    pub(crate) rules: Arc<Rules>,
    state: Mutex<State>,
}

/// The session's part, behind one lock that is never held across a wait.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) changes: Changes,
    pub(crate) namer: Namer,
    pub(crate) decided: Decided,
    pub(crate) seen: Seen,
    pub(crate) in_flight: HashMap<WorkspacePath, InFlight>,
    /// Changes on top of what is proposed, with hunks that do not fit it: of executors that worked beside
    /// others.
    pub(crate) rivals: BTreeMap<WorkspacePath, Vec<FileChange>>,
    /// The version at which they were last others.
    pub(crate) rivals_at: u64,
    /// The user's files when the changes were last compared with them.
    compared: HashMap<WorkspacePath, Compared>,
    /// Until when that is good enough for who decides on nothing.
    good_until: Option<Instant>,
    /// Counts alterations of the changes.
    pub(crate) version: u64,
    /// The version at which the set of hunks that wait, or the state of one, was last another.
    pub(crate) states: u64,
    /// The version at which a path's change was last altered.
    pub(crate) altered: BTreeMap<WorkspacePath, u64>,
    /// The bases that the listener to deltas knows.
    pub(crate) told: HashMap<WorkspacePath, Content>,
}

/// Hunks of a file that are being applied.
pub(crate) struct InFlight {
    pub(crate) hunks: Vec<String>,
    /// The content that has them, where it can tell that.
    pub(crate) after: Option<Option<Content>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Compared {
    /// The text itself: editors number the versions of a document anew when they open it again.
    Buffer(Arc<str>),
    Disk(Stamp),
    Absent,
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay")
            .field("root", &self.root.path())
            .finish_non_exhaustive()
    }
}

impl Overlay {
    /// Opens a workspace folder with what is mounted in it.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be opened; the same of a mounted one.
    pub fn open(
        root: &Path,
        mounts: &Mounts,
        buffers: Arc<dyn Buffers>,
    ) -> Result<Arc<Overlay>, OpenError> {
        Ok(Arc::new(Overlay {
            root: Arc::new(Root::open(root, mounts)?),
            buffers,
            rules: Arc::default(),
            state: Mutex::default(),
        }))
    }

    /// Opens a folder that is among BoxAgnts' own things, for who was given it to work in.
    pub(crate) fn open_own(
        root: &Path,
        buffers: Arc<dyn Buffers>,
    ) -> Result<Arc<Overlay>, OpenError> {
        Ok(Arc::new(Overlay {
            root: Arc::new(Root::open_own(root)?),
            buffers,
            rules: Arc::default(),
            state: Mutex::default(),
        }))
    }

    /// Another session's overlay over the same folder; shares the parsed ignore files.
    pub fn another(&self) -> Arc<Overlay> {
        Arc::new(Overlay {
            root: Arc::clone(&self.root),
            buffers: Arc::clone(&self.buffers),
            rules: Arc::clone(&self.rules),
            state: Mutex::default(),
        })
    }

    /// A view over the same files that begins with what this one proposes.
    pub(crate) fn beginning_with(&self, state: &State) -> Arc<Overlay> {
        Arc::new(Overlay {
            root: Arc::clone(&self.root),
            buffers: Arc::clone(&self.buffers),
            rules: Arc::clone(&self.rules),
            state: Mutex::new(State {
                changes: state.changes.clone(),
                namer: state.namer.clone(),
                compared: state.compared.clone(),
                good_until: state.good_until,
                ..State::default()
            }),
        })
    }

    /// Absolute path of the folder.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Whether a file is the workspace folder's own, and in none that is mounted there.
    pub fn is_in_folder(&self, path: &WorkspacePath) -> bool {
        !self.root.is_mounted(path)
    }

    /// URI of a file in it.
    pub fn uri(&self, path: &WorkspacePath) -> String {
        let absolute = self.root.absolute(path);
        url::Url::from_file_path(&absolute)
            .map_or_else(|()| absolute.display().to_string(), |url| url.to_string())
    }

    /// Begins a tool call's transaction; `group` names the call in the hunks that come of it.
    pub fn begin(self: &Arc<Self>, group: &str) -> Call {
        let mut state = self.lock();
        self.refresh_lately(&mut state);
        let changes = state.changes.clone();
        drop(state);
        Call::new(Arc::clone(self), changes, group.to_owned())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // The data is consistent between any two statements that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what a call did.
    pub(crate) fn commit(
        &self,
        before: &Changes,
        after: &Changes,
        touched: &BTreeSet<WorkspacePath>,
        group: &str,
    ) -> Result<(), CommitError> {
        let mut state = self.lock();
        for path in touched {
            let same = match (before.get(path), state.changes.get(path)) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    a.base == b.base && a.current == b.current && a.from == b.from
                }
                _ => false,
            };
            let moves = before.moved_to(path) == state.changes.moved_to(path);
            if !same || !moves {
                return Err(CommitError { path: path.clone() });
            }
        }
        let group: Arc<str> = group.into();
        let fought_over = touched
            .iter()
            .filter(|path| state.rivals.contains_key(path));
        let fought_over: Vec<(WorkspacePath, Option<Content>)> = fought_over
            .map(|path| (path.clone(), self.content(&state.changes, path)))
            .collect();
        let State { changes, namer, .. } = &mut *state;
        for path in touched {
            changes.adopt(path, after, namer, Some(&group));
        }
        for (path, was) in fought_over {
            let is = self.content(&state.changes, &path);
            state.overwritten(&path, was.as_ref(), is.as_ref());
        }
        for path in touched {
            // What a change was made on is known to whoever made it.
            if let Some(change) = state
                .changes
                .get(path)
                .filter(|_| before.get(path).is_none())
                && let source = change.from.clone().unwrap_or_else(|| path.clone())
                && state.seen.get(&source).is_none()
            {
                let base = change.base.clone();
                state.seen.insert(source, base);
            }
            state.altered(path);
            state.states = state.version;
        }
        Ok(())
    }

    /// Compares every change with the user's file of now, where that has changed since last time.
    pub(crate) fn refresh(&self, state: &mut State) {
        let start = Instant::now();
        let mut near = Near::default();
        let mut altered = |path: &WorkspacePath, change: &FileChange| {
            let now = self.compared(path, self.root.stamp_near(path, &mut near));
            change.from.is_some() || state.compared.get(path) != Some(&now)
        };
        let changes = state.changes.iter();
        let altered = changes.filter(|(path, change)| altered(path, change));
        let altered: Vec<WorkspacePath> = altered.map(|(path, _)| path.clone()).collect();
        for path in altered {
            self.compare(state, &path, false);
        }
        self.fit_rivals(state);
        let pause = (start.elapsed() * PAUSE).min(LONGEST_PAUSE);
        state.good_until = (state.changes.len() >= MANY).then(|| Instant::now() + pause);
    }

    /// As [`Overlay::refresh`], for who shows what is proposed or goes on with it: many files are not
    /// looked at again and again, when every executor and every tool call wants it. What is decided on
    /// is looked at in any case.
    pub(crate) fn refresh_lately(&self, state: &mut State) {
        if state.good_until.is_none_or(|end| end <= Instant::now()) {
            self.refresh(state);
        }
    }

    /// Has the last look be good for long, as where many files are proposed.
    #[cfg(test)]
    pub(crate) fn look_later(&self) {
        self.lock().good_until = Some(Instant::now() + Duration::from_secs(3600));
    }

    /// Compares one change with the user's file of now, and gives the file that it was compared
    /// with. Reads no file that has not changed since last time unless `read` asks for it.
    pub(crate) fn compare(
        &self,
        state: &mut State,
        path: &WorkspacePath,
        read: bool,
    ) -> Option<(Live, Option<Content>)> {
        let change = state.changes.get(path)?;
        let source = change.from.as_ref().unwrap_or(path).clone();
        let moves = change.from.is_some();
        let look = || self.compared(&source, self.root.stamp(&source));
        let mut compared = look();
        let known = !moves && state.compared.get(path) == Some(&compared);
        if known && !read {
            return None;
        }
        let (live, content) = match &compared {
            Compared::Buffer(_) => {
                let (live, content) = self.live(&source);
                // The document may have moved on.
                if let (Live::Buffer { .. }, Some(Content::Text { text, .. })) = (live, &content) {
                    compared = Compared::Buffer(Arc::clone(text));
                } else {
                    compared = look();
                }
                (live, content)
            }
            _ => self.live(&source),
        };
        if !moves && state.compared.get(path) == Some(&compared) {
            return Some((live, content));
        }
        if let Some(in_flight) = state.in_flight.get(path)
            && in_flight.after.as_ref() == Some(&content)
            && let Some(in_flight) = state.in_flight.remove(path)
        {
            self.settle(state, path, &in_flight.hunks, HunkState::Accepted);
            state.changes.get(path)?;
        }
        let taken =
            source != *path && self.compared(path, self.root.stamp(path)) != Compared::Absent;
        let mut change = state.changes.take(path)?;
        let kind = change.kind();
        let before = change.states();
        let done = change.refresh(content.as_ref(), taken);
        let same = change.states() == before;
        for hunk in done {
            state.decided.push(path, kind, hunk, None);
        }
        state.changes.put(path.clone(), change);
        if !moves || !same {
            state.altered(path);
        }
        if !same {
            state.states = state.version;
        }
        state.compared.insert(path.clone(), compared);
        Some((live, content))
    }

    /// Compares everything with the user's files of now, and says whether other hunks wait than at
    /// `since`, or one waits in another state: the version to ask with next time, when it is so.
    pub fn look(&self, since: u64) -> Option<u64> {
        let mut state = self.lock();
        self.refresh(&mut state);
        (state.states > since).then_some(state.states)
    }

    /// `stamp` is that of the file.
    fn compared(&self, path: &WorkspacePath, stamp: Option<Stamp>) -> Compared {
        let is_gone = || stamp.is_none() && view::is_gone(&self.root, path);
        match self.buffers.get(path) {
            Some(buffer) if buffer.dirty || !is_gone() => Compared::Buffer(buffer.text),
            _ => stamp.map_or(Compared::Absent, Compared::Disk),
        }
    }

    /// Unified diff from the user's files of now to what is proposed, without hunks that conflict.
    pub fn diff(&self) -> String {
        let plans = self.plan(&Selection::All).unwrap_or_default();
        diff::unified(&plans.into_iter().filter_map(file_diff).collect::<Vec<_>>())
    }

    /// Asks an editor that does not tell by itself what it holds of these files. Call it before what
    /// reads or plans them.
    pub async fn refresh_buffers(&self, paths: &[WorkspacePath]) {
        self.buffers.refresh(paths).await;
    }

    /// The files of which the selection has hunks; none when it cannot be carried out.
    pub fn files_of(&self, selection: &Selection) -> Vec<WorkspacePath> {
        let selected = self.lock().select(selection).unwrap_or_default();
        selected.into_iter().map(|(path, _)| path).collect()
    }

    /// Where the user's text of a file lives now.
    pub fn live(&self, path: &WorkspacePath) -> (Live, Option<Content>) {
        view::live(&self.root, &*self.buffers, path)
    }

    /// The user's text of a file that is on disk: a document alone is no file.
    pub(crate) fn saved(&self, path: &WorkspacePath) -> Option<Content> {
        let (_, content) = self.live(path);
        content.filter(|_| !view::is_gone(&self.root, path))
    }
}

impl State {
    /// The change of `path` is another one: neither what was compared nor what was told.
    pub(crate) fn altered(&mut self, path: &WorkspacePath) {
        self.compared.remove(path);
        self.version += 1;
        self.altered.insert(path.clone(), self.version);
    }

    /// Other hunks wait than before.
    pub(crate) fn decided(&mut self) {
        self.states = self.version;
    }
}

/// What a plan does to its file, when it does anything.
fn file_diff(plan: FilePlan) -> Option<FileDiff> {
    (!plan.hunks.is_empty()).then_some(FileDiff {
        path: plan.path,
        from: plan.from,
        before: plan.before,
        after: plan.after,
    })
}
