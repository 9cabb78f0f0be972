//! What each outcome means and what to do about it: the words of `docs/exit-codes.md` and of the
//! last line of a failed run.

use crate::outcome::{Outcome, Report};

/// A row of the contract.
pub struct ExitCode {
    pub outcome: Outcome,
    pub meaning: &'static str,
    /// Whether the same command may succeed later, nothing else changed.
    /// `None` where nothing failed.
    pub again: Option<bool>,
    /// What a pipeline does about it.
    pub pipeline: &'static str,
}

/// Whether the same command may succeed later, nothing else changed.
pub fn again(report: &Report) -> Option<bool> {
    let errors = report.findings.iter().filter(|found| found.is_error());
    let mut passing = errors.map(|error| error.code.is_passing());
    let again = of(report.outcome).again;
    if passing.next() == Some(true) && passing.all(|passes| passes) {
        return Some(true);
    }
    again
}

/// The row of an outcome.
pub const fn of(outcome: Outcome) -> ExitCode {
    let (meaning, again, pipeline) = match outcome {
        Outcome::Ok => ("everything is as requested", None, "Go on."),
        Outcome::Internal => (
            "a bug in certbake",
            Some(false),
            "Fail the build and report the bug with the output; if only writing a report failed, standard error says so.",
        ),
        Outcome::Usage => (
            "flags, configuration or settings cannot be used, or the trust settings do not match the CA",
            Some(false),
            "Fail the build; the finding names the file, the line and the key, or the root to trust.",
        ),
        Outcome::Window => (
            "the certificate would not last long enough: less than was asked for, or than the floor requires",
            Some(false),
            "Fail the build. Ask for a longer lifetime or raise the limit at the CA, renew the intermediate, or lower the floor on purpose.",
        ),
        Outcome::Flawed => (
            "what was issued or written is wrong: key, chain, names, usage, algorithm, mode or owner",
            Some(false),
            "Fail the build; the findings say what differs from what was asked.",
        ),
        Outcome::Refused => (
            "the CA said no",
            Some(false),
            "Fail the build; correct the login, the role or the names: the finding has the CA's message.",
        ),
        Outcome::Unreachable => (
            "the CA or service could not be reached, or kept answering 429 or 5xx",
            Some(true),
            "Retry the job a few times, some minutes apart.",
        ),
        Outcome::Image => (
            "the image could not be read or written; nothing in it was changed, unless a finding says otherwise",
            Some(false),
            "Fail the build; check the path, the space and the permissions that the finding names.",
        ),
        Outcome::Rejected => (
            "the mTLS service refused the credential, or asked for none",
            Some(false),
            "Fail the build; the service does not trust this certificate, or is not the one you meant.",
        ),
        Outcome::StaleButGood => (
            "renewal was due and failed, but the current certificate is still above the floor",
            Some(true),
            "Pass with a warning, and retry before rebuild_by.",
        ),
        Outcome::NothingDue => (
            "nothing was due (only with --detailed-exit-code)",
            None,
            "Go on; nothing changed, so nothing needs a restart.",
        ),
    };
    ExitCode {
        outcome,
        meaning,
        again,
        pipeline,
    }
}

/// The Markdown table of `docs/exit-codes.md`.
pub fn table() -> String {
    let mut table = String::from(
        "| code | outcome | when | does a retry help | in a pipeline |\n|---|---|---|---|---|\n",
    );
    for outcome in Outcome::ALL {
        let row = of(outcome);
        let again = match row.again {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        table.push_str(&format!(
            "| {} | `{}` | {} | {} | {} |\n",
            outcome.exit_code(),
            outcome.as_str(),
            row.meaning,
            again,
            row.pipeline
        ));
    }
    table
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::finding::{Code, Finding};

    fn ended(codes: &[Code]) -> Option<bool> {
        let mut report = Report::new("provision", OffsetDateTime::UNIX_EPOCH);
        report.conclude(Outcome::Image);
        let errors = codes.iter().map(|code| Finding::error(*code, "no"));
        report.findings.extend(errors);
        report
            .findings
            .push(Finding::note(Code::new("said"), "by the way"));
        again(&report)
    }

    #[test]
    fn a_retry_helps_where_every_error_passes_by_itself() {
        let (lasting, passing) = (Code::new("lasting"), Code::new("a-moment").passing());
        assert_eq!(ended(&[passing, passing]), Some(true));
        assert_eq!(ended(&[passing, lasting]), Some(false));
        assert_eq!(ended(&[lasting]), Some(false));
        assert_eq!(ended(&[]), Some(false));
    }
}
