//! Threads, which a container with a limit of processes may refuse: the standard library's own ways
//! to start one panic then.

use std::io;
use std::panic::resume_unwind;
use std::thread::{self, Builder, JoinHandle};

/// # Errors
/// When the system gives no further thread, in words.
pub fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().spawn(work).map_err(refused)
}

/// Why no thread or program was started: of a limit the system says no more than "temporarily unavailable".
pub fn refused(error: io::Error) -> io::Error {
    const LIMIT: &str = "no further thread or program may be started here (see ulimit -u, or the container's limit of processes)";
    if error.kind() == io::ErrorKind::WouldBlock {
        return io::Error::new(error.kind(), LIMIT);
    }
    error
}

/// The answers of both: at the same time where there is a second thread, else one after the other.
pub fn both<A: Send, B>(beside: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let other = Builder::new().spawn_scoped(scope, &beside);
        let here = here();
        let other = other.map_or_else(
            |_| beside(),
            |thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
        );
        (other, here)
    })
}
