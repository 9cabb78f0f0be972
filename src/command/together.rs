//! The same work on many things at the same time.

use std::num::NonZero;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The threads to begin with: while one waits for an answer, its processor works for another.
const A_PROCESSOR: usize = 2;

/// When nothing has ended for so long, all threads wait for somebody, and there is room for as many.
const STALL: Duration = Duration::from_millis(3);

/// What `work` made of each, in their order; `None` where it ended by a panic. One alone needs no
/// thread. Many begin with few, since every thread costs a stack and a heap, and soon have one each
/// where an authority takes its time.
pub fn together<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<Option<R>> {
    if items.len() == 1 {
        return items.into_iter().map(|item| Some(work(item))).collect();
    }
    let mut answers: Vec<_> = items.iter().map(|_| None).collect();
    let queue = Mutex::new(items.into_iter().enumerate());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (tell, told) = mpsc::channel();
    let work_through = |tell: Sender<(usize, R)>| {
        while let Some((at, item)) = take() {
            // There is somebody to hear it until every thread has ended.
            let _ = tell.send((at, work(item)));
        }
    };
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut more = A_PROCESSOR * thread::available_parallelism().map_or(1, NonZero::get);
        loop {
            let left = queue.lock().unwrap_or_else(PoisonError::into_inner).len();
            if left == 0 {
                break;
            }
            for _ in 0..more.min(left) {
                let tell = tell.clone();
                threads.push(scope.spawn(|| work_through(tell)));
            }
            more = match told.recv_timeout(STALL) {
                Ok((at, answer)) => {
                    answers[at] = Some(answer);
                    0
                }
                Err(_) => threads.len(),
            };
        }
        drop(tell);
        for (at, answer) in told {
            answers[at] = Some(answer);
        }
        // A panic has left its answer out; it need not be told again.
        threads.into_iter().for_each(|thread| drop(thread.join()));
    });
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn what_waits_for_each_other_gets_a_thread_each() {
        let all = Barrier::new(60);
        let answers = together((0..60).collect(), |number| {
            all.wait();
            number * 2
        });
        let expected: Vec<_> = (0..60).map(|number| Some(number * 2)).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn a_panic_costs_its_own_answer_alone() {
        let answers = together((0..40).collect(), |number| {
            assert!(number % 4 == 3, "on purpose");
            number
        });
        let expected: Vec<_> = (0..40)
            .map(|number| (number % 4 == 3).then_some(number))
            .collect();
        assert_eq!(answers, expected);
    }
}
