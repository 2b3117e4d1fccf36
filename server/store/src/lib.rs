//! The journal: sessions and their events in SQLite.
