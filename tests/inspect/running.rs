//! Where the input comes from, and what is never shown of it.

use serde_json::Value;

use crate::built;
use crate::support::{Lab, PASSWORD};

#[test]
fn a_missing_file_does_not_keep_the_others_from_being_shown() {
    let lab = Lab::new();
    let shown = lab.inspect("nosuch . app.pem");
    assert_eq!(shown.exit_code, 2);
    assert!(
        shown.text.contains("reading it: no such file or directory"),
        "{}",
        shown.text
    );
    assert!(
        shown.text.contains("reading it: is a directory"),
        "{}",
        shown.text
    );
    assert_eq!(shown.row("subject"), "O=Lab, CN=app-server");
}

#[test]
fn standard_input_is_read() {
    let lab = Lab::new();
    let shown = lab.inspect_with("-", &lab.read("app.pem"));
    assert_eq!(shown.exit_code, 0);
    assert_eq!(shown.row("standard input"), "PEM, 1 item");
}

#[test]
fn a_hostile_name_cannot_move_the_cursor() {
    let lab = Lab::new();
    lab.write("evil.cnf", "[req]\nprompt=no\ndistinguished_name=dn\nstring_mask=utf8only\nutf8=yes\n[dn]\nCN=\u{1b}[2Jgood\u{202e}live\n");
    lab.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config evil.cnf -utf8 -keyout evil.key -out evil.pem");
    for words in ["evil.pem", "evil.pem --report json"] {
        let shown = lab.inspect(words);
        assert!(
            shown.text.contains("good") && shown.text.contains("live"),
            "{}",
            shown.text
        );
        assert!(
            !shown.text.contains(['\u{1b}', '\u{202e}']),
            "{:?}",
            shown.text
        );
    }
}

#[test]
fn no_part_of_a_key_or_password_is_ever_shown() {
    let lab = Lab::new();
    lab.openssl("pkcs8 -topk8 -in app.key -passout env:PASSWORD -out encrypted.pem");
    lab.openssl("ec -in app.key -outform DER -out sec1.der");
    // RFC 5915: version, then the private key as an octet string of 32 octets.
    let scalar = &lab.read("sec1.der")[7..39];
    let pem = String::from_utf8(lab.read("app.key")).unwrap();
    let mut secrets = vec![PASSWORD.to_owned(), data_encoding::HEXLOWER.encode(scalar)];
    secrets.extend(
        pem.lines()
            .filter(|line| !line.starts_with("-----"))
            .map(str::to_owned),
    );
    for words in [
        "app.key encrypted.pem sec1.der --password env:PASSWORD",
        "app.key encrypted.pem sec1.der --password env:PASSWORD --report json",
    ] {
        let shown = lab.inspect(words).text;
        for secret in &secrets {
            assert!(!shown.contains(secret.as_str()), "{shown}");
        }
    }
}

#[test]
fn a_password_is_never_taken_from_the_command_line_itself() {
    let lab = Lab::new();
    let output = built::certbake()
        .args(["inspect", "app.pem", "--password", PASSWORD])
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint.contains("never the secret itself"), "{complaint}");
    assert!(!complaint.contains(PASSWORD), "{complaint}");
}

#[test]
fn the_published_schema_describes_what_is_written() {
    let lab = Lab::new();
    lab.join(&["app.key", "app.pem", "issuing.pem", "app.csr"], "all.pem");
    lab.openssl("pkcs12 -export -in all.pem -name app -passout env:PASSWORD -out store.p12");
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/schema/inspection.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for words in [
        "all.pem",
        "store.p12 --password env:PASSWORD",
        "store.p12",
        "nosuch",
    ] {
        let shown = lab.inspect(&format!("{words} --report json")).json();
        let errors: Vec<String> = validator
            .iter_errors(&shown)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{words}: {errors:?}");
    }
}
