//! Is the chain no longer than peers allow.

use super::{Case, Check};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;

/// The chain has no more intermediates than peers allow.
pub(super) const TOO_LONG: Check = Check {
    code: Code::new("chain-too-long"),
    outcome: Outcome::Flawed,
    not_made: |case| {
        let limit = case.policy.max_depth;
        limit
            .is_none()
            .then_some("no limit on the chain's length is set")
    },
    run: too_long,
};

fn too_long(case: &Case<'_>) -> Vec<Finding> {
    let Some(allowed) = case.policy.max_depth else {
        return Vec::new();
    };
    let intermediates = &case.chain.intermediates;
    if intermediates.len() <= allowed {
        return Vec::new();
    }
    let titles: Vec<_> = intermediates.iter().map(|link| link.title()).collect();
    let count = match titles.len() {
        1 => "1 intermediate".to_owned(),
        several => format!("{several} intermediates"),
    };
    vec![
        Finding::error(
            TOO_LONG.code,
            format!("the chain has {count}, more than the {allowed} allowed by --max-depth"),
        )
        .fact("intermediates", titles)
        .fact("allowed", allowed)
        .hint("raise the limit on the peers (nginx: ssl_verify_depth, Apache: SSLVerifyDepth), or have the certificate issued by a CA nearer to the root"),
    ]
}
