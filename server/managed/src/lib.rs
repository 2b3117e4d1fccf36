//! What governs many conversations at once: who runs when ([`Slots`]), and what each may spend
//! ([`Account`], [`Purse`]). It runs nothing itself; sessions ask it before they do.

mod account;
mod purse;
mod slots;

pub use account::{Account, Allotment, Part};
pub use purse::Purse;
pub use slots::{Slot, Slots};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data stays valid even when a holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
