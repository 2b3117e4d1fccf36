//! Copy-on-write overlay over the user's tree, changesets, hunks and their application.
