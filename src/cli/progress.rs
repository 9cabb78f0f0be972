//! "Still at it": what is being waited for, on stderr, once a wait is longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::command::Progress;
use crate::net::OnWait;
use crate::thread;

/// Short waits need no words.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread of its own tells what is waited for; it starts with the first step, and steps that are
/// soon over do not wake it.
pub struct Waiting {
    heard: Arc<Heard>,
    teller: Once,
}

#[derive(Default)]
struct Heard {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The last step that was not told, and when it began.
    step: Option<(String, Instant)>,
    /// The teller has nothing to look after until it is woken.
    rests: bool,
    ended: bool,
}

impl Waiting {
    pub fn new() -> Self {
        Self {
            heard: Arc::default(),
            teller: Once::new(),
        }
    }

    /// Tells of the waits of an authority's client as of a step, those that are long enough.
    pub fn on_wait(self: &Arc<Self>) -> OnWait {
        let waiting = Arc::clone(self);
        Arc::new(move |wait| {
            if wait.wait >= PATIENCE {
                waiting.step(&wait.to_string());
            }
        })
    }

    /// No more steps: nothing is written to stderr after this. The teller is not waited for.
    pub fn end(&self) {
        let mut state = self.heard.state();
        state.ended = true;
        if state.rests {
            self.heard.changed.notify_one();
        }
    }
}

impl Progress for Waiting {
    fn step(&self, what: &str) {
        let mut state = self.heard.state();
        state.step = Some((what.to_owned(), Instant::now()));
        if state.rests {
            self.heard.changed.notify_one();
        }
        drop(state);
        self.teller.call_once(|| {
            let heard = Arc::clone(&self.heard);
            // Where the system gives no thread, the work goes on without a word.
            let _ = thread::spawn(move || heard.tell());
        });
    }
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let mut state = self.state();
        while !state.ended {
            let begun = state.step.as_ref().map(|(_, begun)| *begun);
            state.rests = begun.is_none();
            state = match begun.map(|begun| PATIENCE.saturating_sub(begun.elapsed())) {
                // Said before the state is let go, so that the end waits for what is being said.
                Some(Duration::ZERO) => {
                    state.step.take().iter().for_each(|(step, _)| say(step));
                    state
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let woken = self.changed.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }
}

fn say(step: &str) {
    let mut stderr = anstream::stderr().lock();
    let dots = if std::io::stderr().is_terminal() {
        " …"
    } else {
        "..."
    };
    let _ = writeln!(stderr, "certbake: {step}{dots}");
}
