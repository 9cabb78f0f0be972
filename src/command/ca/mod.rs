//! `certbake ca`: the embedded CA made, shown, listed, and served as EST.

pub mod init;
pub mod issue_log;
pub mod serve;
pub mod show;

use crate::authority::embedded::CaError;
use crate::command::Failure;

impl From<CaError> for Failure {
    fn from(error: CaError) -> Self {
        Self {
            finding: Box::new(error.finding()),
            outcome: error.outcome(),
        }
    }
}
