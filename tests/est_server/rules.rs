//! Who gets what: logins, names, lifetimes, renewals, and what is refused in words.

mod client_certificates;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use certbake::authority::embedded::server::{Clock, Users};
use certbake::authority::embedded::{CaDirectory, NewCa};
use certbake::pki::path::validate;
use certbake::pki::{Anchors, Certificate, Usage};

use super::support::{Lab, USER, base64, key, now, request};

const DAY: i64 = 86_400;

#[test]
fn everybody_gets_the_root_and_the_intermediate() {
    let lab = Lab::new();
    for version in ["--http1.1", "--http2"] {
        let reply = lab.curl("cacerts", &[version], None);
        let certificates = reply.certificates();
        let ca = lab.ca();
        assert_eq!(certificates, [ca.root().clone(), ca.intermediate().clone()]);
        let named = "content-type: application/pkcs7-mime; smime-type=certs-only";
        assert!(reply.head.contains(named), "{}", reply.head);
        assert!(reply.body.lines().all(|line| line.len() <= 64));
    }
}

#[test]
fn a_user_gets_a_certificate_that_leads_to_the_root() {
    let lab = Lab::new();
    let key = key();
    let request = request(&key, "app", &["dns:app.internal", "uri:spiffe://lab/app"]);
    for version in ["--http1.1", "--http2"] {
        let arguments = [
            "-u",
            USER,
            version,
            "-H",
            "Content-Type: application/pkcs10",
        ];
        let reply = lab.curl("simpleenroll", &arguments, Some(&base64(&request)));
        let certificate = reply.certificate();
        assert_eq!(certificate.facts().spki, key.spki());
        assert_eq!(certificate.facts().names, request.names);
        let anchors = Anchors::new(vec![lab.ca().root().clone()]);
        let others = [lab.ca().intermediate().clone()];
        validate(&certificate, &others, &anchors, now(), Usage::Client).unwrap();
    }
    let log = lab.ca().log().read().unwrap().entries;
    let requesters: Vec<&str> = log.iter().map(|entry| entry.requester.as_str()).collect();
    assert_eq!(requesters, ["server", "user:builder", "user:builder"]);
}

#[test]
fn base64_in_one_line_or_many_pem_and_der_are_all_read() {
    let lab = Lab::new();
    let request = request(&key(), "app", &[]);
    let lines = data_encoding::BASE64_MIME.encode(request.der());
    for body in [
        base64(&request),
        lines.into_bytes(),
        request.pem().into_bytes(),
        request.der().to_vec(),
    ] {
        let reply = lab.curl("simpleenroll", &["-u", USER], Some(&body));
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}

#[test]
fn whoever_cannot_log_in_is_told_how() {
    let lab = Lab::new();
    let request = base64(&request(&key(), "app", &[]));
    for (arguments, reason) in [
        (&[][..], "a login is required\n"),
        (&["-u", "builder:wrong"], "user name or password is wrong\n"),
        (
            &["-u", "nobody:xyzzy-canary"],
            "user name or password is wrong\n",
        ),
        (&["-u", "nobody:"], "user name or password is wrong\n"),
        (&["-u", ":"], "user name or password is wrong\n"),
        (
            &["-H", "Authorization: Basic ???"],
            "user name or password is wrong\n",
        ),
        (
            &["-H", "Authorization: Bearer xyzzy"],
            "user name or password is wrong\n",
        ),
    ] {
        let reply = lab.curl("simpleenroll", arguments, Some(&request));
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (401, reason),
            "{arguments:?}"
        );
        assert!(reply.head.contains("\r\nwww-authenticate: basic realm="));
    }
    assert_eq!(lab.ca().log().read().unwrap().entries.len(), 1);
    let events = lab.stop().concat();
    assert!(!events.contains("xyzzy"), "{events}");
}

#[test]
fn what_is_no_request_is_refused_in_words() {
    let lab = Lab::new();
    let mut forged = request(&key(), "app", &[]).der().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let certificate = lab.ca().root().der().to_vec();
    let not_pkcs10 = "the body is not a PKCS#10 request in base64\n";
    for (body, reason) in [
        (b"".to_vec(), not_pkcs10),
        (b"%%%% not base64 %%%%".to_vec(), not_pkcs10),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nMII".to_vec(),
            not_pkcs10,
        ),
        (
            certificate,
            "the request cannot be used: it is not one DER PKCS#10 request\n",
        ),
        (
            vec![0x30; 4000],
            "the request cannot be used: it is not one DER PKCS#10 request\n",
        ),
        (
            forged,
            "the request cannot be used: its signature does not verify",
        ),
    ] {
        let reply = lab.curl("simpleenroll", &["-u", USER], Some(&body));
        assert_eq!(reply.status, 400);
        assert!(reply.body.starts_with(reason), "{}", reply.body);
    }
}

#[test]
fn other_paths_methods_and_contents_have_their_own_answers() {
    let lab = Lab::with(|config| config.label = Some("devices".to_owned()));
    let request = base64(&request(&key(), "app", &[]));
    let json = ["-u", USER, "-H", "Content-Type: application/json"];
    for (operation, arguments, body, status) in [
        ("cacerts", &[][..], None, 200),
        ("devices/cacerts", &[], None, 200),
        ("others/cacerts", &[], None, 404),
        ("devices/devices/cacerts", &[], None, 404),
        ("../../", &[], None, 404),
        ("", &[], None, 404),
        ("csrattrs", &[], None, 204),
        ("cacerts", &["-X", "DELETE"], None, 405),
        ("cacerts", &["--http2", "--head"], None, 200),
        ("cacerts", &["--http1.1", "--head"], None, 200),
        ("nothing", &["--http2", "--head"], None, 404),
        ("cacerts", &["--http1.0"], None, 200),
        ("simpleenroll", &["-u", USER], None, 405),
        ("devices/simpleenroll", &["-u", USER], Some(&request), 200),
        ("simpleenroll", &json, Some(&request), 415),
        ("serverkeygen", &["-u", USER], Some(&request), 501),
    ] {
        let body = body.map(Vec::as_slice);
        let reply = lab.curl(operation, arguments, body);
        assert_eq!(reply.status, status, "{operation}: {}", reply.body);
    }
    let reply = lab.curl("simpleenroll", &["-u", USER], None);
    assert!(reply.head.contains("\r\nallow: post"), "{}", reply.head);
}

const USERS: &str = r#"
[user.builder]
password = "file:password"
allowed_names = ["*.internal", "cn:app-*", "spiffe://lab/*"]
max_ttl = "3d"

[user.gateway]
allowed_names = ["gateway.internal"]
"#;

fn users(lab_directory: &Path) -> Users {
    use std::os::unix::fs::PermissionsExt;
    let password = lab_directory.join("password");
    std::fs::write(&password, "xyzzy-canary\n").unwrap();
    std::fs::set_permissions(password, std::fs::Permissions::from_mode(0o600)).unwrap();
    Users::parse(USERS, lab_directory).unwrap()
}

fn lab_with_users(client_anchors: Vec<Certificate>) -> Lab {
    let directory = tempfile::tempdir().unwrap();
    CaDirectory::make(&directory.path().join("ca"), &NewCa::default(), now()).unwrap();
    let users = users(directory.path());
    Lab::in_directory(directory, Arc::new(now), |config| {
        config.users = users;
        config.client_anchors = client_anchors;
    })
}

#[test]
fn a_user_gets_the_names_that_are_allowed_and_no_others() {
    let lab = lab_with_users(Vec::new());
    let ask = |common_name: &str, names: &[&str]| {
        let request = base64(&request(&key(), common_name, names));
        lab.curl("simpleenroll", &["-u", USER], Some(&request))
    };
    let granted = ask("app-1", &["dns:app.internal", "uri:spiffe://lab/app"]);
    let lifetime = granted.certificate().window().not_after - now();
    assert!(lifetime <= time::Duration::days(3), "{lifetime}");

    for (common_name, names, refused) in [
        ("admin", &["dns:app.internal"][..], "CN=admin"),
        ("app-1", &["dns:app.example"], "dns:app.example"),
        ("app-1", &["dns:app.internal", "ip:10.0.0.1"], "ip:10.0.0.1"),
        (
            "app-1",
            &["uri:spiffe://other/app"],
            "uri:spiffe://other/app",
        ),
    ] {
        let reply = ask(common_name, names);
        let reason = format!(
            "{refused} is not allowed for builder, whose names are *.internal, cn:app-*, spiffe://lab/*\n"
        );
        assert_eq!((reply.status, reply.body), (403, reason));
    }
}

#[test]
fn a_user_who_has_no_password_cannot_log_in_with_an_empty_one() {
    let lab = lab_with_users(Vec::new());
    let request = base64(&request(&key(), "gateway.internal", &[]));
    let reply = lab.curl("simpleenroll", &["-u", "gateway:"], Some(&request));
    assert_eq!(reply.status, 401);
}

#[test]
fn orders_at_once_get_serials_of_their_own_and_all_are_logged() {
    let lab = Lab::new();
    let mut serials: Vec<String> = std::thread::scope(|scope| {
        let orders: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| lab.enrol().certificate().facts().serial.clone()))
            .collect();
        orders
            .into_iter()
            .map(|order| order.join().unwrap())
            .collect()
    });
    let log = lab.ca().log().read().unwrap();
    let mut logged: Vec<String> = log
        .entries
        .into_iter()
        .filter(|entry| entry.requester == "user:builder")
        .map(|entry| entry.serial)
        .collect();
    serials.sort();
    logged.sort();
    assert_eq!(serials, logged);
    logged.dedup();
    assert_eq!(logged.len(), 8);
}

#[test]
fn the_server_renews_its_own_certificate_while_it_runs() {
    // The server's clock starts a week back, so that curl's clock takes both certificates.
    let start = now() - time::Duration::days(6);
    let ahead = Arc::new(AtomicI64::new(0));
    let seconds = Arc::clone(&ahead);
    let clock: Clock =
        Arc::new(move || start + time::Duration::seconds(seconds.load(Ordering::SeqCst)));
    let directory = tempfile::tempdir().unwrap();
    CaDirectory::make(&directory.path().join("ca"), &NewCa::default(), start).unwrap();
    let lab = Lab::in_directory(directory, clock, |_| {});
    lab.curl("cacerts", &[], None).certificates();
    let issued = || lab.ca().log().read().unwrap().entries.len();
    assert_eq!(issued(), 1);

    ahead.store(6 * DAY, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !lab
        .events()
        .iter()
        .any(|event| event.starts_with("renewed "))
    {
        assert!(Instant::now() < deadline, "{:?}", lab.events());
        std::thread::sleep(Duration::from_millis(20));
    }
    lab.curl("cacerts", &[], None).certificates();
    assert_eq!(issued(), 2);
}

#[test]
fn an_intermediate_that_was_renewed_signs_while_the_server_runs() {
    let lab = Lab::new();
    let before = lab.enrol().certificate();
    let ca = lab.directory.path().join("ca");
    let old = lab.ca();
    assert!(before.is_issued_by(old.intermediate()));

    // As docs/authorities/embedded.md says, with a new key.
    fs::remove_file(ca.join("intermediate.pem")).unwrap();
    fs::remove_file(ca.join("keys/intermediate.key")).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    lab.assert_alive();
    CaDirectory::make(&ca, &NewCa::default(), now()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let took = |event: &String| event.starts_with("the CA has a new intermediate");
    while !lab.events().iter().any(took) {
        assert!(Instant::now() < deadline, "{:?}", lab.events());
        std::thread::sleep(Duration::from_millis(20));
    }
    let new = lab.ca();
    let after = lab.enrol().certificate();
    assert!(after.is_issued_by(new.intermediate()) && !after.is_issued_by(old.intermediate()));
    let given = lab.curl("cacerts", &[], None).certificates();
    assert!(given.contains(new.intermediate()) && !given.contains(old.intermediate()));
    // Once is enough, and nothing was amiss while there was none.
    std::thread::sleep(Duration::from_millis(200));
    let events = lab.stop();
    assert_eq!(
        events.iter().filter(|event| took(event)).count(),
        1,
        "{events:?}"
    );
    assert!(
        !events
            .iter()
            .any(|event| event.contains("looking for changes")),
        "{events:?}"
    );
}

#[test]
fn users_that_cannot_be_read_are_refused_with_their_line() {
    let here = Path::new("/nowhere");
    let refused = |text: &str| Users::parse(text, here).unwrap_err().to_string();
    let text = "[user.a]\npasword = \"env:A\"\n";
    assert_eq!(
        refused(text),
        "user.a.pasword: `pasword` is not a key of this table"
    );
    let text = "[user.a]\npassword = \"hunter2\"\n";
    assert!(!refused(text).contains("hunter2"), "{}", refused(text));
    let text = "[user.a]\nallowed_names = [\"*.internal *.lab\"]\n";
    assert!(refused(text).contains("is not a pattern of names"));
    let text = "[user.a]\nmax_ttl = \"0d\"\n";
    assert_eq!(
        refused(text),
        "user.a.max_ttl: the duration is zero: give one such as \"7d\", or leave it out"
    );
    assert!(refused("[user.'a:b']\n").starts_with("\"a:b\" cannot be a user's name"));
    let text = "[user.a]\npassword = \"file:missing\"\n";
    assert!(refused(text).starts_with("user a: "), "{}", refused(text));
}
