//! Taking accepted changes back: the latest batch, a chosen one, or everything since a checkpoint.
//! What the user typed since stays; the hunks wait for a decision again; and it is a batch itself,
//! so that it can be taken back too.

use crate::batch::{self, Ground};
use crate::decide::of_files;
use crate::error::SessionError;
use crate::session::{Session, lock};
use crate::sessions::Sessions;
use boxagnts_policy::path::WorkspacePath;
use boxagnts_protocol::commands::{Checkpoint, CheckpointKind, RefusedFile, UndoResult};
use boxagnts_protocol::proposal::ChangeKind;
use boxagnts_protocol::update::SessionEvent;
use boxagnts_store::{
    Batch, BatchFile, BatchFileSummary, BatchId, BatchKind, BatchState, BatchSummary,
};
use boxagnts_workspace::{FilePlan, Step, WayBack};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Batches that are looked through for one to take back, or for a list of them.
const MAX_BATCHES: usize = 10_000;

/// Typing makes a way back stale; planned again so often.
const ATTEMPTS: usize = 5;

/// Batches that are being taken back.
#[derive(Debug)]
pub struct Undoing {
    /// Them, the newest first.
    pub checkpoints: Vec<u64>,
    /// Ends with what came of it, which an update tells too.
    pub task: JoinHandle<Result<UndoResult, SessionError>>,
}

impl Sessions {
    /// What was applied to this workspace and is kept, newest first; of one session, or of all.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn checkpoints(
        &self,
        session: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Checkpoint>, SessionError> {
        let batches = self.batches(session, limit.min(MAX_BATCHES))?;
        Ok(batches.iter().map(checkpoint).collect())
    }

    /// Takes a batch back, the one given, or the latest accepted one that was not taken back: chosen
    /// now, carried out in a task. What could not be taken back of some files is in its result.
    ///
    /// # Errors
    /// There is no such batch, or it is taken back already, or the journal cannot be used.
    pub fn undo(
        self: &Arc<Self>,
        checkpoint: Option<u64>,
        session: Option<&str>,
    ) -> Result<Undoing, SessionError> {
        let chosen = match checkpoint {
            Some(id) => self.applied(id)?,
            None => self
                .last_accepted(session)?
                .ok_or_else(|| nothing("nothing was accepted that is not taken back already"))?,
        };
        if undone(&chosen) {
            let id = chosen.id;
            return Err(nothing(&format!("checkpoint {id} is taken back already")));
        }
        self.start(vec![chosen], BatchKind::Undo)
    }

    /// The latest accepted checkpoint that was not taken back; numbers ascend over all workspaces of a
    /// journal.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn latest(&self) -> Result<Option<u64>, SessionError> {
        Ok(self.last_accepted(None)?.map(|batch| batch.id.0))
    }

    fn last_accepted(&self, session: Option<&str>) -> Result<Option<BatchSummary>, SessionError> {
        let batches = self.batches(session, MAX_BATCHES)?;
        let accepted = |batch: &BatchSummary| batch.kind == BatchKind::Accept && !undone(batch);
        Ok(batches.into_iter().find(accepted))
    }

    /// Takes back this checkpoint and everything that was applied since.
    ///
    /// # Errors
    /// As [`Sessions::undo`].
    pub fn restore(self: &Arc<Self>, checkpoint: u64) -> Result<Undoing, SessionError> {
        self.applied(checkpoint)?;
        let mut since = self.batches(None, MAX_BATCHES)?;
        since.retain(|batch| batch.id.0 >= checkpoint);
        self.start(since, BatchKind::Restore)
    }

    fn start(
        self: &Arc<Self>,
        batches: Vec<BatchSummary>,
        kind: BatchKind,
    ) -> Result<Undoing, SessionError> {
        self.check_configured(&batches)?;
        let checkpoints = batches.iter().map(|batch| batch.id.0).collect();
        let sessions = Arc::clone(self);
        let task = tokio::spawn(async move { sessions.take_back(batches, kind).await });
        Ok(Undoing { checkpoints, task })
    }

    /// Refuses what a configuration that cannot be read may be needed for: the hunks could not wait
    /// again, or the files may be elsewhere. `batches` are the newest first.
    fn check_configured(&self, batches: &[BatchSummary]) -> Result<(), SessionError> {
        let Some(reason) = self.environment().unconfigured() else {
            return Ok(());
        };
        let needed = |what: String| SessionError::Unconfigured {
            what,
            reason: reason.to_owned(),
        };
        let mut seen = HashSet::new();
        for batch in batches {
            self.get(&batch.session)
                .map_err(|error| needed(format!("session `{}`: {error}", batch.session)))?;
            // Only the newest batch says what there is of a file.
            let files = batch.files.iter().filter(|file| file.applied);
            for file in files.filter(|file| seen.insert(&file.path)) {
                let path = self.root().join(&file.path);
                let is_here = match file.kind {
                    ChangeKind::Delete => path.parent().is_some_and(Path::is_dir),
                    _ => path.symlink_metadata().is_ok(),
                };
                if !is_here {
                    let path = &file.path;
                    return Err(needed(format!(
                        "`{path}` is not in this folder, and may be in one of `map_dirs`"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The closed batches of which something was applied, newest first.
    fn batches(
        &self,
        session: Option<&str>,
        limit: usize,
    ) -> Result<Vec<BatchSummary>, SessionError> {
        let store = self.environment().store();
        let mut batches = store.batches(&self.workspace(), session, limit)?;
        batches.retain(|batch| batch.state == BatchState::Applied);
        Ok(batches)
    }

    fn applied(&self, checkpoint: u64) -> Result<BatchSummary, SessionError> {
        self.batches(None, MAX_BATCHES)?
            .into_iter()
            .find(|batch| batch.id.0 == checkpoint)
            .ok_or_else(|| {
                nothing(&format!(
                    "there is no checkpoint {checkpoint} in this workspace, or not any more"
                ))
            })
    }

    /// Takes batches back, the newest first, as one batch.
    async fn take_back(
        self: &Arc<Self>,
        batches: Vec<BatchSummary>,
        kind: BatchKind,
    ) -> Result<UndoResult, SessionError> {
        let newest = batches
            .first()
            .ok_or_else(|| nothing("nothing was applied since"))?;
        // A session whose model cannot be had any more has nobody to tell, and its changes can be
        // taken back all the same.
        let session = self.get(&newest.session).ok();
        let ground = match &session {
            Some(session) => session.ground(),
            None => self.ground(&newest.session)?,
        };
        let turnstile = self.applying().lock().await;
        // Read behind what was under way: that may have taken some of it back.
        let store = self.environment().store();
        let mut taken: Vec<Batch> = Vec::new();
        for summary in &batches {
            taken.push(store.batch(summary.id)?);
        }
        // Of a batch of which some is taken back already, the rest: its hunks may be accepted again by
        // now, in a batch of their own.
        let wanted = |batch: &Batch, file: &BatchFileSummary| {
            let claimed = |hunk| batch.summary.claimed.contains(hunk);
            kind != BatchKind::Undo
                || batch.summary.kind != BatchKind::Accept
                || file.hunks.iter().any(claimed)
        };
        let applied = |batch: &Batch| -> Vec<BatchFile<'static>> {
            let files = batch.files.iter().zip(&batch.summary.files);
            let files = files.filter(|(_, summary)| summary.applied && wanted(batch, summary));
            files.map(|(file, _)| file.clone()).collect()
        };
        let done: Vec<(BatchSummary, Vec<BatchFile<'static>>)> = taken
            .iter()
            .map(|batch| (batch.summary.clone(), applied(batch)))
            .collect();
        if kind == BatchKind::Undo && taken.iter().all(|batch| undone(&batch.summary)) {
            let id = newest.id;
            return Err(nothing(&format!("checkpoint {id} is taken back already")));
        }
        drop(taken);

        let steps = done.iter().flat_map(|(_, files)| files);
        let steps: Arc<[Step]> = steps.filter_map(batch::step).collect();
        let WayBack { plans, refused } = way_back(&ground, &steps).await?;
        let mut refused: BTreeMap<String, String> = refused
            .into_iter()
            .map(|(path, reason)| (path.to_string(), reason))
            .collect();
        let mut made = None;
        if !plans.is_empty() {
            let what = match kind {
                BatchKind::Restore => format!("restore checkpoint {}", oldest(&done)),
                _ => format!("undo checkpoint {}", oldest(&done)),
            };
            let count = plans.len();
            let label = format!("{what}, {}", of_files(count));
            let id = batch::begin(&ground, kind, &label, &plans).await?;
            let failed = carry_out(&ground, id, plans, &steps).await?;
            let all_failed = failed.len() == count;
            made = Some(id).filter(|_| !all_failed);
            refused.extend(failed);
            batch::close(&ground, id);
        }
        drop(turnstile);
        let (files, hunks) = self.bring_back(&done, &refused);
        let result = UndoResult {
            checkpoint: made.map(|id: BatchId| id.0),
            files,
            refused: refused
                .into_iter()
                .map(|(path, reason)| RefusedFile { path, reason })
                .collect(),
            hunks,
        };
        for id in done
            .iter()
            .map(|(batch, _)| &batch.session)
            .collect::<BTreeSet<_>>()
        {
            if let (Some(note), Ok(session)) = (note(&result), self.get(id)) {
                lock(&session.activity).notes.push(note);
            }
        }
        let undone = SessionEvent::Undone {
            checkpoints: done.iter().map(|(batch, _)| batch.id.0).collect(),
            result: result.clone(),
        };
        self.publish(&ground.session, undone)?;
        // Nobody looked while it was under way.
        self.look();
        Ok(result)
    }

    /// The hunks of files that are as before wait again: the oldest batch first, as they were made.
    /// Gives the files and the hunks.
    fn bring_back(
        self: &Arc<Self>,
        done: &[(BatchSummary, Vec<BatchFile<'static>>)],
        refused: &BTreeMap<String, String>,
    ) -> (Vec<String>, Vec<String>) {
        let mut files = Vec::new();
        let mut back = Vec::new();
        for (batch, changed) in done.iter().rev() {
            let stays = |path: &String| refused.contains_key(path);
            let changed = changed
                .iter()
                .filter(|file| !stays(&file.path) && !file.moved_from.as_ref().is_some_and(stays));
            let changed: Vec<&BatchFile<'_>> = changed.collect();
            files.extend(changed.iter().map(|file| file.path.clone()));
            let ids: Vec<String> = changed.iter().flat_map(|file| file.hunks.clone()).collect();
            if ids.is_empty() {
                continue;
            }
            if let Err(error) = self.environment().store().release_hunks(batch.id, &ids) {
                tracing::error!(batch = %batch.id, %error, "hunks stay claimed");
            }
            // A session whose model is not configured any more has nobody to decide for.
            let Ok(session) = self.get(&batch.session) else {
                continue;
            };
            back.extend(propose_again(&session, changed));
        }
        let mut seen = HashSet::new();
        files.retain(|path| seen.insert(path.clone()));
        (files, back)
    }
}

/// Applies a way back, planned anew where the user typed meanwhile. Gives the files that stay as they
/// are, with the reason.
async fn carry_out(
    ground: &Ground,
    batch: BatchId,
    mut plans: Vec<FilePlan>,
    steps: &Arc<[Step]>,
) -> Result<BTreeMap<String, String>, SessionError> {
    let mut failed = BTreeMap::new();
    for attempt in 1.. {
        let results = batch::apply(ground, batch, &plans).await;
        let mut stale = BTreeMap::new();
        for (plan, result) in plans.into_iter().zip(results) {
            match result {
                Ok(()) => drop(failed.remove(plan.path.as_str())),
                Err(reason) => {
                    failed.insert(plan.path.to_string(), reason);
                    stale.insert(plan.path, plan.before);
                }
            }
        }
        if stale.is_empty() || attempt == ATTEMPTS {
            break;
        }
        let moved_on =
            |plan: &FilePlan| stale.get(&plan.path).is_some_and(|old| *old != plan.before);
        plans = way_back(ground, steps).await?.plans;
        plans.retain(moved_on);
        if plans.is_empty() {
            break;
        }
    }
    Ok(failed)
}

async fn way_back(ground: &Ground, steps: &Arc<[Step]>) -> Result<WayBack, SessionError> {
    let names = |step: &Step| [Some(step.path.clone()), step.from.clone()];
    let files: BTreeSet<WorkspacePath> = steps.iter().flat_map(names).flatten().collect();
    let files: Vec<WorkspacePath> = files.into_iter().collect();
    ground.overlay.refresh_buffers(&files).await;
    let (overlay, steps) = (Arc::clone(&ground.overlay), Arc::clone(steps));
    let way = tokio::task::spawn_blocking(move || overlay.way_back(&steps));
    way.await.map_err(|error| SessionError::Stopped {
        reason: error.to_string(),
    })
}

/// What the model is told of it.
pub(crate) fn note(result: &UndoResult) -> Option<String> {
    let files = result.files.join(", ");
    (!files.is_empty()).then(|| {
        format!("[The user took accepted changes back; these files are as before: {files}]")
    })
}

/// Proposes again what was taken back in files, where it does not wait already; gives the hunks.
pub(crate) fn propose_again<'a>(
    session: &Session,
    files: impl IntoIterator<Item = &'a BatchFile<'a>>,
) -> Vec<String> {
    let mut back = Vec::new();
    for file in files {
        match again(session, file) {
            Ok(ids) => back.extend(ids),
            Err(reason) => tracing::info!(path = file.path, reason, "not proposed again"),
        }
    }
    let _ = session.emit_proposal();
    back
}

/// Proposes again what was taken back in one file.
fn again(session: &Session, file: &BatchFile<'_>) -> Result<Vec<String>, String> {
    let Some(step) = batch::step(file) else {
        return Err("its path is not one".to_owned());
    };
    if step.from.is_some() {
        return Err("it was moved".to_owned());
    }
    let (before, after) = (step.before.as_ref(), step.after.as_ref());
    session
        .overlay
        .reinstate(&step.path, before, after, &file.hunks)
}

fn oldest(done: &[(BatchSummary, Vec<BatchFile<'static>>)]) -> u64 {
    done.last().map_or(0, |(batch, _)| batch.id.0)
}

fn nothing(reason: &str) -> SessionError {
    SessionError::NothingToUndo(reason.to_owned())
}

/// Whether all of an accepted batch is taken back.
fn undone(batch: &BatchSummary) -> bool {
    batch.kind == BatchKind::Accept && batch.claimed.is_empty()
}

fn checkpoint(batch: &BatchSummary) -> Checkpoint {
    let applied = batch.files.iter().filter(|file| file.applied);
    Checkpoint {
        checkpoint: batch.id.0,
        session: batch.session.clone(),
        kind: match batch.kind {
            BatchKind::Accept => CheckpointKind::Accept,
            BatchKind::Undo => CheckpointKind::Undo,
            BatchKind::Restore => CheckpointKind::Restore,
        },
        label: batch.label.clone(),
        at_ms: batch.at_ms,
        undone: undone(batch),
        files: applied.map(|file| file.path.clone()).collect(),
    }
}
