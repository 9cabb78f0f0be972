//! The same work on many things by one thread, which turns to another where one has to wait.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::yield_now;
use tokio::time::timeout;

/// Begun at first: a server has its hands full, and is not flooded with connections.
const FIRST: usize = 16;

/// When nothing has ended for so long, all wait for somebody, and as many again are begun.
const STALL: Duration = Duration::from_millis(3);

/// What `work` made of each, as they ended.
pub async fn interleaved<T, R>(items: Vec<T>, work: impl AsyncFn(T) -> R) -> Vec<R> {
    let mut items = items.into_iter();
    let mut ended = Vec::with_capacity(items.len());
    let mut running = FuturesUnordered::new();
    let mut room = FIRST;
    loop {
        while running.len() < room
            && let Some(item) = items.next()
        {
            running.push(work(item));
            tokio::select! {
                biased;
                Some(answer) = running.next() => ended.push(answer),
                () = sent() => {}
            }
        }
        let next = running.next();
        let next = if items.len() == 0 {
            next.await
        } else {
            match timeout(STALL, next).await {
                Ok(next) => next,
                Err(_) => {
                    room *= 2;
                    continue;
                }
            }
        };
        match next {
            Some(answer) => ended.push(answer),
            None => return ended,
        }
    }
}

/// Lets what has begun leave before the next one computes: HTTP/2 sends the head of a request in one turn,
/// its body in the next.
async fn sent() {
    yield_now().await;
    yield_now().await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::sync::Barrier;

    use super::*;
    use crate::net::runtime::block_on;

    #[test]
    fn what_waits_for_each_other_is_all_begun() {
        let all = Barrier::new(60);
        let doubled = interleaved((0..60).collect(), async |number| {
            all.wait().await;
            number * 2
        });
        let mut answers: Vec<i32> = block_on(doubled).unwrap();
        answers.sort_unstable();
        assert_eq!(
            answers,
            (0..60).map(|number| number * 2).collect::<Vec<_>>()
        );
    }

    #[test]
    fn each_has_its_turn_before_the_next_begins() {
        let log = RefCell::new(Vec::new());
        let worked = interleaved(vec![1, 2], async |number: i32| {
            log.borrow_mut().push(format!("{number} begins"));
            yield_now().await;
            log.borrow_mut().push(format!("{number} goes on"));
        });
        block_on(worked).unwrap();
        assert_eq!(
            log.into_inner(),
            ["1 begins", "1 goes on", "2 begins", "2 goes on"]
        );
    }
}
