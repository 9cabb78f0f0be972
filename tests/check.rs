//! `certbake check` as it is run: files, folders and image roots in, findings and an exit code out.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "verify/lab.rs"]
mod lab;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use certbake::pki::{SigningRequest, Subject, Usage, pem};
use lab::{Authority, Leaf, NOW, window};
use serde_json::Value;
use tempfile::TempDir;
use time::Duration;
use time::format_description::well_known::Rfc3339;

const DAY: Duration = Duration::DAY;

/// A run that has ended.
struct Run {
    exit: i32,
    report: Value,
}

impl Run {
    #[track_caller]
    fn ends(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{:#}", self.report);
        self
    }

    /// `code file:line` of each finding.
    fn findings(&self) -> Vec<String> {
        let text =
            |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        self.report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| {
                let place = match finding["line"].as_u64() {
                    Some(line) => format!("{}:{line}", text(finding, "file")),
                    None => text(finding, "file"),
                };
                let name = place.rsplit('/').next().unwrap_or_default();
                format!("{} {name}", text(finding, "code"))
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    fn checked(&self) -> u64 {
        self.report["checked"].as_u64().unwrap()
    }
}

/// `certbake check --report json …`, as of [`NOW`] unless the words say otherwise.
fn check(words: &[&str]) -> Run {
    let now = NOW.format(&Rfc3339).unwrap();
    let at = ["--at", now.as_str()];
    let at = if words.contains(&"--at") {
        &[][..]
    } else {
        &at[..]
    };
    run(&[&["check", "--report", "json"], words, at].concat(), &[])
}

fn run(words: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
        .args(words)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    Run {
        exit: output.status.code().unwrap(),
        report,
    }
}

/// A folder with files of certificates in it.
struct Desk {
    folder: TempDir,
    root: Authority,
    issuing: Authority,
}

impl Desk {
    fn new() -> Self {
        let root = Authority::root("Lab Root");
        Self {
            issuing: root.intermediate("Lab Issuing"),
            root,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        self.path(name)
    }

    fn expired(&self) -> Leaf {
        self.issuing.leaf_with(window(-30 * DAY, -DAY))
    }

    /// Certificate with its chain, anchors, key.
    fn credential(&self, leaf: &Leaf) -> (String, String, String) {
        (
            self.put(
                "app.crt",
                leaf.certificate.pem() + &self.issuing.certificate.pem(),
            ),
            self.put("ca.crt", self.root.certificate.pem()),
            self.put(
                "app.key",
                certbake::pki::pem::encode("PRIVATE KEY", leaf.key.expose_pkcs8()),
            ),
        )
    }
}

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

/// Runs `check --cert` and gives back the codes of the checks that were not made, after holding JUnit
/// against the report: a case for every check, skipped with the reason where it was not made.
fn skipped(desk: &Desk, arguments: &[&str]) -> Vec<String> {
    let file = desk.path("junit.xml");
    let report = format!("junit={file}");
    let run = check(&[arguments, &["--report", &report]].concat()).ends(0);
    let identity = &run.report["identities"][0];
    let codes = |key: &str| identity[key].as_array().cloned().unwrap_or_default();
    let (made, not_made) = (codes("checks"), codes("checks_not_made"));
    assert_eq!(made.len() + not_made.len(), certbake::verify::CHECKS.len());
    let xml = fs::read_to_string(file).unwrap();
    let case = |code: &Value| {
        let name = format!("name=\"{}\"", code.as_str().unwrap());
        let line = xml.lines().find(|line| line.contains(&name));
        line.unwrap_or_else(|| panic!("{name} is missing: {xml}"))
    };
    for code in &made {
        assert!(!case(code).contains("<skipped"), "{}", case(code));
    }
    for check in &not_made {
        let reason = check["reason"].as_str().unwrap();
        let why = format!("<skipped message=\"{reason}\"/>");
        let line = case(&check["code"]);
        assert!(line.contains(&why), "{line}");
    }
    let code = |check: &Value| check["code"].as_str().unwrap().to_owned();
    not_made.iter().map(code).collect()
}

/// What an order alone can be held against.
const OF_ORDERS: &[&str] = &[
    "lifetime-shortened",
    "lifetime-too-long",
    "clock-offset",
    "names-missing",
    "names-unexpected",
];

#[test]
fn a_check_that_was_not_made_is_never_reported_as_passed() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let all = skipped(&desk, &["--cert", &cert]);
    for code in OF_ORDERS.iter().chain(&[
        "key-mismatch",
        "window-below-floor",
        "name-mismatch",
        "leaf-is-ca",
        "usage-missing",
        "revoked",
        "revocation-unknown",
        "chain-incomplete",
        "chain-untrusted",
        "chain-too-long",
        "not-conforming",
        "not-baseline",
    ]) {
        assert!(all.iter().any(|it| it == code), "{code} passed: {all:?}");
    }
}

#[test]
fn a_check_is_made_where_what_it_needs_is_given() {
    let desk = Desk::new();
    let (cert, anchors, key) = desk.credential(&desk.issuing.leaf());
    let files = ["--cert", &cert, "--anchors", &anchors, "--key", &key];
    let demands = "--usage client --name app.internal --max-depth 2 --min-validity 1d";
    let demands: Vec<&str> = demands.split(' ').collect();
    let left = [
        OF_ORDERS,
        &["revoked", "revocation-unknown", "not-baseline"],
    ]
    .concat();
    assert_eq!(skipped(&desk, &[&files[..], &demands].concat()), left);
}

#[test]
fn an_expired_certificate_leaves_unsaid_what_nobody_could_look_at() {
    let desk = Desk::new();
    let (cert, anchors, _) = desk.credential(&desk.expired());
    let files = ["--cert", &cert, "--anchors", &anchors];
    let run = check(&[&files[..], &["--min-validity", "1d"]].concat()).ends(3);
    assert_eq!(run.findings(), ["expired app.crt"]);
    let made = run.report["identities"][0]["checks"].to_string();
    assert!(made.contains("\"expired\""), "{made}");
    for code in ["chain-untrusted", "window-below-floor"] {
        assert!(!made.contains(code), "{code} passed: {made}");
    }
}

#[test]
fn many_files_without_anchors_say_once_that_trust_was_not_checked() {
    let desk = Desk::new();
    for number in 0..3 {
        let pem = desk.issuing.leaf().certificate.pem();
        desk.put(&format!("all/{number}.pem"), pem);
    }
    let folder = desk.folder.path().join("all").display().to_string();
    let run = check(&[&folder]).ends(0);
    assert_eq!(run.findings(), ["trust-not-checked"]);
    let anchors = desk.put("root.pem", desk.root.certificate.pem());
    let run = check(&[&folder, "--anchors", &anchors]);
    let told = run.findings();
    assert!(!told.contains(&"trust-not-checked".to_owned()), "{told:?}");
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
        assert_eq!(
            said,
            "--strict: it belongs to --anchors, which is not given"
        );
    }
    check(&["--cert", &cert, "--crl", &anchors]).ends(2);
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

#[test]
fn many_files_and_folders_are_checked_at_once_and_reported_in_their_order() {
    let desk = Desk::new();
    let good = desk.issuing.leaf().certificate.pem();
    for folder in ["a", "b/deep", "c"] {
        for file in 0..150 {
            desk.put(&format!("{folder}/{file:03}.pem"), &good);
        }
    }
    let bad = desk.expired().certificate.pem();
    desk.put("a/077.pem", &bad);
    desk.put("b/deep/149.pem", &bad);
    let single = desk.put("single.pem", &bad);
    let run = check(&[&desk.path("a"), &desk.path("b"), &desk.path("c"), &single]).ends(3);
    assert_eq!(run.checked(), 451);
    assert_eq!(
        run.findings(),
        [
            "expired 077.pem:1",
            "expired 149.pem:1",
            "expired single.pem:1",
            "trust-not-checked"
        ]
    );
    assert_eq!(run.report["identities"], Value::Array(Vec::new()));
}

#[test]
fn a_bundle_of_roots_is_checked_by_its_dates_and_a_fault_names_its_line() {
    let desk = Desk::new();
    let old = Authority::root_with("Old Root", window(-3650 * DAY, -DAY));
    let bundle = format!(
        "# ours\n{}\n# theirs\n{}",
        desk.root.certificate.pem(),
        old.certificate.pem()
    );
    let lines_before = bundle[..bundle.rfind("-----BEGIN").unwrap()]
        .lines()
        .count();
    desk.put("trust/ca-bundle.crt", bundle);
    let run = check(&[&desk.path("trust"), "--usage", "client"]).ends(3);
    assert_eq!(run.checked(), 2);
    assert_eq!(
        run.findings(),
        [format!("expired ca-bundle.crt:{}", lines_before + 1)]
    );
}

#[test]
fn a_file_with_one_end_entity_certificate_is_its_chain_wherever_that_stands() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    desk.put(
        "d/chain.pem",
        desk.issuing.certificate.pem() + &leaf.certificate.pem(),
    );
    let anchors = desk.put("ca.crt", desk.root.certificate.pem());
    let run = check(&[&desk.path("d"), "--anchors", &anchors]).ends(0);
    assert!(
        run.findings()[0].starts_with("chain-misordered chain.pem:"),
        "{:?}",
        run.findings()
    );
}

#[test]
fn a_certificate_with_its_whole_chain_behind_it_is_one_certificate() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf().certificate.pem();
    let chain = [leaf.clone(), leaf, desk.issuing.certificate.pem()].concat();
    desk.put("d/chain.pem", chain);
    let anchors = desk.put("ca.crt", desk.root.certificate.pem());
    let run = check(&[&desk.path("d"), "--anchors", &anchors]).ends(0);
    // Peers get it twice, and that is all that is wrong.
    assert_eq!(run.findings(), ["chain-misordered chain.pem:1"]);
}

#[test]
fn an_empty_match_is_a_failure_even_beside_a_full_one() {
    let desk = Desk::new();
    desk.put("full/app.pem", desk.issuing.leaf().certificate.pem());
    desk.put("empty/readme.txt", "no certificates here");
    let run = check(&[&desk.path("full"), &desk.path("empty")]).ends(4);
    assert_eq!(
        run.findings(),
        ["nothing-to-check empty", "trust-not-checked"]
    );
    assert_eq!(run.checked(), 1);

    let text = desk.path("empty/readme.txt");
    let run = check(&[&text]).ends(4);
    assert_eq!(run.findings(), ["nothing-to-check readme.txt"]);
}

#[test]
fn what_cannot_be_read_is_a_finding_with_its_file_and_line() {
    let desk = Desk::new();
    let pem = desk.issuing.leaf().certificate.pem();
    desk.put("d/cut.pem", format!("{pem}{}", &pem[..200]));
    desk.put(
        "d/damaged.pem",
        format!("{pem}{}", pem.replace("MII", "MIA")),
    );
    desk.put("d/good.pem", &pem);
    symlink("nowhere", desk.path("d/dangling.pem")).unwrap();
    let run = check(&[&desk.path("d"), &desk.path("missing.pem")]).ends(4);
    let second = pem.lines().count() + 1;
    assert_eq!(
        run.findings(),
        [
            format!("file-unreadable cut.pem:{second}"),
            format!("file-unreadable damaged.pem:{second}"),
            "file-unreadable dangling.pem".to_owned(),
            "file-unreadable missing.pem".to_owned(),
            "trust-not-checked".to_owned(),
        ]
    );
    assert_eq!(run.checked(), 1);
}

#[test]
fn pipes_sockets_and_circles_in_a_folder_hold_nobody_up() {
    let desk = Desk::new();
    desk.put("d/app.pem", desk.issuing.leaf().certificate.pem());
    symlink(".", desk.path("d/circle")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(desk.path("d/socket.pem")).unwrap();
    let made = Command::new("mkfifo")
        .arg(desk.path("d/pipe.pem"))
        .status()
        .unwrap();
    assert!(made.success());
    let run = check(&[&desk.path("d")]).ends(0);
    assert_eq!(run.checked(), 1);
}

#[test]
fn keys_and_other_files_in_a_folder_are_passed_over() {
    let desk = Desk::new();
    let leaf = desk.issuing.leaf();
    desk.put("d/app.pem", leaf.certificate.pem());
    desk.put(
        "d/app.key",
        "-----BEGIN PRIVATE KEY-----\nnot base64!\n-----END PRIVATE KEY-----\n",
    );
    desk.put("d/blob", [0x30, 0x82, 0xff]);
    assert_eq!(check(&[&desk.path("d")]).ends(0).checked(), 1);
    desk.put("d/broken.crt", [0x30, 0x82, 0xff]);
    let run = check(&[&desk.path("d")]).ends(4);
    assert_eq!(
        run.findings(),
        ["file-unreadable broken.crt", "trust-not-checked"]
    );
}

#[test]
fn a_certificate_under_the_label_of_older_tools_is_found_in_a_folder() {
    let desk = Desk::new();
    let leaf = desk.expired();
    let der = leaf.certificate.der();
    desk.put(
        "d/old.pem",
        certbake::pki::pem::encode("X509 CERTIFICATE", der),
    );
    let run = check(&[&desk.path("d")]).ends(3);
    assert_eq!(run.checked(), 1);
}

#[test]
fn words_that_cannot_be_used_are_refused_and_say_why() {
    let desk = Desk::new();
    let (cert, ..) = desk.credential(&desk.issuing.leaf());
    let cases: &[(&[&str], &str)] = &[
        (&[], "nothing says what to check"),
        (&["--cert", &cert, &cert], "three ways"),
        (&["--key", &cert, &cert], "--key: it belongs to --cert"),
        (
            &["--cert", &cert, "--config", "x"],
            "--config: it belongs to --root",
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

/// A moment from the real now on, which is when images are baked here.
fn in_days(days: i64) -> String {
    let moment = time::OffsetDateTime::now_utc() + Duration::days(days);
    moment.format(&Rfc3339).unwrap()
}

/// An image baked by certbake itself, with the embedded CA.
struct Image {
    desk: TempDir,
}

const KEY: &str = "etc/app/client.key";
const CERT: &str = "etc/app/client.crt";
const RECORD: &str = "var/lib/certbake/app-server.json";

impl Image {
    fn baked() -> Self {
        Self::baked_with(CONFIG)
    }

    fn baked_with(config: &str) -> Self {
        let image = Self {
            desk: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(image.root()).unwrap();
        let desk = image.desk.path().to_str().unwrap();
        fs::write(image.config(), config.replace("DESK", desk)).unwrap();
        let password = image.desk.path().join("password");
        fs::write(&password, "a password for the tests").unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let output = image.certbake(&["provision"]);
        assert_eq!(output.exit, 0, "{:#}", output.report);
        image
    }

    fn root(&self) -> PathBuf {
        self.desk.path().join("rootfs")
    }

    fn config(&self) -> PathBuf {
        self.desk.path().join("certbake.toml")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn certbake(&self, words: &[&str]) -> Run {
        let config = self.config();
        let root = self.root();
        let fixed = [
            "--report",
            "json",
            "--root",
            root.to_str().unwrap(),
            "--config",
            config.to_str().unwrap(),
        ];
        run(&[words, &fixed].concat(), &[])
    }

    /// By the records alone.
    fn check(&self, words: &[&str]) -> Run {
        let root = self.root();
        run(
            &[
                &[
                    "check",
                    "--report",
                    "json",
                    "--root",
                    root.to_str().unwrap(),
                ],
                words,
            ]
            .concat(),
            &[],
        )
    }

    fn edit(&self, path: &str, change: impl FnOnce(String) -> String) {
        let path = self.file(path);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, change(text)).unwrap();
    }
}

const CONFIG: &str = r#"
[ca.lab]
kind = "embedded"
dir = "ca"

[identity.app-server]
common_name = "app-server"
dns = ["app.internal"]
ttl = "30d"
min_validity = "21d"

[identity.app-server.placements]
full_chain = "/etc/app/client.crt"
private_key = "/etc/app/client.key"
anchors = "/etc/app/ca.crt"
"#;

#[test]
fn an_image_as_it_was_baked_passes_by_its_records_and_by_the_configuration() {
    let image = Image::baked();
    for run in [
        image.check(&[]),
        image.certbake(&["check"]),
        image.check(&["--identity", "app-server"]),
    ] {
        let run = run.ends(0);
        assert_eq!(run.report["identities"][0]["name"], "app-server");
        let placements = run.report["identities"][0]["placements"]
            .as_array()
            .unwrap();
        assert_eq!(placements.len(), 3);
        assert_eq!(
            run.report["identities"][0]["window"]["floor"]["required_seconds"],
            21 * 86_400
        );
    }
}

#[test]
fn an_image_without_anchors_says_of_whom_trust_was_not_checked() {
    let config = CONFIG.replace("anchors = \"/etc/app/ca.crt\"\n", "");
    let image = Image::baked_with(&config);
    let human = image.desk.path().join("human.txt");
    let told = image.check(&["--report", &format!("human={}", human.display())]);
    let told = told.ends(0);
    assert_eq!(told.findings(), ["trust-not-checked"]);
    assert_eq!(told.report["findings"][0]["identity"], "app-server");
    let printed = fs::read_to_string(human).unwrap();
    let sentence = "whether the chain can be trusted was not checked";
    assert!(printed.contains(sentence), "{printed}");

    // Given on the command line, pinned by the configuration, or placed in the image.
    let root = image.desk.path().join("ca/root.pem").display().to_string();
    let given = image.check(&["--anchors", &root]).ends(0);
    let pinned = format!("anchors = \"{root}\"\ndir = \"ca\"");
    fs::write(image.config(), config.replace("dir = \"ca\"", &pinned)).unwrap();
    let pinned = image.certbake(&["check"]).ends(0);
    let placed = Image::baked().check(&[]).ends(0);
    for run in [given, pinned, placed] {
        assert_eq!(run.findings(), [""; 0]);
        let checks = run.report["identities"][0]["checks"].to_string();
        assert!(checks.contains("chain-untrusted"), "{checks}");
    }
}

#[test]
fn an_image_that_has_grown_too_old_fails_by_the_floor_that_was_recorded() {
    let image = Image::baked();
    let later = in_days(10);
    let run = image.check(&["--at", &later]).ends(3);
    assert_eq!(run.findings(), ["window-below-floor"]);
    image
        .check(&["--at", &later, "--min-validity", "7d"])
        .ends(0);
}

#[test]
fn an_image_that_starts_a_moment_from_now_is_only_warned_of() {
    let image = Image::baked();
    let record: Value = serde_json::from_slice(&fs::read(image.file(RECORD)).unwrap()).unwrap();
    let not_before = record["certificate"]["not_before"].as_str().unwrap();
    let not_before = time::OffsetDateTime::parse(not_before, &Rfc3339).unwrap();
    let before = |wait: Duration| (not_before - wait).format(&Rfc3339).unwrap();
    let soon = before(Duration::seconds(30));
    let run = image.check(&["--at", &soon]).ends(0);
    // The CA was made for it, so that all three links begin together.
    assert_eq!(run.findings(), ["not-yet-valid"; 3]);
    image
        .check(&["--at", &before(Duration::minutes(5))])
        .ends(3);
}

#[test]
fn an_image_with_nothing_but_a_key_store_is_held_to_the_window_that_was_recorded() {
    let placements = CONFIG.find("[identity.app-server.placements]").unwrap();
    let config = format!(
        "{}[identity.app-server.placements]\npkcs12 = {{ path = \"/etc/app/client.p12\", password = \"file:DESK/password\" }}\n",
        &CONFIG[..placements]
    );
    let image = Image::baked_with(&config);
    // It does not open, so the one is said and the other held.
    const CLOSED: &str = "trust-not-checked";
    assert_eq!(image.check(&[]).ends(0).findings(), [CLOSED]);
    let run = image.check(&["--at", &in_days(10)]).ends(3);
    assert_eq!(run.findings(), ["window-below-floor", CLOSED]);
    assert_eq!(
        image.check(&["--at", &in_days(31)]).ends(3).findings(),
        ["expired", CLOSED]
    );
    fs::write(image.file("etc/app/client.p12"), "not the one").unwrap();
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["placement-changed client.p12", CLOSED]
    );
}

#[test]
fn a_report_of_a_check_replaces_no_record_and_no_configuration() {
    let image = Image::baked();
    let config = image.config();
    let root = image.root();
    for file in [
        config,
        image.file(RECORD),
        image.file("var/lib/certbake/new"),
    ] {
        let before = fs::read(&file).ok();
        let report = format!("junit={}", file.display());
        let output = Command::new(env!("CARGO_BIN_EXE_certbake"))
            .args(["check", "--root", root.to_str().unwrap(), "--config"])
            .arg(image.config())
            .args(["--report", &report])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{report}");
        assert_eq!(fs::read(&file).ok(), before, "{report}");
    }
}

#[test]
fn a_record_that_lists_no_file_proves_nothing() {
    let image = Image::baked();
    image.edit(RECORD, |text| {
        text.replace("\"placements\": [", "\"placements\": [], \"were\": [")
    });
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["nothing-to-check app-server.json"]);
}

#[test]
fn a_mode_that_a_later_step_has_changed_is_found() {
    let image = Image::baked();
    fs::set_permissions(image.file(KEY), fs::Permissions::from_mode(0o644)).unwrap();
    let run = image.check(&[]).ends(4);
    assert_eq!(run.findings(), ["placement-mode client.key"]);
    assert_eq!(run.report["findings"][0]["facts"]["recorded_mode"], "0600");
}

#[test]
fn a_file_that_a_later_step_has_replaced_is_found() {
    let image = Image::baked();
    let other = Image::baked();
    fs::copy(other.file(KEY), image.file(KEY)).unwrap();
    let run = image.check(&[]).ends(4);
    assert_eq!(
        run.findings(),
        ["placement-changed client.key", "key-mismatch"]
    );

    let image = Image::baked();
    image.edit(CERT, |text| text + "\n");
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["placement-changed client.crt"]
    );

    fs::remove_file(image.file(CERT)).unwrap();
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["image-file-missing client.crt"]
    );
}

#[test]
fn a_file_that_may_not_be_read_is_told_from_one_that_is_wrong() {
    let image = Image::baked();
    let key = image.file(KEY);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).unwrap();
    let root = image.file("");
    // Root reads everything but for these two.
    let drop = "-dac_override,-dac_read_search";
    let words = ["--bounding-set", drop, "--inh-caps", drop];
    let output = Command::new("setpriv")
        .args(if rustix::process::geteuid().is_root() {
            &words[..]
        } else {
            &[]
        })
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(["check", "--report", "json", "--root"])
        .arg(root)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let codes: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["code"].clone())
        .collect();
    assert!(codes.contains(&"image-not-permitted".into()), "{report:#}");
    assert_eq!(output.status.code(), Some(7), "{report:#}");
}

#[test]
fn a_record_that_is_gone_or_broken_is_found() {
    let image = Image::baked();
    image.edit(RECORD, |text| {
        text.replace("\"schema\": 1", "\"schema\": 7")
    });
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["record-unreadable app-server.json"]
    );
    image.edit(RECORD, |text| text[..text.len() / 2].to_owned());
    let run = image.check(&[]).ends(4);
    assert!(
        run.findings()[0].starts_with("record-unreadable app-server.json:"),
        "{:?}",
        run.findings()
    );

    fs::remove_file(image.file(RECORD)).unwrap();
    assert_eq!(
        image.certbake(&["check"]).ends(4).findings(),
        ["record-missing app-server.json"]
    );
    assert_eq!(
        image.check(&[]).ends(4).findings(),
        ["nothing-to-check rootfs"]
    );
}

#[test]
fn a_placement_that_the_configuration_has_gained_since_is_missing() {
    let image = Image::baked();
    let more = CONFIG.replace(
        "full_chain = \"/etc/app/client.crt\"",
        "full_chain = [\"/etc/app/client.crt\", \"/srv/new.crt\"]",
    );
    fs::write(image.config(), more).unwrap();
    assert_eq!(
        image.certbake(&["check"]).ends(4).findings(),
        ["placement-missing new.crt"]
    );
}

#[test]
fn a_root_that_is_not_there_is_the_image_s_fault() {
    let image = Image::baked();
    fs::remove_dir_all(image.root()).unwrap();
    image.check(&[]).ends(7);
}

#[test]
fn a_landing_that_was_cut_short_is_settled_and_then_checked() {
    let image = Image::baked();
    let left = ".certbake-0123456789abcdef";
    let owner = fs::metadata(image.file(KEY)).unwrap();
    fs::write(image.file("etc/app").join(left), "half a key").unwrap();
    let journal = serde_json::json!({
        "schema": 1,
        "phase": "staging",
        "directories": [],
        "files": [{
            "directory": "/etc/app",
            "name": "client.key",
            "temporary": left,
            "backup": ".certbake-fedcba9876543210",
            "shape": { "sha256": "00", "mode": 384, "uid": uid(&owner), "gid": gid(&owner) },
        }],
    });
    let journal_file = image.file("var/lib/certbake/journal.json");
    fs::write(&journal_file, journal.to_string()).unwrap();
    let run = image.check(&[]).ends(0);
    assert_eq!(run.findings(), ["image-recovered"]);
    assert!(!image.file("etc/app").join(left).exists() && !journal_file.exists());
}

fn uid(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

fn gid(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::gid(metadata)
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
