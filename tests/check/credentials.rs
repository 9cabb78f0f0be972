//! One credential: its certificate, its key, its chain, its window, and what is said where they do not fit.

use std::fs;
use std::path::Path;

use certbake::pki::{SigningRequest, Subject, Usage, ber, pem};
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::lab::{Leaf, NOW};
use crate::support::{Desk, check, run};

#[test]
fn a_good_credential_passes_and_is_shown() {
    let desk = Desk::new();
    let (cert, anchors, key) = desk.credential(&desk.issuing.leaf());
    let run = check(&[
        "--cert",
        &cert,
        "--anchors",
        &anchors,
        "--key",
        &key,
        "--usage",
        "client",
        "--name",
        "app.internal",
        "--min-validity",
        "21d",
    ])
    .ends(0);
    assert_eq!(run.findings(), [""; 0]);
    assert_eq!(run.checked(), 2);
    let identity = &run.report["identities"][0];
    assert_eq!(identity["name"], "app-server");
    assert_eq!(identity["certificate"]["chain"][0], "Lab Issuing");
    assert_eq!(identity["window"]["remaining_seconds"], 30 * 86_400);
    assert_eq!(identity["window"]["floor"]["origin"], "--min-validity");
}

#[test]
fn intermediates_may_come_in_a_file_of_their_own_and_files_may_be_der() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    let cert = desk.put("app.der", leaf.certificate.der());
    let key = desk.put("app.key", leaf.key.expose_pkcs8());
    let intermediates = desk.put(
        "issuers.pem",
        desk.issuing.certificate.pem().replace('\n', "\r\n"),
    );
    let anchors = desk.put("ca.der", desk.root.certificate.der());
    check(&[
        "--cert",
        &cert,
        "--key",
        &key,
        "--intermediates",
        &intermediates,
        "--anchors",
        &anchors,
    ])
    .ends(0);

    let run = check(&["--cert", &cert, "--anchors", &anchors]).ends(4);
    assert_eq!(run.findings(), ["chain-incomplete app.der"]);
}

#[test]
fn intermediates_may_be_the_whole_chain_with_the_certificate_in_it() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    let (chain, anchors, _) = desk.credential(&leaf);
    let alone = desk.put("alone.crt", leaf.certificate.pem());
    let words = [
        "--cert",
        &alone,
        "--intermediates",
        &chain,
        "--anchors",
        &anchors,
    ];
    let run = check(&words).ends(0);
    assert_eq!(run.findings(), [""; 0]);
    assert_eq!(run.checked(), 2);
}

#[test]
fn a_window_that_is_too_short_ends_with_the_code_of_the_window() {
    let desk = Desk::new();
    let (cert, anchors, _) = desk.credential(&desk.issuing.leaf());
    let run = check(&[
        "--cert",
        &cert,
        "--anchors",
        &anchors,
        "--min-validity",
        "31d",
    ])
    .ends(3);
    assert_eq!(run.findings(), ["window-below-floor app.crt"]);
    assert_eq!(run.report["outcome"], "window");

    let run = check(&["--cert", &cert, "--at", "2026-07-02T00:00:00Z"]).ends(3);
    assert_eq!(
        run.findings(),
        ["expired app.crt", "trust-not-checked app.crt"]
    );
}

#[test]
fn a_floor_that_reaches_past_the_last_year_is_drawn_all_the_same() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let words = ["check", "--cert", &cert, "--min-validity", "30d"];
    let at = ["--at", "9999-12-31T23:59:59Z", "--report", "json"];
    let drawn = ["--report", "human=/dev/null"];
    run(&[&words[..], &at, &drawn].concat(), &[]).ends(3);
}

#[test]
fn a_key_of_another_issuance_is_found_out() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let (_, _, key) = desk.credential(&desk.issuing.leaf());
    let cert_of_first = desk.put("first.crt", desk.issuing.leaf().certificate.pem());
    let run = check(&["--cert", &cert_of_first, "--key", &key]).ends(4);
    assert_eq!(
        run.findings(),
        ["key-mismatch first.crt", "trust-not-checked first.crt"]
    );

    let run = check(&["--cert", &cert, "--key", &cert]).ends(4);
    assert_eq!(
        run.findings(),
        ["key-unreadable app.crt", "trust-not-checked app.crt"]
    );
}

#[test]
fn without_anchors_it_is_said_that_trust_was_not_checked_and_what_needs_them_is_refused() {
    let desk = Desk::new();
    let (cert, anchors, key) = desk.credential(&desk.issuing.leaf());
    let run = check(&["--cert", &cert, "--key", &key]).ends(0);
    assert_eq!(run.findings(), ["trust-not-checked app.crt"]);
    check(&["--cert", &cert, "--anchors", &anchors, "--strict"]).ends(0);
    for target in [vec!["--cert", &cert], vec![cert.as_str()]] {
        let run = check(&[&target[..], &["--strict"]].concat()).ends(2);
        let said = run.report["findings"][0]["summary"].as_str().unwrap();
        assert_eq!(said, "--strict: it requires --anchors, which is not given");
    }
    check(&["--cert", &cert, "--crl", &anchors]).ends(2);
}

#[test]
fn a_der_file_of_another_kind_is_called_by_its_name() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    let request = SigningRequest::new(
        &leaf.key,
        Subject {
            common_name: Some("app".to_owned()),
            ..Subject::default()
        },
        Vec::new(),
        Usage::Client,
    )
    .unwrap();
    let request = desk.put("app.der", request.der());
    let run = check(&["--cert", &request]).ends(4);
    assert_eq!(run.findings(), ["nothing-to-check app.der"]);
    desk.put("tls/request.der", fs::read(&request).unwrap());
    desk.put("tls/app.crt", leaf.certificate.pem());
    let run = check(&[&desk.path("tls")]).ends(0);
    assert_eq!(run.checked(), 1);

    // A PFX begins with its version, 3, and a CMS message.
    let store = desk.put("app.p12", [0x30, 0x07, 2, 1, 3, 0x30, 2, 6, 0]);
    let run = check(&["--cert", &store]).ends(4);
    let finding = &run.report["findings"][0];
    assert!(finding["summary"].as_str().unwrap().contains("PKCS#12"));
    assert!(finding["hint"].as_str().unwrap().contains("openssl pkcs12"));
}

#[test]
fn a_trusted_certificate_is_one_and_a_message_says_how_to_take_its_certificates_out() {
    let desk = Desk::new();
    let Leaf {
        certificate: leaf,
        key,
    } = desk.issuing.leaf();
    let message = certbake::pki::pkcs7::certs_only(&[leaf.der()]);
    let trusted = [leaf.der(), b"\x30\x00"].concat();
    desk.put(
        "d/trusted.pem",
        pem::encode("TRUSTED CERTIFICATE", &trusted),
    );
    desk.put("d/old.pem", pem::encode("X509 CERTIFICATE", leaf.der()));
    assert_eq!(check(&[&desk.path("d")]).ends(0).checked(), 2);
    let files = [
        desk.put("chain.p7b", &message),
        desk.put("chain.pem", pem::encode("PKCS7", &message)),
    ];
    for file in &files {
        let run = check(&[file]).ends(4);
        let finding = &run.report["findings"][0];
        assert_eq!(finding["code"], "file-unreadable", "{finding}");
        assert!(
            finding["hint"].as_str().unwrap().contains("openssl pkcs7"),
            "{finding}"
        );
    }
    // Nothing for us, as in PEM.
    desk.put("d/public.der", key.spki());
    check(&[&desk.path("d")]).ends(0);
}

/// As `openssl x509 -trustout` writes them: usages trusted, and `[0]` usages rejected.
#[test]
fn an_anchor_is_one_as_far_as_openssl_s_marks_behind_it_permit() {
    const CLIENT: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";
    const SERVER: &[u8] = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    let (certificate, plain, _) = desk.credential(&leaf);
    let marked = |tag: u8, usage: &[u8]| {
        let said = ber::write(ber::SEQUENCE, &ber::write(tag, usage));
        pem::encode(
            "TRUSTED CERTIFICATE",
            &[desk.root.certificate.der(), &said].concat(),
        )
    };
    let trusted = desk.put("trusted.pem", marked(ber::SEQUENCE, CLIENT));
    check(&["--cert", &certificate, "--anchors", &trusted]).ends(0);
    for (tag, usage) in [(ber::CONTEXT_0, CLIENT), (ber::SEQUENCE, SERVER)] {
        let marked = desk.put("marked.pem", marked(tag, usage));
        let run = check(&["--cert", &certificate, "--anchors", &marked]).ends(4);
        let finding = &run.report["findings"][0];
        assert_eq!(finding["code"], "file-unreadable", "{finding}");
        assert!(
            finding["hint"].as_str().unwrap().contains("-clrtrust"),
            "{finding}"
        );
        // Beside a plain one they are only left out.
        let both = fs::read_to_string(&plain).unwrap() + &fs::read_to_string(&marked).unwrap();
        let both = desk.put("both.pem", both);
        let run = check(&["--cert", &certificate, "--anchors", &both]).ends(0);
        assert_eq!(run.report["findings"][0]["severity"], "note");
    }
}

#[test]
fn a_folder_given_as_a_certificate_is_said_to_be_one() {
    let desk = Desk::new();
    let run = check(&["--cert", Path::new(&desk.path("")).to_str().unwrap()]).ends(4);
    assert!(
        run.findings()[0].starts_with("file-unreadable"),
        "{:?}",
        run.findings()
    );
}

#[test]
fn words_that_cannot_be_used_are_refused_and_say_why() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let cases: &[(&[&str], &str)] = &[
        (&[], "nothing to check is given"),
        (&["--cert", &cert, &cert], "exclude each other"),
        (&["--key", &cert, &cert], "--key: it requires --cert"),
        (
            &["--cert", &cert, "--config", "x"],
            "--config: it requires --root",
        ),
        (
            &["--cert", &cert, "--min-validity", "disabled"],
            "--min-validity",
        ),
        (&["--cert", &cert, "--usage", "both"], "--usage"),
        (&["--cert", &cert, "--name", "a b"], "--name"),
        (&["--cert", &cert, "--at", "tomorrow"], "--at"),
        // In UTC, it is in the year 10000.
        (
            &["--cert", &cert, "--at", "9999-12-31T23:59:59-01:00"],
            "--at",
        ),
    ];
    for (words, reason) in cases {
        let run = check(words).ends(2);
        let summary = run.report["findings"][0]["summary"].as_str().unwrap();
        assert!(summary.contains(reason), "{words:?}: {summary}");
    }
}

#[test]
fn a_root_in_the_environment_gives_way_to_what_was_asked_for() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let now = NOW.format(&Rfc3339).unwrap();
    let words = ["check", "--report", "json", "--cert", &cert, "--at", &now];
    run(
        &words,
        &[
            ("CERTBAKE_ROOT", "/nowhere"),
            ("CERTBAKE_MIN_VALIDITY", "1d"),
        ],
    )
    .ends(0);
    run(&words, &[("CERTBAKE_MIN_VALIDITY", "31d")]).ends(3);
}

#[test]
fn a_certificate_behind_its_issuer_is_judged_and_its_place_is_a_fault() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    let issuer_first = desk.issuing.certificate.pem() + &leaf.certificate.pem();
    let file = desk.put("chain.pem", issuer_first);
    // What loads it takes the issuer for the certificate.
    let run = check(&["--cert", &file]).ends(4);
    assert_eq!(
        run.findings(),
        ["chain-misordered chain.pem", "trust-not-checked chain.pem"]
    );
    assert_eq!(run.report["findings"][0]["severity"], "error");
    // The issuer has long to go, the certificate has not.
    let end = leaf.certificate.window().not_after;
    let later = (end + Duration::DAY).format(&Rfc3339);
    let run = check(&["--cert", &file, "--at", &later.unwrap()]).ends(4);
    assert_eq!(run.findings()[0], "expired chain.pem");
}
