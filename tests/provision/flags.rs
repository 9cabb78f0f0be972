//! Flags and variables beside the configuration file, and flags alone.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::Value;

use crate::built;
use crate::support::{APP, EMBEDDED, Lab, Run, TWO};

#[test]
fn flags_win_over_variables_and_those_over_the_file() {
    let lab = Lab::new();
    lab.write("certbake.toml", "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\nttl = \"10d\"\nmin_validity = \"1d\"\nplacements.combined = \"/app.pem\"\n");
    let granted = |run: Run| {
        let report = run.ends_with(0).json();
        let window = &report["identities"][0]["window"]["floor"];
        (
            report["identities"][0]["asked"]["ttl_seconds"]
                .as_i64()
                .unwrap()
                / 86_400,
            window["origin"].as_str().unwrap().to_owned(),
        )
    };
    let words = ["provision", "--root", "rootfs", "--report", "json"];
    assert_eq!(granted(lab.run(&words)), (10, "certbake.toml:7".to_owned()));
    let variable = |more: &[&str]| {
        let all = [&words[..], more].concat();
        Run::of(
            lab.command(&all)
                .env("CERTBAKE_TTL", "20d")
                .env("CERTBAKE_MIN_VALIDITY", "2d")
                .output()
                .unwrap(),
        )
    };
    assert_eq!(
        granted(variable(&[])),
        (20, "CERTBAKE_MIN_VALIDITY".to_owned())
    );
    assert_eq!(
        granted(variable(&["--ttl", "25d", "--min-validity", "3d"])),
        (25, "--min-validity".to_owned())
    );
}

#[test]
fn a_variable_that_cannot_be_read_is_refused_by_its_name() {
    let lab = Lab::new();
    let with = |name: &str, value: &str| {
        let mut command = lab.command(&[EMBEDDED, APP].concat());
        Run::of(command.env(name, value).output().unwrap())
    };
    for (name, value, says) in [
        ("CERTBAKE_REPORT", "jsno", "is not a report format"),
        ("CERTBAKE_REVOKE_ON_FAILURE", "maybe", "neither true nor"),
        ("CERTBAKE_TTL", "3 weeks", "is not a duration"),
    ] {
        let run = with(name, value).ends_with(2);
        let said = [&run.stdout[..], &run.stderr].concat();
        assert!(said.contains(says), "{said}");
        assert!(said.contains(name), "{said}");
    }
    assert!(!lab.path("ca").exists(), "the CA was asked");
    for value in ["yes", "TRUE", "1", "", "no", "0"] {
        with("CERTBAKE_REVOKE_ON_FAILURE", value).ends_with(0);
    }
}

#[test]
fn flags_change_of_a_placement_what_they_name_and_leave_the_rest_as_the_file_has_it() {
    let lab = Lab::new();
    lab.write("certbake.toml", "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n[identity.app.placements]\nfull_chain = { path = \"/app.crt\", mode = \"0640\", group = \"tls\" }\nprivate_key = { path = \"/app.key\", mode = \"0640\", group = \"tls\" }\npkcs12 = { path = \"/app.p12\", password = \"env:STORE\", alias = \"app\" }\n");
    let planned = |more: &[&str]| {
        let words = [
            "provision",
            "--root",
            "rootfs",
            "--report",
            "json",
            "--dry-run",
        ];
        let mut command = lab.command(&[&words[..], more].concat());
        let run = Run::of(command.env("STORE", "store").output().unwrap()).ends_with(0);
        let placements = run.json()["identities"][0]["placements"].clone();
        let files = placements.as_array().unwrap().iter();
        let words = |file: &Value| {
            ["path", "mode", "owner", "group"].map(|key| file[key].as_str().unwrap().to_owned())
        };
        files.map(|file| words(file).join(" ")).collect::<Vec<_>>()
    };
    let own = |path: &str, mode: &str| {
        let root = lab.path("rootfs").metadata().unwrap();
        format!("{path} {mode} {} {}", root.uid(), root.gid())
    };
    let ours = lab.path("rootfs").metadata().unwrap().uid();
    let (chain, key) = (
        format!("/app.crt 0640 {ours} tls"),
        format!("/app.key 0640 {ours} tls"),
    );
    let store = own("/app.p12", "0600");
    assert_eq!(planned(&[]), [chain.clone(), key.clone(), store.clone()]);
    assert_eq!(
        planned(&["--cert", "/new.crt", "--key-mode", "0400"]),
        [
            chain.replace("app.crt", "new.crt"),
            key.replace("0640", "0400"),
            store.replace("0600", "0400")
        ]
    );
    let owned = planned(&["--owner", "app", "--cert-mode", "0444"]);
    assert_eq!(owned[0], "/app.crt 0444 app tls");
    assert!(owned[2].starts_with("/app.p12 0600 app "), "{owned:?}");
    assert_eq!(
        planned(&["--pkcs12", "/new.p12"])[2],
        store.replace("app.p12", "new.p12")
    );

    let refused = |more: &[&str]| {
        let words = ["provision", "--root", "rootfs", "--report", "json"];
        let run = lab.run(&[&words[..], more].concat()).ends_with(2);
        run.json()["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(
        refused(&["--key-mode", "0644"]).starts_with("--key-mode: mode 0644 of the private key ")
    );
    assert!(refused(&["--cert-mode", "rw"]).starts_with("--cert-mode: \"rw\" is not a mode"));
}

#[test]
fn flags_alone_are_told_by_their_own_names() {
    let lab = Lab::new();
    let cert = ["--cert", "/c.crt"];
    let pair = [&cert[..], &["--key", "/c.key"]].concat();
    for (words, said) in [
        (
            [&pair[..], &["--common-name", "My App"]].concat(),
            "--common-name: `My App` cannot be",
        ),
        (
            [&pair[..], &["--common-name", "journal"]].concat(),
            "--common-name: `journal` cannot be the name of an identity: certbake's own",
        ),
        (
            [&pair[..], &["--common-name", "a", "--identity", "../b"]].concat(),
            "--identity: `../b` cannot be",
        ),
        (
            [&cert[..], &["--common-name", "a"]].concat(),
            "no placement is given for the private key",
        ),
    ] {
        let run = lab.provision(&words).ends_with(2);
        let summary = run.json()["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(summary.starts_with(said), "{summary}");
    }
    // A common name that is no file name is well under another.
    let named = [&pair[..], &["--common-name", "My App", "--identity", "app"]].concat();
    lab.provision(&named).ends_with(0);
}

#[test]
fn a_setting_that_goes_with_another_is_told_by_its_flag() {
    let lab = Lab::new();
    lab.provision(&[APP, &["--key-mode", "0600"]].concat())
        .ends_with(0);
    let est = [
        "provision",
        "--root",
        "rootfs",
        "--ca",
        "est",
        "--ca-url",
        "https://127.0.0.1:1",
        "--ca-anchors",
        "ca/root.pem",
        "--report",
        "json",
    ];
    for (more, said) in [
        (
            &["--ca-user", "builder"][..],
            "--ca-password: username needs it, and it is not given",
        ),
        (
            &["--ca-password", "env:PASSWORD"],
            "--ca-user: password needs it, and it is not given",
        ),
        (
            &["--ca-set", "proxy_username=me"],
            "--ca-set proxy_password: ",
        ),
        (
            &["--ca-cert", "rootfs/etc/app/tls/client.crt"],
            "it contains no private key, and client_key (--ca-key) is not given",
        ),
        (
            &["--ca-dir", "ca"],
            "--ca-dir: a CA of kind est has no setting `dir`",
        ),
    ] {
        let run = lab.run(&[&est[..], APP, more].concat()).ends_with(2);
        let finding = &run.json()["findings"][0];
        assert!(
            finding["summary"].as_str().unwrap().contains(said),
            "{finding}"
        );
    }
}

#[test]
fn a_key_that_others_could_read_is_refused_before_anything_is_done() {
    let lab = Lab::new();
    for mode in ["0644", "0660", "0650", "0601"] {
        let run = lab.provision(&[APP, &["--key-mode", mode]].concat());
        let report = run.ends_with(2).json();
        let summary = report["findings"][0]["summary"].as_str().unwrap();
        assert!(summary.contains(mode), "{summary}");
    }
    assert!(!lab.path("ca").exists());
}

#[test]
fn a_placement_among_the_records_is_refused_before_anything_is_done() {
    let lab = Lab::new();
    let words = ["--issuers", "/var/lib//certbake/issuers.json"];
    let report = lab.provision(&[APP, &words].concat()).ends_with(2).json();
    let summary = report["findings"][0]["summary"].as_str().unwrap();
    assert!(
        summary.contains("--issuers: /var/lib/certbake/issuers.json"),
        "{summary}"
    );
    assert!(!lab.path("ca").exists());
    let words = ["--issuers", "/var/lib/certbake/issuers.pem"];
    lab.provision(&[APP, &words].concat()).ends_with(0);
    lab.run(&["check", "--root", "rootfs"]).ends_with(0);
}

#[test]
fn an_argument_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt as _;
    let mut command = built::certbake();
    let foreign = std::ffi::OsStr::from_bytes(b"app\xff");
    let ended = command
        .args(["provision", "--identity"])
        .arg(foreign)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("\"app\\xFF\": is not UTF-8"), "{said}");
}

#[test]
fn a_length_of_time_below_zero_is_told_as_one() {
    let lab = Lab::new();
    for flag in ["--ttl", "--min-validity", "--max-validity", "--deadline"] {
        let run = lab.provision(&[APP, &[flag, "-1d"]].concat());
        let report = run.ends_with(2).json();
        let summary = report["findings"][0]["summary"].as_str().unwrap();
        let words = format!("{flag}: \"-1d\" is not a duration");
        assert!(summary.starts_with(&words), "{summary}");
    }
    assert!(!lab.path("ca").exists());
}

#[test]
fn a_wait_of_nothing_is_no_fault_of_whoever_was_asked() {
    let lab = Lab::new();
    lab.write(
        "exec.toml",
        "[ca.lab]\nkind = \"exec\"\ncommand = [\"true\"]\ntimeout = \"0s\"\n[identity.app]\n\
         common_name = \"app\"\nplacements.combined = \"/app.pem\"\n",
    );
    let est = "--ca est --ca-url https://127.0.0.1:9 --ca-trust system --root rootfs --ca-set";
    let est: Vec<_> = est.split(' ').collect();
    for (arguments, key) in [
        (
            [&["provision"], &est[..], &["timeout=0s"], APP].concat(),
            "timeout",
        ),
        (
            [&["provision"], &est[..], &["connect_timeout=0s"], APP].concat(),
            "connect_timeout",
        ),
        (
            vec!["provision", "--root", "rootfs", "--config", "exec.toml"],
            "ca.lab.timeout",
        ),
        (
            [&["doctor", "--within", "0s"], &EMBEDDED[1..], APP].concat(),
            "--within",
        ),
        // Answers tell whole seconds: no clock would agree.
        (
            [EMBEDDED, APP, &["--max-clock-offset", "0s"]].concat(),
            "--max-clock-offset",
        ),
    ] {
        let run = lab.run(&[&arguments[..], &["--report", "json"]].concat());
        let report = run.ends_with(2).json();
        let summary = report["findings"][0]["summary"].as_str().unwrap();
        assert!(
            summary.contains(key) && summary.contains("the duration is zero"),
            "{summary}"
        );
    }
}

#[test]
fn a_run_that_another_one_keeps_out_may_be_tried_again() {
    let lab = Lab::new();
    let _other = certbake::image::lock_dir(&lab.path("rootfs"), std::time::Duration::ZERO).unwrap();
    let run = lab.run(&[EMBEDDED, APP].concat()).ends_with(7);
    assert!(run.stdout.contains("image-busy"), "{}", run.stdout);
    assert!(
        run.stdout.ends_with("; a retry may help\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn secrets_of_the_file_are_beside_it_and_those_of_flags_are_here() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("conf")).unwrap();
    for (folder, content) in [(".", "of-here"), ("conf", "of-the-file")] {
        let program = format!("{folder}/tell");
        lab.write(&program, &format!("#!/bin/sh\necho {content}\n"));
        lab.write(&format!("{folder}/password"), content);
        for (file, mode) in [(&*program, 0o700), (&format!("{folder}/password"), 0o600)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(lab.path(file), mode).unwrap();
        }
    }
    let bake = [
        "provision",
        "--config",
        "conf/certbake.toml",
        "--root",
        "rootfs",
    ];
    for source in ["file:password", "cmd:./tell"] {
        lab.write(
            "conf/certbake.toml",
            &format!(
                "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n[identity.app.placements]\n\
                 pkcs12 = {{ path = \"/app.p12\", password = \"{source}\" }}\n"
            ),
        );
        let opens_by = |password: &str| {
            let inspect = ["inspect", "rootfs/app.p12", "--password", "env:STORE"];
            let mut command = lab.command(&inspect);
            Run::of(command.env("STORE", password).output().unwrap()).ends_with(0);
        };
        lab.run(&bake).ends_with(0);
        opens_by("of-the-file");
        lab.run(&[&bake[..], &["--pkcs12-password", source]].concat())
            .ends_with(0);
        opens_by("of-here");
    }

    // The same of the CA's, which says no to everybody once it has read the password.
    lab.write(
        "conf/certbake.toml",
        &format!(
            "[ca.lab]\nkind = \"est\"\nurl = \"http://{}\"\nusername = \"app\"\npassword = \"file:gone\"\n\
             [identity.app]\ncommon_name = \"app\"\nplacements.combined = \"/app.pem\"\n",
            built::answering(403)
        ),
    );
    lab.run(&bake).ends_with(2);
    for source in ["file:here", "cmd:./here"] {
        lab.write("here", "#!/bin/sh\necho xyzzy-of-here\n");
        std::fs::set_permissions(lab.path("here"), std::fs::Permissions::from_mode(0o700)).unwrap();
        lab.run(&[&bake[..], &["--ca-password", source]].concat())
            .ends_with(5);
    }
}

#[test]
fn a_file_that_flags_leave_unread_is_named_where_something_is_missing() {
    let lab = Lab::new();
    let hint = |words: &[&str]| {
        let run = lab.provision(words).ends_with(2);
        run.json()["findings"][0]["hint"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let unread = "certbake.toml is not read beside a --ca that is a kind";
    for (there, words) in [
        (false, &[][..]),
        (true, &[]),
        (true, &["--common-name", "app"]),
    ] {
        if there {
            lab.write("certbake.toml", TWO);
        }
        assert_eq!(hint(words).contains(unread), there, "{words:?}");
    }
    // As the hint says.
    for more in [&["--config", "certbake.toml"][..], &["--ca", "lab"]] {
        let words = [&["provision", "--root", "rootfs", "--dry-run"], more].concat();
        lab.run(&words).ends_with(0);
    }
}
