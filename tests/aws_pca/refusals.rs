//! Exceptions, in words and without secrets.

use crate::fake::{AwsPca, exception};
use crate::support::contract::{CANARY, PATIENCE, Run};

#[test]
fn every_exception_is_told_in_words() {
    for (name, code, word) in [
        (
            "AccessDeniedException",
            "ca-login-refused",
            "acm-pca:IssueCertificate",
        ),
        (
            "UnrecognizedClientException",
            "ca-login-refused",
            "access key",
        ),
        ("InvalidSignatureException", "ca-login-refused", "clock"),
        ("ExpiredTokenException", "ca-login-refused", "expired"),
        (
            "ResourceNotFoundException",
            "ca-refused",
            "certificate_authority",
        ),
        ("InvalidStateException", "ca-refused", "disabled"),
        ("LimitExceededException", "ca-refused", "quota"),
        ("MalformedCSRException", "ca-refused", "subject"),
        ("InvalidArgsException", "ca-refused", "template"),
        ("ValidationException", "ca-refused", "template"),
        ("SomethingNewException", "ca-refused", "its message"),
    ] {
        let run = Run::new(&AwsPca, PATIENCE, move |_, _, _| {
            exception(400, name, "because of reasons")
        });
        assert_eq!(run.orders(&AwsPca).len(), 1, "{name} was asked again");
        let finding = run.refused();
        assert_eq!(finding.code.as_str(), code, "{name}");
        assert!(finding.summary.contains(name), "{}", finding.summary);
        assert!(finding.summary.contains("because of reasons"));
        assert!(finding.hint.contains(word), "{name}: {}", finding.hint);
    }
}

#[test]
fn a_secret_that_aws_echoes_is_not_repeated() {
    let run = Run::new(&AwsPca, PATIENCE, |_, _, _| {
        exception(
            400,
            "ValidationException",
            &format!("secret {CANARY} is bad"),
        )
    });
    let finding = run.refused();
    assert!(
        finding.summary.contains("[withheld]"),
        "{}",
        finding.summary
    );
}
