//! What all orders of one authority share: a login, a session, opened by the first that needs it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::AuthorityError;

/// Opened once. Orders that waited while another one failed to open it share that failure; a later
/// one tries again.
pub struct Shared<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    opened: Option<Arc<T>>,
    failed: Option<(Instant, AuthorityError)>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                opened: None,
                failed: None,
            }),
        }
    }
}

impl<T> Shared<T> {
    /// What is open, or what `open` makes.
    ///
    /// # Errors
    /// As `open`.
    pub fn get(
        &self,
        open: impl FnOnce() -> Result<T, AuthorityError>,
    ) -> Result<Arc<T>, AuthorityError> {
        let arrived = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &state.opened {
            return Ok(Arc::clone(opened));
        }
        match &state.failed {
            Some((at, error)) if *at > arrived => return Err(error.clone()),
            _ => {}
        }
        match open() {
            Ok(opened) => Ok(Arc::clone(state.opened.insert(Arc::new(opened)))),
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// What is open, which then no longer is.
    pub fn take(&self) -> Option<Arc<T>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.opened.take()
    }

    /// Has the next order open anew, unless another one has done so already.
    pub fn forget(&self, spent: &Arc<T>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state
            .opened
            .as_ref()
            .is_some_and(|opened| Arc::ptr_eq(opened, spent))
        {
            state.opened = None;
        }
    }
}
