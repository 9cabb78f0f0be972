//! The same work on many things at the same time.

use std::thread;

/// What `work` made of each, in their order; `None` where it ended by a panic. One alone needs no
/// thread.
pub fn together<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<Option<R>> {
    if items.len() == 1 {
        return items.into_iter().map(|item| Some(work(item))).collect();
    }
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().ok())
            .collect()
    })
}
