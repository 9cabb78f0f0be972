//! Mistakes in the configuration file and in what it names, told with their line.

use crate::skips;
use crate::support::{APP, Lab, TWO, openssl};

#[test]
fn a_mistake_in_the_file_is_told_with_its_line_and_key() {
    let lab = Lab::new();
    for (line, broken, key, words) in [
        (
            9,
            ("ttl = \"30d\"", "ttl = \"soon\""),
            "identity.app.ttl",
            "not a duration",
        ),
        (
            3,
            ("kind = \"embedded\"", "kind = \"embeded\""),
            "ca.lab.kind",
            "not a kind of authority",
        ),
        (
            4,
            ("dir = \"ca\"", "dri = \"ca\""),
            "ca.lab.dri",
            "`dri` is not a key of this table",
        ),
        (
            19,
            ("min_validity = \"66%\"", "min_validity = \"166%\""),
            "identity.agent.min_validity",
            "not a whole percentage",
        ),
        (
            21,
            ("full_chain = [", "full_chan = ["),
            "identity.agent.placements.full_chan",
            "not a key of this table",
        ),
        (
            22,
            (
                "\"/etc/agent.key\"",
                "{ path = \"/etc/agent.key\", mode = \"0604\" }",
            ),
            "identity.agent.placements.private_key",
            "mode 0604",
        ),
    ] {
        assert!(TWO.contains(broken.0), "{}", broken.0);
        lab.write("certbake.toml", &TWO.replacen(broken.0, broken.1, 1));
        let run = lab
            .run(&["provision", "--root", "rootfs", "--report", "json"])
            .ends_with(2);
        let report = run.json();
        let finding = &report["findings"][0];
        assert_eq!(finding["file"], "certbake.toml", "{finding}");
        assert_eq!(finding["line"], line, "{finding}");
        assert_eq!(finding["facts"]["key"], key, "{finding}");
        assert!(
            finding["summary"].as_str().unwrap().contains(words),
            "{finding}"
        );
    }
    assert!(
        !lab.path("ca").exists(),
        "something was asked for all the same"
    );
}

#[test]
fn what_is_missing_or_misspelt_in_a_table_is_answered_with_keys_of_that_table() {
    let lab = Lab::new();
    let ca = "[ca.lab]\nkind = \"est\"\nurl = \"https://ca.example\"\n";
    let identity = "[identity.app]\ncommon_name = \"app\"\n";
    for (text, hint) in [
        (
            format!("{ca}anchor = \"ca.pem\"\n{identity}placements.combined = \"/a\"\n"),
            "did you mean `anchors`?",
        ),
        (
            format!("{ca}knd = 1\n{identity}placements.combined = \"/a\"\n"),
            "did you mean `kind`?",
        ),
        (
            format!("{ca}anchors = [\"ca.pem\"]\n{identity}"),
            "write one path in quotes",
        ),
        (
            format!("[ca.lab]\nurl = \"https://ca.example\"\n{identity}"),
            "there are: acme, aws-pca",
        ),
        (
            format!("[ca.lab]\nkind = \"kubernetes\"\n{identity}"),
            "`certbake authorities kubernetes` explains each",
        ),
        (
            format!("[ca.lab]\nkind = \"vault\"\ntoken = \"env:T\"\n{identity}"),
            "`certbake authorities vault` explains each",
        ),
        (
            format!("{ca}trust = \"system\"\n{identity}"),
            "full_chain and private_key in its placements table",
        ),
    ] {
        lab.write("certbake.toml", &text);
        let run = lab.run(&["provision", "--root", "rootfs", "--report", "json"]);
        let finding = run.ends_with(2).json()["findings"][0].clone();
        assert!(
            finding["hint"].as_str().unwrap().contains(hint),
            "{finding:#}"
        );
    }
}

#[test]
fn settings_that_no_certificate_could_meet_are_refused_with_their_line() {
    let lab = Lab::new();
    let both = "placements.full_chain = \"/app.crt\"\nplacements.private_key = \"/app.key\"\n";
    for (lines, line, key, words) in [
        (
            format!("{both}ttl = \"0d\"\n"),
            8,
            "identity.app.ttl",
            "the duration is zero",
        ),
        (
            format!("{both}min_validity = \"0d\"\n"),
            8,
            "identity.app.min_validity",
            "it requires nothing",
        ),
        (
            format!("{both}min_validity = \"0%\"\n"),
            8,
            "identity.app.min_validity",
            "it requires nothing",
        ),
        (
            format!("{both}use_by.rollout = \"0d\"\n"),
            8,
            "identity.app.use_by",
            "rollout is zero, so it requires nothing",
        ),
        (
            format!("{both}use_by = {{ a = \"0d\", b = \"0h\" }}\n"),
            8,
            "identity.app.use_by",
            "a and b are zero, so they require nothing",
        ),
        (
            format!("{both}record = \"-\"\n"),
            8,
            "identity.app.record",
            "- would be a file of that name, not standard output",
        ),
        (
            format!("{both}use_by = {{ a = \"36500d\", b = \"36500d\" }}\n"),
            8,
            "identity.app.use_by",
            "add up to 73000d, which is longer than a hundred years",
        ),
        (
            format!("{both}ttl = 2026-12-31\n"),
            8,
            "identity.app.ttl",
            "expected text, found the date 2026-12-31",
        ),
        (
            format!("{both}dns = [\"app.internal.\"]\n"),
            8,
            "identity.app.dns",
            "not a valid DNS name",
        ),
        (
            format!("{both}placements.pkcs12 = {{ path = \"/app.p12\", password = \"hunter2\" }}\n"),
            8,
            "identity.app.placements.pkcs12.password",
            "never the secret itself",
        ),
        (
            "placements.full_chain = \"/app.crt\"\nplacements.private_key = { path = \"/app.key\", owner = \"app:tls\" }\n".to_owned(),
            7,
            "identity.app.placements.private_key",
            "the owner \"app:tls\" contains a colon",
        ),
        (
            format!("{both}[identity.\"my app\"]\ncommon_name = \"b\"\nplacements.combined = \"/b.pem\"\n"),
            8,
            "identity.my app",
            "cannot be the name of an identity",
        ),
        (
            format!("{both}min_validity = \"30d\"\nmax_validity = \"20d\"\n"),
            9,
            "identity.app.max_validity",
            "the floor of 30d is longer than the 20d that max_validity allows",
        ),
        (
            "placements.private_key = \"/app.key\"\n".to_owned(),
            6,
            "identity.app.placements",
            "no placement is given for the certificate",
        ),
        (
            "placements.full_chain = \"/app.crt\"\n".to_owned(),
            6,
            "identity.app.placements",
            "no placement is given for the private key",
        ),
        (
            format!("{both}placements.certificate = \"/app.key\"\n"),
            7,
            "identity.app.placements.private_key",
            "/app.key is already the path of the certificate",
        ),
        (
            format!("{both}placements.issuers = [\"/i.crt\", \"/i.crt\"]\n"),
            8,
            "identity.app.placements.issuers",
            "/i.crt is already the path of the issuers",
        ),
    ] {
        let head =
            "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n";
        lab.write("certbake.toml", &format!("{head}{lines}"));
        let run = lab
            .run(&["provision", "--root", "rootfs", "--report", "json"])
            .ends_with(2);
        let finding = &run.json()["findings"][0];
        assert_eq!(finding["line"], line, "{finding}");
        assert_eq!(finding["facts"]["key"], key, "{finding}");
        let summary = finding["summary"].as_str().unwrap();
        assert!(summary.contains(words), "{finding}");
    }
    assert!(!lab.path("ca").exists(), "the authority was opened");
}

#[test]
fn a_country_is_two_letters_and_a_spiffe_id_the_only_uri() {
    let lab = Lab::new();
    let refused = |lines: &str| {
        let head =
            "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n";
        lab.write("certbake.toml", &format!("{head}{lines}\n"));
        let run = lab.run(&["provision", "--root", "rootfs", "--report", "json"]);
        run.ends_with(2).json()["findings"][0].clone()
    };
    for country in ["Germany", "G", "", "de", "1!"] {
        let finding = refused(&format!("country = \"{country}\""));
        let said = format!(
            "identity.app.country: \"{country}\" is not a country: two capital letters (ISO 3166)"
        );
        assert_eq!(finding["summary"], said);
        assert_eq!(finding["line"], 6);
        assert!(
            finding["hint"].as_str().unwrap().contains("\"DE\""),
            "{finding}"
        );
    }
    for (uris, other) in [
        (r#"["spiffe://lab/a", "spiffe://lab/b"]"#, "spiffe://lab/b"),
        (r#"["https://x", "spiffe://lab/a"]"#, "https://x"),
    ] {
        let finding = refused(&format!("uri = {uris}"));
        let said = format!("the SPIFFE ID spiffe://lab/a cannot stand beside {other}");
        let summary = finding["summary"].as_str().unwrap();
        assert!(summary.contains(&said), "{finding}");
        assert_eq!(
            (&finding["line"], &finding["facts"]["key"]),
            (&6.into(), &"identity.app.uri".into())
        );
    }
    assert!(!lab.path("ca").exists(), "the authority was opened");
    let by_flags = [APP, &["--uri", "spiffe://lab/a", "--uri", "https://x"]].concat();
    let run = lab.provision(&by_flags).ends_with(2);
    let told = run.stdout + &run.stderr;
    assert!(
        told.contains("--uri: the SPIFFE ID spiffe://lab/a"),
        "{told}"
    );
    // Two URIs of other kinds are nobody's identity alone, and a DNS name may stand beside an ID.
    for fits in [
        &["--uri", "https://x", "--uri", "https://y"][..],
        &["--uri", "spiffe://lab/a", "--dns", "a.internal"],
    ] {
        lab.provision(&[APP, fits].concat()).ends_with(0);
    }
}

#[test]
fn a_name_that_no_record_can_have_is_refused_where_it_stands() {
    let lab = Lab::new();
    lab.write(
        "certbake.toml",
        "[ca.lab]\nkind = 'embedded'\ndir = 'ca'\n\n[identity.journal]\nca = 'lab'\ncommon_name = 'app'\n",
    );
    let run = lab.run(&["provision", "--root", "rootfs"]).ends_with(2);
    let told = run.stdout + &run.stderr;
    assert!(
        told.contains("identity.journal: `journal` cannot be"),
        "{told}"
    );
    let run = lab.provision(&[APP, &["--identity", "../x"]].concat());
    let told = run.stdout + &run.stderr;
    assert!(told.contains("--identity: `../x` cannot be"), "{told}");
}

#[test]
fn a_configuration_file_in_another_encoding_is_told_with_its_line() {
    let lab = Lab::new();
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for (bytes, line, said) in [
        ([&b"\xff\xfe"[..], &utf16(TWO)].concat(), 1, "UTF-16 text"),
        (utf16(TWO.trim_start()), 1, "NUL bytes"),
        (b"[ca.lab]\nkind = \"\xfcber\"\n".to_vec(), 2, "not UTF-8"),
    ] {
        std::fs::write(lab.path("certbake.toml"), bytes).unwrap();
        let run = lab.run(&["provision", "--root", "rootfs", "--report", "json"]);
        let finding = run.ends_with(2).json()["findings"][0].clone();
        assert_eq!(finding["line"], line, "{finding}");
        assert!(
            finding["summary"].as_str().unwrap().contains(said),
            "{finding}"
        );
        assert_eq!(finding["hint"], "save the file as UTF-8");
    }
}

#[test]
fn anchors_that_cannot_be_read_are_told_with_what_to_give() {
    let lab = Lab::new();
    for (ca, hint) in [
        (
            "kind = \"embedded\"\ndir = \"ca\"",
            "leave anchors out until the CA exists",
        ),
        (
            "kind = \"est\"\nurl = \"https://ca.example\"",
            "the roots to which its certificates must chain",
        ),
    ] {
        lab.write("certbake.toml", &format!("[ca.lab]\n{ca}\nanchors = \"missing.pem\"\n[identity.app]\ncommon_name = \"app\"\nplacements.combined = \"/app.pem\"\n"));
        let run = lab.run(&["provision", "--root", "rootfs", "--report", "json"]);
        let finding = run.ends_with(2).json()["findings"][0].clone();
        assert!(
            finding["hint"].as_str().unwrap().contains(hint),
            "{finding}"
        );
    }
}

#[test]
fn a_file_given_as_anchors_is_called_what_it_is() {
    let lab = Lab::new();
    lab.run(&["ca", "init", "--ca-dir", "ca"]).ends_with(0);
    openssl(
        lab.dir.path(),
        &[
            "x509",
            "-in",
            "ca/root.pem",
            "-outform",
            "DER",
            "-out",
            "root.der",
        ],
    );
    lab.write("empty.pem", "\n");
    std::fs::write(lab.path("utf16.pem"), b"\xff\xfe-\0-\0").unwrap();
    for (anchors, said) in [
        ("root.der", "it is DER: `openssl x509 -inform DER"),
        ("empty.pem", "it is empty"),
        ("utf16.pem", "it is UTF-16 text"),
        ("ca/keys/root.key", "it contains other things"),
        (
            "rootfs/etc/passwd",
            "`certbake inspect FILE` says what it is",
        ),
    ] {
        let run = lab.run(&[
            "provision",
            "--ca",
            "est",
            "--ca-url",
            "https://ca.example",
            "--common-name",
            "app",
            "--root",
            "rootfs",
            "--cert",
            "/c.crt",
            "--key",
            "/c.key",
            "--report",
            "json",
            "--ca-anchors",
            anchors,
        ]);
        let finding = run.ends_with(2).json()["findings"][0].clone();
        let summary = finding["summary"].as_str().unwrap();
        assert!(
            summary.contains(anchors) && summary.contains(said),
            "{summary}"
        );
    }
}

#[test]
fn a_path_that_no_file_can_have_is_told_with_what_to_change() {
    let lab = Lab::new();
    let long = format!("/etc/{}", "x".repeat(300));
    for (root, key, said) in [
        ("rootfs", &*long, "shorten the name to 255 bytes"),
        ("/", "/proc/self/x", "/proc/self is not for files"),
    ] {
        if root == "/" && !skips::is_root() {
            skips::skipped("only root may write into the running system");
            continue;
        }
        let words = [
            "provision",
            "--ca",
            "embedded",
            "--ca-dir",
            "ca",
            "--root",
            root,
            "--cert",
            "/app.crt",
            "--key",
            key,
            "--common-name",
            "a",
            "--dry-run",
            "--report",
            "json",
        ];
        let report = lab.run(&words).ends_with(7).json();
        let findings = report["findings"].as_array().unwrap();
        let found = findings.iter().find(|it| it["code"] == "image-io").unwrap();
        let hint = found["hint"].as_str().unwrap();
        assert!(hint.contains(said), "{hint}");
    }
}
