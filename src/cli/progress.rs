//! "Still at it": what is being waited for, on stderr, once a wait is longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::command::Progress;
use crate::net::OnWait;

/// Short waits need no words.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tells a thread of its own what is waited for; the thread starts with the first step.
pub struct Waiting {
    teller: Mutex<Option<(Sender<String>, JoinHandle<()>)>>,
}

impl Waiting {
    pub const fn new() -> Self {
        Self {
            teller: Mutex::new(None),
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

    /// No more steps: nothing is written to stderr after this.
    pub fn end(&self) {
        let teller = self
            .teller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((steps, thread)) = teller {
            drop(steps);
            let _ = thread.join();
        }
    }
}

impl Progress for Waiting {
    fn step(&self, what: &str) {
        let mut teller = self.teller.lock().unwrap_or_else(PoisonError::into_inner);
        let (steps, _) = teller.get_or_insert_with(|| {
            let (steps, told) = mpsc::channel::<String>();
            (steps, std::thread::spawn(move || tell(&told)))
        });
        // The teller ends only after `end`, so there is always one to listen.
        let _ = steps.send(what.to_owned());
    }
}

fn tell(steps: &mpsc::Receiver<String>) {
    let mut waiting_for: Option<String> = None;
    loop {
        let step = match &waiting_for {
            Some(_) => steps.recv_timeout(PATIENCE),
            None => steps.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match step {
            Ok(step) => waiting_for = Some(step),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(step) = waiting_for.take() {
                    say(&step);
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
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
