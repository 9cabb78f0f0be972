//! The same work on many things at the same time.

use std::iter::Enumerate;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::vec::IntoIter;

/// The threads to begin with: while one waits for an answer, its processor works for another.
const A_PROCESSOR: usize = 2;

/// When nothing has ended for so long, all threads wait for somebody, and there is room for as many.
const STALL: Duration = Duration::from_millis(3);

/// What `work` made of each, in their order. One alone needs no thread. Many begin with few, since every
/// thread costs a stack and a heap, and soon have one each where an authority takes its time, or as many as
/// the system gives.
pub fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    if items.len() < 2 {
        return items.into_iter().map(work).collect();
    }
    let all = Work {
        answers: Mutex::new(items.iter().map(|_| None).collect()),
        queue: Mutex::new(items.into_iter().enumerate()),
        drained: Condvar::new(),
    };
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut more = A_PROCESSOR * thread::available_parallelism().map_or(1, NonZero::get);
        loop {
            let left = held(&all.queue).len();
            let start = || thread::Builder::new().spawn_scoped(scope, || all.work_through(&work));
            threads.extend((0..more.min(left)).map_while(|_| start().ok()));
            if threads.is_empty() {
                all.work_through(&work);
            }
            if all.watch() {
                break;
            }
            more = threads.len();
        }
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    let answers = all
        .answers
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    answers
        .into_iter()
        .map(|answer| answer.expect("every item was worked on"))
        .collect()
}

struct Work<T, R> {
    queue: Mutex<Enumerate<IntoIter<T>>>,
    /// Nobody need be sent for what is in the queue.
    drained: Condvar,
    answers: Mutex<Vec<Option<R>>>,
}

impl<T, R> Work<T, R> {
    fn work_through(&self, work: impl Fn(T) -> R) {
        while let Some((at, item)) = self.next() {
            let answer = work(item);
            held(&self.answers)[at] = Some(answer);
        }
    }

    fn next(&self) -> Option<(usize, T)> {
        let mut queue = held(&self.queue);
        let next = queue.next();
        if queue.len() == 0 {
            self.drained.notify_one();
        }
        next
    }

    /// Waits until all are being worked on, or for long enough to see that nothing moves; tells which.
    fn watch(&self) -> bool {
        loop {
            let before = self.answered();
            let queue = held(&self.queue);
            let waited = self
                .drained
                .wait_timeout_while(queue, STALL, |queue| queue.len() > 0);
            let (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if queue.len() == 0 {
                return true;
            }
            drop(queue);
            if self.answered() == before {
                return false;
            }
        }
    }

    fn answered(&self) -> usize {
        held(&self.answers).iter().flatten().count()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn what_waits_for_each_other_gets_a_thread_each() {
        let all = Barrier::new(60);
        let answers = map((0..60).collect(), |number| {
            all.wait();
            number * 2
        });
        let expected: Vec<_> = (0..60).map(|number| number * 2).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_is_not_taken_for_an_answer() {
        map((0..40).collect(), |number| {
            assert!(number != 7, "on purpose")
        });
    }
}
