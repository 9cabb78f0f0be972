//! What lands in the image, whose it is, and what the record says of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::Value;

use crate::support::{APP, EMBEDDED, Lab, Run, TWO, app_and_tls, openssl};

#[test]
fn a_certificate_its_key_and_a_record_land_in_the_image() {
    let lab = Lab::new();
    let run = lab
        .provision(
            &[
                APP,
                &[
                    "--ttl",
                    "30d",
                    "--min-validity",
                    "21d",
                    "--record",
                    "out/app.json",
                ],
            ]
            .concat(),
        )
        .ends_with(0);

    let tls = lab.path("rootfs/etc/app/tls");
    assert_eq!(
        tls.join("client.key")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert_eq!(
        tls.join("client.crt")
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o644
    );
    let verified = openssl(
        &tls,
        &[
            "verify",
            "-purpose",
            "sslclient",
            "-CAfile",
            lab.path("ca/root.pem").to_str().unwrap(),
            "-untrusted",
            "client.crt",
            "client.crt",
        ],
    );
    assert_eq!(verified.trim(), "client.crt: OK");
    assert_eq!(
        openssl(&tls, &["pkey", "-in", "client.key", "-pubout"]),
        openssl(&tls, &["x509", "-in", "client.crt", "-noout", "-pubkey"]),
    );

    let record = lab.read("rootfs/var/lib/certbake/app-server.json");
    assert_eq!(
        record,
        lab.read("out/app.json"),
        "the copy outside is the record inside"
    );
    let record: Value = serde_json::from_str(&record).unwrap();
    let report = run.json();
    assert_eq!(
        record["certificate"]["serial"],
        report["identities"][0]["certificate"]["serial"]
    );
    assert_eq!(record["window"]["floor"], "21d");
    assert_eq!(
        report["identities"][0]["window"]["floor"]["origin"],
        "--min-validity"
    );
}

#[test]
fn owners_are_looked_up_in_the_image_not_on_the_machine() {
    let lab = Lab::new();
    lab.provision(
        &[
            APP,
            &["--owner", "app", "--group", "tls", "--key-mode", "0640"],
        ]
        .concat(),
    )
    .ends_with(0);
    let key = lab
        .path("rootfs/etc/app/tls/client.key")
        .metadata()
        .unwrap();
    assert_eq!((key.uid(), key.gid()), app_and_tls());
    assert_eq!(key.mode() & 0o777, 0o640);

    let missing = lab
        .provision(&[APP, &["--owner", "nobody"]].concat())
        .ends_with(7);
    let report = missing.json();
    assert!(
        report["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .contains("nobody"),
        "{report}"
    );
}

#[test]
fn every_identity_of_a_file_lands_as_one_set_or_none_does() {
    let lab = Lab::new();
    lab.write("certbake.toml", TWO);
    let all = ["provision", "--root", "rootfs", "--report", "json"];
    let run = lab.run(&all).ends_with(0);
    assert_eq!(
        run.json()["identities"][1]["window"]["floor"]["stated"],
        "image_max_age 14d + instance_life 7d"
    );
    assert_eq!(
        lab.read("rootfs/etc/agent.crt"),
        lab.read("rootfs/opt/agent.crt")
    );
    let before = lab.image();

    lab.write(
        "certbake.toml",
        &TWO.replace("image_max_age = \"14d\"", "image_max_age = \"60d\"")
            .replace("ttl = \"30d\"\n", ""),
    );
    lab.run(&all).ends_with(3);
    assert_eq!(
        lab.image(),
        before,
        "the identity that passed landed without the one that failed"
    );

    lab.write("certbake.toml", TWO);
    lab.run(&[&all[..], &["--identity", "agent"]].concat())
        .ends_with(0);
    let agent = lab.path("rootfs/var/lib/certbake/agent.json");
    let app = lab.path("rootfs/var/lib/certbake/app.json");
    assert_ne!(lab.image()[&agent], before[&agent]);
    assert_eq!(
        lab.image()[&app],
        before[&app],
        "the identity that was not named was touched"
    );
}

#[test]
fn an_identity_that_is_named_twice_is_baked_once() {
    let lab = Lab::new();
    lab.write("certbake.toml", TWO);
    let words = ["provision", "--root", "rootfs", "--report", "json"];
    let twice = ["--identity", "app", "--identity", "app"];
    let run = lab.run(&[&words[..], &twice].concat()).ends_with(0);
    assert_eq!(run.json()["identities"].as_array().unwrap().len(), 1);
}

#[test]
fn every_key_algorithm_is_issued_and_its_key_is_read_by_others() {
    let lab = Lab::new();
    lab.write("ca.toml", "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\nplacements.pkcs12 = { path = \"/app.p12\", password = \"env:STORE\" }\n");
    for (algorithm, shown) in [
        ("ecdsa-p256", "P-256"),
        ("ecdsa-p384", "P-384"),
        ("ed25519", "ED25519"),
        ("rsa-2048", "2048 bit"),
        ("rsa-3072", "3072 bit"),
        ("rsa-4096", "4096 bit"),
    ] {
        lab.provision(&[APP, &["--key-algorithm", algorithm]].concat())
            .ends_with(0);
        let tls = lab.path("rootfs/etc/app/tls");
        let text = openssl(&tls, &["x509", "-in", "client.crt", "-noout", "-text"]);
        assert!(text.contains(shown), "{algorithm}: {text}");
        openssl(&tls, &["pkey", "-in", "client.key", "-noout"]);

        let words = ["provision", "--config", "ca.toml", "--root", "rootfs"];
        let words = [&words[..], &["--key-algorithm", algorithm]].concat();
        let output = lab.command(&words).env("STORE", "pw").output().unwrap();
        Run::of(output).ends_with(0);
        let store = lab.path("rootfs");
        let words = ["pkcs12", "-in", "app.p12", "-passin", "pass:pw", "-noenc"];
        assert!(openssl(&store, &words).contains("PRIVATE KEY"));

        let name = format!("ca-{algorithm}");
        lab.run(&[
            "ca",
            "init",
            "--ca-dir",
            &name,
            "--key-algorithm",
            algorithm,
        ])
        .ends_with(0);
        for file in ["keys/root.key", "keys/intermediate.key"] {
            openssl(&lab.path(&name), &["pkey", "-in", file, "-noout"]);
        }
    }
}

#[test]
fn a_key_store_that_java_could_not_open_is_warned_of() {
    let lab = Lab::new();
    lab.write("certbake.toml", "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\nplacements.pkcs12 = { path = \"/app.p12\", password = \"env:STORE\" }\n");
    lab.make_ca();
    for (password, codes) in [
        ("pässword", &["pkcs12-password-not-ascii"][..]),
        ("password", &[]),
    ] {
        let words = ["provision", "--root", "rootfs", "--report", "json"];
        let output = lab.command(&words).env("STORE", password).output().unwrap();
        let run = Run::of(output).ends_with(0);
        assert_eq!(run.codes(), codes);
        assert!(!run.stdout.contains(password));
    }
}

#[test]
fn a_dry_run_tells_what_would_be_done_and_does_nothing() {
    let lab = Lab::new();
    let before = lab.image();
    let run = lab.provision(&[APP, &["--dry-run"]].concat()).ends_with(0);
    assert_eq!(
        run.json()["identities"][0]["placements"][0]["change"],
        "would-write"
    );
    assert_eq!(lab.image(), before);
    assert!(!lab.path("ca").exists());
    lab.provision(&[APP, &["--dry-run", "--owner", "ghost"]].concat())
        .ends_with(7);
}

#[test]
fn the_record_tells_the_build_and_repeats_with_source_date_epoch() {
    let lab = Lab::new();
    let words = [EMBEDDED, APP].concat();
    let mut command = lab.command(&words);
    command
        .env("SOURCE_DATE_EPOCH", "1590710400")
        .env("PACKER_BUILD_NAME", "app")
        .env("GITHUB_SHA", "abc123");
    Run::of(command.output().unwrap()).ends_with(0);
    let record: Value =
        serde_json::from_str(&lab.read("rootfs/var/lib/certbake/app-server.json")).unwrap();
    assert_eq!(record["baked_at"], "2020-05-29T00:00:00Z");
    assert_eq!(record["build"]["packer_build_name"], "app");
    assert_eq!(record["build"]["git_commit"], "abc123");

    let fresh = Lab::new();
    let unreadable = Run::of(
        fresh
            .command(&words)
            .env("SOURCE_DATE_EPOCH", "yesterday")
            .output()
            .unwrap(),
    );
    let said = unreadable.ends_with(2).stdout;
    assert!(
        said.contains("SOURCE_DATE_EPOCH is \"yesterday\""),
        "{said}"
    );
    assert!(!fresh.path("ca").exists(), "a certificate was spent on it");
}

#[test]
fn what_happened_between_two_runs_is_completed_or_taken_back() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    // A key from another run beside the certificate: the next run replaces both.
    lab.write("rootfs/etc/app/tls/client.key", "half of a key");
    lab.provision(APP).ends_with(0);
    let tls = lab.path("rootfs/etc/app/tls");
    assert_eq!(
        openssl(&tls, &["pkey", "-in", "client.key", "-pubout"]),
        openssl(&tls, &["x509", "-in", "client.crt", "-noout", "-pubkey"]),
    );
    assert_eq!(
        std::fs::read_dir(&tls).unwrap().count(),
        2,
        "something was left behind"
    );
}

#[test]
fn what_was_done_about_an_interrupted_run_is_told_once() {
    let lab = Lab::new();
    lab.write(
        "rootfs/etc/.certbake-0123456789abcdef01234567",
        "half a file",
    );
    std::fs::create_dir_all(lab.path("rootfs/var/lib/certbake")).unwrap();
    lab.write(
        "rootfs/var/lib/certbake/journal.json",
        r#"{"schema": 1, "phase": "staging", "directories": [], "files": [{
            "directory": "/etc", "name": "client.key", "temporary": ".certbake-0123456789abcdef01234567",
            "backup": ".certbake-1", "shape": {"sha256": "00", "mode": 384, "uid": 0, "gid": 0}}]}"#,
    );
    let run = lab.provision(APP).ends_with(0);
    let told = |code: &&String| *code == "image-recovered";
    assert_eq!(
        run.codes().iter().filter(told).count(),
        1,
        "{:?}",
        run.codes()
    );
}
