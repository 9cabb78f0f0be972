//! What EJBCA refuses, and what to do there.

use std::time::Duration;

use crate::fake::{Ejbca, error};
use crate::support::Reply;
use crate::support::contract::{PATIENCE, Run};

/// Status, EJBCA's words, what the hint must name, whether asking again may help.
const TABLE: &[(u16, &str, &str, bool)] = &[
    (
        400,
        "Subject DN not allowed",
        "does not sign this request",
        false,
    ),
    (401, "Authorization failed", "does not know", false),
    (403, "Administrator not authorized to CA", "role", false),
    (
        404,
        "CA with name X doesn't exist",
        "certificate_authority",
        false,
    ),
    (
        409,
        "conflicting with an existing one",
        "one certificate a key",
        false,
    ),
    (408, "Request Timeout", "in time", true),
    (413, "too long", "does not sign", false),
    (422, "ENDTIME is not allowed", "send_end_time", false),
    (500, "General failure.", "server log", true),
];

#[test]
fn each_status_is_told_in_ejbcas_words_with_what_to_do_in_ejbca() {
    for (status, words, hint, passes) in TABLE {
        let run = Run::new(&Ejbca, PATIENCE, move |_, _, _| error(*status, words));
        let finding = if *passes {
            run.unreachable()
        } else {
            run.refused()
        };
        assert!(finding.summary.contains(words), "{}", finding.summary);
        assert!(finding.hint.contains(hint), "{status}: {}", finding.hint);
    }
}

#[test]
fn a_ca_that_is_offline_is_asked_again_and_then_told() {
    let run = Run::new(&Ejbca, Duration::from_secs(1), |_, _, _| {
        error(503, "Device was unavailable.")
    });
    let finding = run.unreachable();
    assert!(
        finding.summary.contains("Device was unavailable"),
        "{}",
        finding.summary
    );
    assert!(
        finding
            .hint
            .contains("activate the CA and its crypto token"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_page_that_is_not_ejbcas_points_at_the_url() {
    let run = Run::new(&Ejbca, PATIENCE, |_, _, _| {
        Reply::status(404).body("<h1>Not Found</h1>")
    });
    assert!(run.refused().hint.contains("REST API is enabled"));
}
