//! What the settings may say.

use crate::fake::fault;
use crate::support::contract::try_open;
use crate::support::{Lab, baking};

/// What stands in the settings, the key that is at fault, and what is said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "request = { body = '''{\n\"csr\": \"{{ csr }}\"}''' }",
        "request.body",
        "line 2: what comes out is not JSON",
    ),
    (
        "request = { body = '''{\n\n\"csr\": {{ csrr }}}''' }",
        "request.body",
        "line 3: there is no csrr. Did you mean csr?",
    ),
    (
        "request = { body = '{{ csr' }",
        "request.body",
        "line 1: syntax error",
    ),
    (
        "request = { path = '/x/{{ csr | lowr }}' }",
        "request.path",
        "line 1: unknown filter",
    ),
    (
        "request = { path = 'https://elsewhere/x' }",
        "request.path",
        "start with a slash",
    ),
    ("request = { method = 'post' }", "request.method", "POST"),
    (
        "request = { form = { a = '{{ names.dsn }}' } }",
        "request.form",
        "body is also given",
    ),
    (
        "headers = { x = '{{ nope }}' }",
        "headers.x",
        "there is no nope",
    ),
    // Sent with the revocation too, which knows no CSR.
    (
        "headers = { x = '{{ usage }}' }",
        "headers.x",
        "there is no usage",
    ),
    (
        "headers = { 'a b' = 'x' }",
        "headers.a b",
        "valid header name",
    ),
    ("headers = { x = 'env:TOKEN' }", "headers.x", "secret ="),
    (
        "revoke = { path = '/{{ csr }}' }",
        "revoke.path",
        "there is no csr",
    ),
    (
        "request = { path = '/{{ secrets.tokn }}' }\nsecrets = { token = 'env:T' }",
        "request.path",
        "Did you mean secrets.token?",
    ),
    (
        "pending = { path = '/{{ anser.id }}', status = [202] }",
        "pending.path",
        "Did you mean answer?",
    ),
    ("pending = { path = '/x' }", "pending", "match nothing"),
    (
        "errors = { refused = { equals = [1], status = [200] } }",
        "errors.refused.equals",
        "pointer",
    ),
    (
        "answer = { certificate = 'data' }",
        "answer.certificate",
        "slash",
    ),
    ("username = 'x'\npassword = 'env:P'", "token", "one login"),
    ("token = 'xyzzy-plain'", "token", "env:NAME"),
];

#[test]
fn a_fault_in_a_template_has_its_key_and_its_line() {
    for (change, key, words) in FAULTS {
        let error = fault(change);
        assert_eq!(error.key, *key, "{change}: {error}");
        assert!(error.reason.contains(words), "{change}: {error}");
        assert!(!error.to_string().contains("xyzzy"), "{error}");
    }
    assert!(
        fault("request = { bdy = '' }")
            .reason
            .contains("unknown field `bdy`")
    );
}

#[test]
fn the_example_is_read() {
    let lab = Lab::new("Lab");
    let opened = try_open("http", baking::example("http"), &lab.anchors());
    assert!(opened.is_ok(), "{:?}", opened.err());
}
