//! What a run reads is still there when it has ended, and a CA's own keys in an image are told.

use std::os::unix::fs::symlink;

use crate::support::{Lab, Run, TWO};

const NAME: [&str; 6] = [
    "provision",
    "--root",
    "rootfs",
    "--common-name",
    "app",
    "--report=json",
];

fn private(lab: &Lab, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    lab.write(name, text);
    std::fs::set_permissions(lab.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The run is refused by this setting and names the other, and has changed nothing.
fn spares(lab: &Lab, words: &[&str], key: &str, said: &str) -> Run {
    let before = lab.image();
    let run = lab.run(&[&NAME[..], words].concat()).ends_with(2);
    assert!(run.stdout.contains(said), "{said}: {}", run.stdout);
    assert_eq!(
        run.json()["findings"][0]["facts"]["key"],
        key,
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains("give it its own path"),
        "{}",
        run.stdout
    );
    assert_eq!(lab.image(), before, "{words:?}");
    run
}

#[test]
fn nothing_is_baked_into_the_directory_of_the_ca() {
    let lab = Lab::new();
    let ca = ["--ca", "embedded", "--ca-dir", "rootfs/opt/ca"];
    let over = [
        "--cert",
        "/opt/ca/root.pem",
        "--key",
        "/opt/ca/keys/root.key",
    ];
    // Neither before it is there, nor afterwards, nor by another name.
    for _ in 0..2 {
        let said =
            "/opt/ca/root.pem in the image is in the CA's own directory, which --ca-dir names";
        spares(&lab, &[&ca[..], &over].concat(), "--cert", said);
        if !lab.path("rootfs/opt").exists() {
            std::fs::create_dir(lab.path("rootfs/opt")).unwrap();
            lab.run(&["ca", "init", "--ca-dir", "rootfs/opt/ca"])
                .ends_with(0);
        }
    }
    symlink("opt/ca/keys", lab.path("rootfs/keys")).unwrap();
    let linked = ["--cert", "/etc/app.pem", "--key", "/keys/new.key"];
    spares(
        &lab,
        &[&ca[..], &linked].concat(),
        "--key",
        "which --ca-dir names",
    );
    let copied = [
        "--cert",
        "/a.pem",
        "--key",
        "/a.key",
        "--record",
        "rootfs/opt/ca/issued.jsonl",
    ];
    spares(
        &lab,
        &[&ca[..], &copied].concat(),
        "--record",
        "which --ca-dir names",
    );
    // A neighbour whose name begins alike is nobody's.
    let beside = ["--cert", "/opt/ca.pem", "--key", "/opt/ca.key"];
    let run = lab.run(&[&NAME[..], &ca, &beside].concat()).ends_with(0);
    assert_eq!(run.codes(), ["ca-inside-image"]);
}

#[test]
fn a_secret_that_is_read_is_not_baked_over() {
    let lab = Lab::new();
    private(&lab, "rootfs/etc/pw", "xyzzy");
    std::fs::hard_link(lab.path("rootfs/etc/pw"), lab.path("pw")).unwrap();
    let embedded = ["--ca", "embedded", "--ca-dir", "ca"];
    for source in ["file:rootfs/etc/pw", "file:pw"] {
        let store = ["--pkcs12", "/etc/pw", "--pkcs12-password", source];
        let said = "/etc/pw in the image is what --pkcs12-password names, and this run reads it";
        spares(&lab, &[&embedded[..], &store].concat(), "--pkcs12", said);
    }
    let est = [
        "--ca",
        "est",
        "--ca-url",
        "https://127.0.0.1:9",
        "--ca-trust",
        "system",
    ];
    let login = ["--ca-user", "bob", "--ca-password", "file:rootfs/etc/pw"];
    let over = ["--cert", "/etc/pw", "--key", "/etc/app.key"];
    let said = "is what --ca-password names";
    spares(&lab, &[&est[..], &login, &over].concat(), "--cert", said);
    let certificate = [
        "--ca-cert",
        "rootfs/etc/me.pem",
        "--ca-key",
        "rootfs/etc/me.key",
    ];
    let over = ["--cert", "/etc/app.pem", "--key", "/etc/me.key"];
    let said = "is what --ca-key names";
    spares(
        &lab,
        &[&est[..], &certificate, &over].concat(),
        "--key",
        said,
    );
    assert!(!lab.path("ca").exists(), "the authority was opened");
}

/// As step-ca rekeys: the login is the certificate that is replaced, with its key.
#[test]
fn a_certificate_may_be_replaced_by_the_one_that_it_has_ordered() {
    let lab = Lab::new();
    let pair = ["--cert", "/etc/me.pem", "--key", "/etc/me.key"];
    let bake = [&NAME[..], &["--ca", "embedded", "--ca-dir", "ca"], &pair].concat();
    lab.run(&bake).ends_with(0);
    let est = [
        "--ca",
        "est",
        "--ca-url",
        "https://127.0.0.1:1",
        "--ca-anchors",
        "ca/root.pem",
    ];
    let login = [
        "--ca-cert",
        "rootfs/etc/me.pem",
        "--ca-key",
        "rootfs/etc/me.key",
    ];
    let asked = [&NAME[..], &est, &login, &pair, &["--deadline", "1s"]].concat();
    assert_eq!(lab.run(&asked).ends_with(6).codes(), ["ca-unreachable"]);
}

#[test]
fn what_a_file_names_is_told_with_its_line() {
    let lab = Lab::new();
    lab.run(&["ca", "init", "--ca-dir", "ca"]).ends_with(0);
    std::fs::copy(lab.path("ca/root.pem"), lab.path("rootfs/etc/anchors.pem")).unwrap();
    let pinned = TWO.replace(
        "dir = \"ca\"",
        "dir = \"ca\"\nanchors = \"rootfs/etc/anchors.pem\"",
    );
    lab.write("certbake.toml", &pinned);
    let before = lab.image();
    let bake = |config: &str, more: &[&str]| {
        let words = ["provision", "--config", config, "--root", "rootfs"];
        lab.run(&[&words, more].concat())
    };
    let run = bake("certbake.toml", &[]).ends_with(2);
    for said in [
        "/etc/anchors.pem in the image is what ca.lab.anchors (certbake.toml:5) names",
        "certbake.toml:24",
    ] {
        assert!(on_one_line(&run).contains(said), "{said}: {}", run.stdout);
    }
    assert_eq!(lab.image(), before);
    // The configuration itself, and a record.
    lab.write("rootfs/etc/app.pem", &TWO.replace("\"ca\"", "\"../../ca\""));
    let run = bake("rootfs/etc/app.pem", &["--identity", "app"]).ends_with(2);
    let said = "/etc/app.pem in the image is the configuration file";
    assert!(on_one_line(&run).contains(said), "{}", run.stdout);
}

fn on_one_line(run: &Run) -> String {
    run.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_ca_inside_the_image_is_told_by_provision_its_dry_run_and_doctor() {
    let lab = Lab::new();
    symlink("rootfs", lab.path("link")).unwrap();
    std::fs::create_dir(lab.path("rootfs/build")).unwrap();
    let place = ["--cert", "/a.pem", "--key", "/a.key", "--ca", "embedded"];
    let run = |verb: &str, dir: &str, more: &[&str]| {
        let words = [&[verb][..], &NAME[1..], &place, &["--ca-dir", dir], more].concat();
        lab.run(&words).ends_with(0)
    };
    for (verb, more) in [
        ("doctor", &[][..]),
        ("provision", &["--dry-run"]),
        ("provision", &[]),
    ] {
        for dir in ["rootfs/build/ca", "link/build/ca"] {
            let report = run(verb, dir, more).json();
            let findings = report["findings"].as_array().unwrap();
            let told: Vec<_> = findings
                .iter()
                .filter(|finding| finding["code"] == "ca-inside-image")
                .collect();
            assert_eq!(told.len(), 1, "{verb} {more:?} {dir}: {report}");
            assert_eq!(told[0]["severity"], "warning");
            let hint = told[0]["hint"].as_str().unwrap();
            assert!(hint.contains("outside the image root"), "{hint}");
        }
    }
    let outside = run("provision", "ca", &[]);
    assert!(!outside.stdout.contains("ca-inside-image"));
}
