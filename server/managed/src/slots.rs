//! The places in which executors run: never more of them than there are, and whoever has few that
//! wait is not behind all those of somebody who has many.

use crate::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Places, given to managers in turn.
#[derive(Debug)]
pub struct Slots {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    /// Those who wait, by who manages them; the next manager in front. None is empty.
    waiting: VecDeque<(String, VecDeque<oneshot::Sender<Slot>>)>,
}

/// A place; free again when it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Option<Arc<Slots>>,
}

impl Slots {
    /// So many places.
    pub fn new(places: u64) -> Arc<Slots> {
        Arc::new(Slots {
            inner: Mutex::new(Inner {
                free: usize::try_from(places).unwrap_or(usize::MAX),
                waiting: VecDeque::new(),
            }),
        })
    }

    /// Waits for a place for one of the manager's executors. Dropping the future leaves the queue.
    pub async fn take(self: &Arc<Self>, manager: &str) -> Slot {
        let ticket = {
            let mut inner = lock(&self.inner);
            if inner.free > 0 {
                inner.free -= 1;
                return self.slot();
            }
            let (sender, ticket) = oneshot::channel();
            let known = inner.waiting.iter_mut().find(|(known, _)| known == manager);
            match known {
                Some((_, queue)) => queue.push_back(sender),
                None => inner
                    .waiting
                    .push_back((manager.to_owned(), [sender].into())),
            }
            ticket
        };
        // Senders are dropped only with the slots, which are borrowed here.
        match ticket.await {
            Ok(slot) => slot,
            Err(_) => std::future::pending().await,
        }
    }

    fn slot(self: &Arc<Self>) -> Slot {
        Slot {
            slots: Some(Arc::clone(self)),
        }
    }

    /// A place is free: the next one of the next manager has it.
    fn give(self: &Arc<Self>) {
        loop {
            let next = {
                let mut inner = lock(&self.inner);
                let Some((manager, mut queue)) = inner.waiting.pop_front() else {
                    inner.free += 1;
                    return;
                };
                let next = queue.pop_front();
                if !queue.is_empty() {
                    inner.waiting.push_back((manager, queue));
                }
                next
            };
            let Some(next) = next else { continue };
            match next.send(self.slot()) {
                Ok(()) => return,
                // Nobody waits for it any more. Forgotten, or dropping it would come back here.
                Err(mut slot) => slot.slots = None,
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.slots.take() {
            slots.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::JoinSet;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn never_more_run_than_there_are_places() {
        let slots = Slots::new(3);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for task in 0..300 {
            let (slots, now, most) = (slots.clone(), now.clone(), most.clone());
            tasks.spawn(async move {
                let manager = format!("m{}", task % 7);
                let take = slots.take(&manager);
                let slot = match task % 5 {
                    // Some give up.
                    0 => tokio::select! {
                        biased;
                        slot = take => slot,
                        () = tokio::task::yield_now() => return,
                    },
                    _ => take.await,
                };
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                drop(slot);
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert_eq!(lock(&slots.inner).free, 3);
        assert!(lock(&slots.inner).waiting.is_empty());
    }

    #[tokio::test]
    async fn managers_take_turns() {
        let slots = Slots::new(1);
        let first = slots.take("many").await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for manager in ["many", "many", "many", "few"] {
            let (slots, order) = (slots.clone(), order.clone());
            tasks.spawn(async move {
                let slot = slots.take(manager).await;
                lock(&order).push(manager);
                drop(slot);
            });
            // It is in the queue before the next one.
            tokio::task::yield_now().await;
        }
        drop(first);
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(*lock(&order), ["many", "few", "many", "many"]);
    }
}
