//! The embedded authority: a CA in a directory, from its first use to its end.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certbake::authority::embedded::{CaDirectory, CaError, NewCa, Terms};
use certbake::authority::{AuthorityError, CATALOGUE, Depth, Issued, Opened, Order, Settings};
use certbake::finding::Finding;
use certbake::pki::path::validate;
use certbake::pki::{
    AltName, Anchors, Certificate, Credential, KeyAlgorithm, PrivateKey, ReceivedRequest,
    SigningRequest, Subject, Usage,
};
use certbake::span::Span;
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-06-01 12:00 UTC);

fn days(count: i64) -> Span {
    Span::seconds(count * 86_400)
}

fn open(dir: &Path, settings: &str) -> Opened {
    let mut table: toml::Table = settings.parse().unwrap();
    table.insert("dir".into(), dir.display().to_string().into());
    let entry = CATALOGUE.iter().find(|e| e.kind == "embedded").unwrap();
    let settings = Settings {
        name: "lab",
        table,
        anchors: &[],
        directory: Path::new("/nowhere"),
        now: NOW,
        environment: &|_| None,
        on_wait: None,
    };
    (entry.open)(&settings).unwrap()
}

fn order(key: &PrivateKey, ttl: Option<Span>) -> Order {
    Order {
        request: request(key),
        ttl,
        deadline: Instant::now() + Duration::from_secs(30),
    }
}

fn request(key: &PrivateKey) -> SigningRequest {
    let subject = Subject {
        common_name: Some("app-server".into()),
        organization: Some("Lab".into()),
        ..Subject::default()
    };
    let names = vec![
        AltName::dns("app.internal").unwrap(),
        AltName::ip("10.0.0.7").unwrap(),
        AltName::uri("spiffe://lab/app").unwrap(),
        AltName::email("ops@app.internal").unwrap(),
    ];
    SigningRequest::new(key, subject, names, Usage::Client).unwrap()
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap()
}

fn leaf(issued: &Issued, key: PrivateKey) -> Certificate {
    let roots = issued.anchors.iter().cloned();
    let roots = roots.map(|der| Certificate::from_der(der).unwrap());
    let anchors = Anchors::new(roots.collect());
    let credential = Credential::assemble(Arc::new(key), &issued.certificates, anchors).unwrap();
    let chain = credential.chain();
    validate(
        &chain.leaf,
        &chain.intermediates,
        credential.anchors(),
        NOW,
        Usage::Client,
        &[],
    )
    .unwrap();
    chain.leaf.clone()
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

#[test]
fn the_first_order_makes_a_ca_and_its_certificate_leads_to_the_root() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let opened = open(&dir, "");
    assert!(!dir.exists(), "opening the settings writes nothing");

    let key = key();
    let issued = opened.authority.issue(&order(&key, Some(days(7)))).unwrap();
    let leaf = leaf(&issued, key);
    let facts = leaf.facts();
    assert_eq!(facts.subject, "O=Lab, CN=app-server");
    assert_eq!(facts.names, request(&self::key()).names);
    assert_eq!(facts.extended_key_usage, Some(vec!["clientAuth".into()]));
    assert!(!facts.is_ca);
    assert_eq!(facts.window.not_before, NOW - time::Duration::MINUTE);
    assert_eq!(facts.window.not_after, NOW + time::Duration::days(7));
    assert_eq!(facts.serial.len(), 32);
    assert_eq!(issued.findings, []);

    let log = CaDirectory::open(&dir).unwrap().log().read().unwrap();
    let entries = log.entries;
    assert_eq!((entries.len(), log.unreadable), (1, 0));
    assert_eq!(entries[0].serial, facts.serial);
    assert_eq!(entries[0].requester, "local");
    assert_eq!(entries[0].not_after, "2026-06-08T12:00:00Z");
}

#[test]
fn keys_are_for_their_owner_alone() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap();
    let mode = |name: &str| {
        let path = dir.join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    for (name, expected) in [
        ("", 0o700),
        ("keys", 0o700),
        ("keys/root.key", 0o600),
        ("keys/intermediate.key", 0o600),
        ("issued.jsonl", 0o600),
        ("root.pem", 0o644),
        ("intermediate.pem", 0o644),
    ] {
        assert_eq!(mode(name), expected, "{name}");
    }

    for name in ["keys/intermediate.key", "keys/root.key"] {
        let change = |mode| {
            fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        change(0o640);
        let error = open(&dir, "").authority.issue(&order(&key(), None));
        let told = format!("{name}: its mode is 0640, so others can read or change it");
        assert!(matches!(error, Err(AuthorityError::Settings(finding))
            if finding.summary.ends_with(&told)));
        change(0o600);
    }
}

#[test]
fn what_cannot_be_read_is_explained_by_what_stands_there() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap();
    let log = dir.join("issued.jsonl");
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let ca = CaDirectory::open(&dir).unwrap();
    let finding = ca.log().read().unwrap_err().finding();
    assert!(
        finding.summary.ends_with("is a directory"),
        "{}",
        finding.summary
    );
    assert!(
        finding.hint.starts_with("look at what stands there"),
        "{}",
        finding.hint
    );
    let file = above.path().join("file");
    fs::write(&file, "").unwrap();
    let finding = CaDirectory::make(&file, &NewCa::default(), NOW)
        .unwrap_err()
        .finding();
    assert!(
        finding.hint.starts_with("give a directory"),
        "{}",
        finding.hint
    );
}

#[test]
fn a_longer_lifetime_than_allowed_is_shortened_and_said() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let key = key();
    let issued = open(&dir, "max_ttl = '10d'")
        .authority
        .issue(&order(&key, Some(days(30))))
        .unwrap();
    assert_eq!(codes(&issued.findings), ["lifetime-capped"]);
    let end = leaf(&issued, key).window().not_after;
    assert_eq!(end, NOW + time::Duration::days(10));
}

#[test]
fn a_certificate_never_outlives_the_intermediate() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let new = NewCa {
        intermediate_lifetime: days(5),
        ..NewCa::default()
    };
    CaDirectory::make(&dir, &new, NOW).unwrap();
    let key = key();
    let issued = open(&dir, "").authority.issue(&order(&key, None)).unwrap();
    assert_eq!(codes(&issued.findings), ["embedded-ca-ends-first"]);
    let end = leaf(&issued, key).window().not_after;
    assert_eq!(end, NOW + time::Duration::days(5));
}

#[test]
fn without_leave_to_make_one_a_missing_ca_is_an_error() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let opened = open(&dir, "create = false");
    let error = opened.authority.issue(&order(&key(), None)).unwrap_err();
    assert!(matches!(error, AuthorityError::Settings(_)), "{error}");
    assert!(!dir.exists());
    assert!(matches!(
        CaDirectory::open(&dir),
        Err(CaError::Missing { .. })
    ));
}

#[test]
fn a_ca_of_any_kind_of_key_signs() {
    let above = tempfile::tempdir().unwrap();
    for algorithm in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let new = NewCa {
            key_algorithm: algorithm,
            ..NewCa::default()
        };
        let dir = above.path().join(algorithm.to_string());
        let ca = CaDirectory::open_or_make(&dir, &new, NOW).unwrap();
        let key = PrivateKey::generate(algorithm).unwrap();
        let granted = ca.issue(&received(request(&key).der()), &TERMS).unwrap();
        assert_leads_to_root(&granted.certificate, &ca);
    }
}

const TERMS: Terms<'_> = Terms {
    now: NOW,
    ttl: Span::seconds(86_400),
    max_ttl: Span::seconds(86_400),
    requester: "local",
};

fn received(der: &[u8]) -> ReceivedRequest {
    ReceivedRequest::from_der(der).unwrap()
}

fn assert_leads_to_root(certificate: &Certificate, ca: &CaDirectory) {
    let anchors = Anchors::new(vec![ca.root().clone()]);
    let intermediates = [ca.intermediate().clone()];
    validate(
        certificate,
        &intermediates,
        &anchors,
        NOW,
        Usage::Client,
        &[],
    )
    .unwrap();
}

fn new_ca(above: &tempfile::TempDir) -> CaDirectory {
    CaDirectory::open_or_make(&above.path().join("ca"), &NewCa::default(), NOW).unwrap()
}

/// What OpenSSL makes of these arguments to `openssl req`, with a fresh P-256 key.
fn openssl_request(arguments: &[&str]) -> Vec<u8> {
    openssl(
        &[
            &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            arguments,
        ]
        .concat(),
    )
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(["req", "-new", "-nodes", "-keyout", "/dev/null"])
        .args(["-outform", "DER"])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    output.stdout
}

#[test]
fn what_this_ca_never_certifies_is_refused_in_words() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    for (arguments, reason) in [
        (
            &["-subj", "/CN=a", "-addext", "basicConstraints=CA:TRUE"][..],
            "the request asks for a CA certificate, and this CA issues for clients and servers only",
        ),
        (
            &["-subj", "/CN=a", "-addext", "keyUsage=keyCertSign"],
            "the request asks for a CA certificate, and this CA issues for clients and servers only",
        ),
        (
            &["-subj", "/CN=a", "-addext", "extendedKeyUsage=codeSigning"],
            "the request asks for codeSigning, and this CA certifies clientAuth and serverAuth only",
        ),
        (
            &["-subj", "/"],
            "the request names nobody: it has neither a subject nor a subject alternative name",
        ),
    ] {
        let error = ca.issue(&received(&openssl_request(arguments)), &TERMS);
        assert_eq!(error.unwrap_err().to_string(), reason, "{arguments:?}");
    }
    assert!(ca.log().read().unwrap().entries.is_empty());
}

#[test]
fn a_request_that_cannot_be_copied_faithfully_is_refused_in_words() {
    for (arguments, reason) in [
        (
            &["-subj", "/OU=a/OU=b/CN=c"][..],
            "its subject cannot be used: OU is given twice; name each attribute once",
        ),
        (
            &["-multivalue-rdn", "-subj", "/O=a+CN=b"],
            "its subject cannot be used: an element of it has not exactly one attribute",
        ),
        (
            &["-subj", "/CN=a", "-addext", "subjectAltName=DNS:a b"],
            "\"a b\" cannot be a subject alternative name; DNS, IP, URI and email names can",
        ),
    ] {
        let error = ReceivedRequest::from_der(&openssl_request(arguments)).unwrap_err();
        assert_eq!(error.to_string(), reason, "{arguments:?}");
    }
    let short = openssl(&["-newkey", "rsa:1024", "-subj", "/CN=a"]);
    assert_eq!(
        ReceivedRequest::from_der(&short).unwrap_err().to_string(),
        "its public key is RSA 1024; ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits and more is needed"
    );
}

#[test]
fn extensions_that_this_ca_does_not_know_are_left_out_and_said() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let der = openssl_request(&[
        "-subj",
        "/CN=app",
        "-addext",
        "subjectKeyIdentifier=hash",
        "-addext",
        "extendedKeyUsage=clientAuth,emailProtection",
        "-addext",
        "1.2.3.4.5=critical,ASN1:UTF8String:what",
    ]);
    let granted = ca.issue(&received(&der), &TERMS).unwrap();
    assert_eq!(codes(&granted.findings), ["request-partly-granted"]);
    assert_eq!(
        granted.findings[0].facts["left_out"],
        serde_json::json!(["emailProtection", "2.5.29.14", "1.2.3.4.5"])
    );
    let usage = &granted.certificate.facts().extended_key_usage;
    assert_eq!(usage.as_deref().unwrap(), ["clientAuth"]);
    assert_leads_to_root(&granted.certificate, &ca);
}

#[test]
fn no_damage_to_a_request_changes_what_is_granted_or_ends_the_program() {
    let whole = request(&key()).der().to_vec();
    let meant = received(&whole);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            // A few bits of the wrapping are not covered by the signature, and mean nothing.
            if let Ok(read) = ReceivedRequest::from_der(&damaged) {
                assert_eq!(read.subject_der, meant.subject_der, "{at}, {bit}");
                assert_eq!(read.names, meant.names, "{at}, {bit}");
                assert_eq!(read.spki, meant.spki, "{at}, {bit}");
            }
        }
        assert!(ReceivedRequest::from_der(&whole[..at]).is_err(), "{at}");
    }
}

#[test]
fn a_certificate_that_cannot_be_logged_is_not_issued() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    fs::remove_file(ca.log().path()).unwrap();
    fs::create_dir(ca.log().path()).unwrap();
    let error = ca.issue(&received(request(&key()).der()), &TERMS);
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with("writing to the log of issued certificates: "),
        "{text}"
    );
}

#[test]
fn a_line_that_a_killed_run_left_half_written_spoils_no_other() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let request = received(request(&key()).der());
    let first = ca.issue(&request, &TERMS).unwrap().certificate;
    let text = fs::read_to_string(ca.log().path()).unwrap();
    fs::write(ca.log().path(), format!("{text}{}", &text[..40])).unwrap();
    let second = ca.issue(&request, &TERMS).unwrap().certificate;
    let log = ca.log().read().unwrap();
    let serials: Vec<&str> = log.entries.iter().map(|e| e.serial.as_str()).collect();
    assert_eq!(serials, [&first.facts().serial, &second.facts().serial]);
    assert_eq!(log.unreadable, 1);
    let directory = ca.log().path().parent().unwrap();
    let shown = Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(["ca", "issue-log", "--ca-dir"])
        .arg(directory)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("\nunreadable lines: 1, cut short by"),
        "{shown}"
    );
}

#[test]
fn ten_orders_at_once_get_ten_serials_and_ten_lines() {
    let above = tempfile::tempdir().unwrap();
    let opened = open(&above.path().join("ca"), "");
    let mut serials: Vec<String> = std::thread::scope(|scope| {
        let orders: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    let key = key();
                    let issued = opened.authority.issue(&order(&key, None)).unwrap();
                    leaf(&issued, key).facts().serial.clone()
                })
            })
            .collect();
        orders.into_iter().map(|o| o.join().unwrap()).collect()
    });
    let log = new_ca(&above).log().read().unwrap();
    let mut logged: Vec<String> = log.entries.into_iter().map(|e| e.serial).collect();
    serials.sort();
    logged.sort();
    assert_eq!(serials, logged);
    logged.dedup();
    assert_eq!(logged.len(), 10);
}

#[test]
fn a_ca_is_not_made_among_other_peoples_files() {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("passwd"), "").unwrap();
    let error = CaDirectory::make(above.path(), &NewCa::default(), NOW).unwrap_err();
    assert!(matches!(&error, CaError::Foreign { found, .. } if found == "passwd"));
    assert_eq!(fs::read_dir(above.path()).unwrap().count(), 1);
}

#[test]
fn the_root_key_may_be_kept_elsewhere_until_the_intermediate_is_renewed() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let before = new_ca(&above);
    let request = received(request(&key()).der());
    let old = before.issue(&request, &TERMS).unwrap().certificate;
    let offline = above.path().join("root.key");
    fs::rename(dir.join("keys/root.key"), &offline).unwrap();
    assert!(!before.root_key_is_here());
    before.issue(&request, &TERMS).unwrap();

    fs::remove_file(dir.join("intermediate.pem")).unwrap();
    let error = CaDirectory::make(&dir, &NewCa::default(), NOW).unwrap_err();
    assert!(error.to_string().ends_with("the keys/root.key to make one"));

    fs::rename(&offline, dir.join("keys/root.key")).unwrap();
    let renewed_at = NOW + time::Duration::days(1000);
    assert!(CaDirectory::make(&dir, &NewCa::default(), renewed_at).unwrap());
    let after = CaDirectory::open(&dir).unwrap();
    assert_eq!(after.root(), before.root());
    assert_eq!(
        after.intermediate().facts().subject,
        before.intermediate().facts().subject
    );
    let gained = after.intermediate().window().not_after - before.intermediate().window().not_after;
    assert_eq!(gained, time::Duration::days(1000));
    // The same key signs: what was issued before leads to the root as before.
    let anchors = Anchors::new(vec![after.root().clone()]);
    for intermediate in [before.intermediate(), after.intermediate()] {
        let at = renewed_at - time::Duration::days(1000);
        let at = at.max(intermediate.window().not_before);
        let leaf = if at == NOW {
            &old
        } else {
            &after
                .issue(&request, &Terms { now: at, ..TERMS })
                .unwrap()
                .certificate
        };
        validate(
            leaf,
            std::slice::from_ref(intermediate),
            &anchors,
            at,
            Usage::Client,
            &[],
        )
        .unwrap();
    }
}

#[test]
fn an_ended_intermediate_refuses_and_says_when_it_ended() {
    let above = tempfile::tempdir().unwrap();
    let ca = new_ca(&above);
    let terms = Terms {
        now: NOW + time::Duration::days(1825),
        ..TERMS
    };
    let error = ca.issue(&received(request(&key()).der()), &terms);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the CA's intermediate ended at 2031-05-31T12:00:00Z"
    );
}

#[test]
fn a_dry_run_foresees_what_an_order_would_meet() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let foresee = |settings: &str| {
        let preflight = open(&dir, settings).preflight.unwrap();
        let findings = preflight
            .preflight(&order(&key(), Some(days(30))), Depth::Order)
            .unwrap_or_else(|error| vec![error.into_finding()]);
        findings.iter().map(|f| f.code.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(foresee("create = false"), ["embedded-ca-unusable"]);
    assert!(foresee("").is_empty());
    assert!(!dir.exists());
    new_ca(&above);
    assert_eq!(foresee("max_ttl = '10d'"), ["lifetime-capped"]);
}

fn init(dir: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", "120"])
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(["ca", "init", "--report", "json", "--ca-dir"])
        .arg(dir);
    command
}

#[test]
fn what_ca_init_made_is_told() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let made = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_certbake"));
        command.args(["ca", "init", "--ca-dir"]).arg(&dir);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(made().starts_with("made a CA in "));
    assert!(made().starts_with("there is a CA in "));
    fs::remove_file(dir.join("intermediate.pem")).unwrap();
    assert!(made().starts_with("made a new intermediate in "));
}

#[test]
fn processes_that_make_a_ca_at_once_make_one() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let running: Vec<_> = (0..6)
        .map(|_| init(&dir).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let answers: Vec<serde_json::Value> = running
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .collect();
    let made = answers.iter().filter(|answer| answer["made"] == true);
    assert_eq!(made.count(), 1);
    // What is left of them goes down from one answer to the next.
    for authority in ["root", "intermediate"] {
        let fingerprint = |answer: &serde_json::Value| answer[authority]["fingerprint"].to_string();
        let first = fingerprint(&answers[0]);
        assert!(first.len() > 60, "{first}");
        assert!(answers.iter().all(|answer| fingerprint(answer) == first));
    }
}

/// Kills the making of a CA at each of its system calls that change the disk, one after the other.
#[test]
fn a_ca_whose_making_was_killed_at_any_step_is_completed_by_the_next_run() {
    let strace = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .status();
    if !strace.is_ok_and(|status| status.success()) {
        let line = "skipped: strace is missing or may not trace here, kills are not tested\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let kills: usize = ["mkdirat", "fchmod", "write", "fsync", "renameat"]
        .into_iter()
        .map(|call| {
            (1..200)
                .take_while(|nth| !survives_a_kill(call, *nth))
                .count()
        })
        .sum();
    // Five files, each opened, written, synced and renamed.
    assert!(kills > 25, "{kills} kills only: strace saw too little");
}

/// Makes a CA and kills it at the `nth` such call, then makes it again. Returns whether the first was
/// through before.
fn survives_a_kill(call: &str, nth: usize) -> bool {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("ca");
    let ended = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("inject={call}:signal=KILL:when={nth}"))
        .args([env!("CARGO_BIN_EXE_certbake"), "ca", "init", "--ca-dir"])
        .arg(&dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let root_before = fs::read_to_string(dir.join("root.pem")).ok();
    let output = init(&dir).output().unwrap();
    assert!(output.status.success(), "{call} {nth}: {output:?}");
    let ca = CaDirectory::open(&dir).unwrap();
    if let Some(root) = root_before {
        assert_eq!(ca.root().pem(), root, "{call} {nth}");
    }
    for name in ["keys/root.key", "keys/intermediate.key"] {
        let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{call} {nth}");
    }
    ended.success()
}
