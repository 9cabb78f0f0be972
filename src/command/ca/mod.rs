//! `certbake ca`: the embedded CA made, shown, listed, and served as EST.

pub mod init;
pub mod issue_log;
pub mod serve;
pub mod show;

use crate::authority::embedded::CaError;
use crate::finding::Finding;
use crate::outcome::Outcome;

/// Why nothing could be shown or served.
#[derive(Debug)]
pub struct Failure {
    pub finding: Box<Finding>,
    pub outcome: Outcome,
}

impl From<CaError> for Failure {
    fn from(error: CaError) -> Self {
        Self {
            finding: Box::new(error.finding()),
            outcome: error.outcome(),
        }
    }
}
