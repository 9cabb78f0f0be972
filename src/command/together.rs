//! The same work on many things at the same time.

use std::sync::{PoisonError, RwLock, mpsc};
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

/// How far [`in_step`] came, with what ended by a panic as `None`.
pub enum Steps<M, E, R> {
    /// `first` failed for one at least, so `second` was done for none.
    First(Vec<Option<Result<M, E>>>),
    Second(Vec<Option<R>>),
}

/// `first` on each, and once it has succeeded for all of them, `second` on what it made; in their
/// order. Each has one thread for both steps, one alone needs none.
pub fn in_step<T: Send, M: Send, E: Send, R: Send>(
    items: Vec<T>,
    first: impl Fn(T) -> Result<M, E> + Sync,
    second: impl Fn(M) -> R + Sync,
) -> Steps<M, E, R> {
    let count = items.len();
    if count == 1 {
        let made: Vec<_> = items.into_iter().map(first).collect();
        return match made.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(made) => Steps::Second(made.into_iter().map(|made| Some(second(made))).collect()),
            Err(error) => Steps::First(vec![Some(Err(error))]),
        };
    }
    let (succeed, succeeded) = mpsc::channel();
    // Held closed until it is known how the first step went for all.
    let gate = RwLock::new(false);
    let is_open = || *gate.read().unwrap_or_else(PoisonError::into_inner);
    let both = |item: T, succeed: mpsc::Sender<()>| {
        let made = first(item);
        if made.is_ok() {
            let _ = succeed.send(());
        }
        drop(succeed);
        match made {
            Ok(made) if is_open() => Ok(second(made)),
            made => Err(made),
        }
    };
    let both = &both;
    let ended: Vec<_> = thread::scope(|scope| {
        let mut open = gate.write().unwrap_or_else(PoisonError::into_inner);
        let threads: Vec<_> = items
            .into_iter()
            .map(|item| {
                let succeed = succeed.clone();
                scope.spawn(move || both(item, succeed))
            })
            .collect();
        drop(succeed);
        *open = succeeded.iter().count() == count;
        drop(open);
        let threads = threads.into_iter();
        threads.map(|thread| thread.join().ok()).collect()
    });
    let ended = ended.into_iter();
    if is_open() {
        Steps::Second(ended.map(|ended| ended.and_then(Result::ok)).collect())
    } else {
        Steps::First(ended.map(|ended| ended.and_then(Result::err)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_second_step_begins_when_the_first_has_ended_for_all() {
        let first_ended = AtomicUsize::new(0);
        let steps = in_step(
            (0..20).collect(),
            |number| {
                thread::sleep(std::time::Duration::from_millis(number % 5));
                first_ended.fetch_add(1, Ordering::SeqCst);
                Ok::<_, ()>(number)
            },
            |number| (number, first_ended.load(Ordering::SeqCst)),
        );
        let Steps::Second(ended) = steps else {
            panic!("the first step succeeded for all")
        };
        let expected: Vec<_> = (0..20).map(|number| Some((number, 20))).collect();
        assert_eq!(ended, expected);
    }

    #[test]
    fn one_that_fails_or_panics_keeps_the_second_step_from_all() {
        for count in [1, 3] {
            let steps = in_step(
                (0..count).collect(),
                |number| match number {
                    0 => Err("no"),
                    1 => panic!("on purpose"),
                    number => Ok(number),
                },
                |_| panic!("not to be reached"),
            );
            let Steps::<u32, _, ()>::First(ended) = steps else {
                panic!("the first step failed")
            };
            assert_eq!(ended, [Some(Err("no")), None, Some(Ok(2))][..ended.len()]);
            assert_eq!(ended.len(), count as usize);
        }
    }
}
