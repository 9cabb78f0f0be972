//! The one runtime for everything asynchronous. It has no thread of its own: whoever waits drives it,
//! and several threads may wait at once (orders of several identities share one client).

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Runs `future` to its end on this thread. What it has spawned rests until somebody waits again.
/// Not to be called from inside a future.
///
/// # Errors
/// When the operating system gives no descriptors for a runtime.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(started()?.block_on(future))
}

/// The runtime, which the first caller starts.
pub(super) fn started() -> io::Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let fresh = Builder::new_current_thread().enable_all().build()?;
    Ok(RUNTIME.get_or_init(|| fresh))
}

/// Waits, and holds no thread.
pub async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Lets everything that is ready go on, so that a kept connection is known to be closed when the
/// server has closed it: nobody was there to see.
pub(super) async fn catch_up() {
    // As a task, since another thread may be the one that turns. The first turn asks the kernel, the
    // second lets those it woke do their work.
    let turns = tokio::spawn(async {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    });
    let _ = turns.await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread;

    #[test]
    fn several_threads_wait_on_the_one_runtime_at_once() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let waits = thread::spawn(|| block_on(told).unwrap().unwrap()).unwrap();
        block_on(async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            tell.send(7).unwrap();
        })
        .unwrap();
        assert_eq!(waits.join().unwrap(), 7);
    }
}
