//! The user's workspace as tools see it, and the way of their changes back to the user.
//!
//! [`Overlay`] is a copy-on-write view: changeset over unsaved documents over disk. A tool call
//! works in a [`Call`], a transaction on it. What the calls leave is reviewed as hunks
//! ([`Overlay::proposal`]), and becomes edits of the user's files only by a [`FilePlan`], which
//! [`Overlay::plan`] makes from hunks that the user chose.

mod apply;
mod back;
mod buffers;
mod call;
mod change;
mod changes;
mod content;
mod decide;
mod decided;
pub mod diff;
mod error;
mod fork;
mod git;
mod journal;
mod lines;
mod merge;
mod overlay;
mod own;
mod page;
mod plan;
mod rivals;
mod root;
mod seen;
mod select;
mod view;
mod visibility;
mod walk;
pub mod worktree;

#[cfg(test)]
mod tests;

pub use apply::{
    apply_to_disk, is_carried_out, make_ready_on_disk, mode_on_disk, remove_leftovers,
};
pub use back::{Step, WayBack};
pub use buffers::{Buffer, Buffers, NoBuffers};
pub use call::{Call, Entry};
pub use content::Content;
pub use error::{ApplyError, CommitError, DecideError, FsError, FsErrorCode, OpenError};
pub use fork::{Fork, MergeConflict, Merged};
pub use git::{GitState, Uncommitted, top};
pub use journal::ProposalDelta;
pub use overlay::Overlay;
pub use page::{Page, PageQuery};
pub use plan::{FilePlan, Selection, TextEdit};
pub use root::Kind;
pub use view::Live;
pub use walk::Walk;
