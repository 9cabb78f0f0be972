//! The main job as a user runs it: the built binary, the embedded CA, an image root in a fresh directory.
#![allow(clippy::disallowed_methods, clippy::too_many_lines)]

mod built;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A fresh directory with an image root that knows a user `app` (1001) in a group `tls` (2002).
struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("rootfs/etc")).unwrap();
        std::fs::write(
            dir.path().join("rootfs/etc/passwd"),
            "root:x:0:0::/root:/bin/sh\napp:x:1001:1001::/:/bin/false\n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join("rootfs/etc/group"),
            "root:x:0:\ntls:x:2002:app\n",
        )
        .unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = built::certbake();
        command.args(arguments).current_dir(self.dir.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// `provision` with the embedded CA and a JSON report, plus `more`.
    fn provision(&self, more: &[&str]) -> Run {
        self.run(&[EMBEDDED, &["--report", "json"], more].concat())
    }

    /// Every file in the image root: path, mode, owner, content, modification time.
    fn image(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>, i64)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path("rootfs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let content = if metadata.is_file() {
                    std::fs::read(&path).unwrap()
                } else {
                    Vec::new()
                };
                files.insert(
                    path.clone(),
                    (
                        metadata.mode(),
                        metadata.uid(),
                        metadata.gid(),
                        content,
                        metadata.mtime_nsec(),
                    ),
                );
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        files
    }
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn ends_with(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    fn codes(&self) -> Vec<String> {
        let report = self.json();
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// What asks a CA in the folder `ca`.
const EMBEDDED: &[&str] = &[
    "provision",
    "--ca",
    "embedded",
    "--ca-dir",
    "ca",
    "--root",
    "rootfs",
];

const APP: &[&str] = &[
    "--common-name",
    "app-server",
    "--dns",
    "app.internal",
    "--cert",
    "/etc/app/tls/client.crt",
    "--key",
    "/etc/app/tls/client.key",
];

fn openssl(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "openssl {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

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
fn a_window_below_the_floor_fails_the_build_and_leaves_the_image_as_it_was() {
    let lab = Lab::new();
    lab.provision(&[APP, &["--ttl", "30d"]].concat())
        .ends_with(0);
    let before = lab.image();
    // The authority grants 30 days where nothing is asked for.
    let run = lab
        .provision(&[APP, &["--min-validity", "45d"]].concat())
        .ends_with(3);
    assert_eq!(run.json()["outcome"], "window");
    assert_eq!(run.codes(), ["window-below-floor"]);
    assert_eq!(lab.image(), before);
}

#[test]
fn no_certificate_is_spent_on_a_floor_that_its_ttl_can_never_hold() {
    let lab = Lab::new();
    let run = lab
        .provision(&[APP, &["--ttl", "1d", "--min-validity", "7d"]].concat())
        .ends_with(3);
    assert_eq!(run.codes(), ["ttl-below-floor"]);
    let finding = &run.json()["findings"][0];
    // Whom the files would have belonged to is said as well as if they had landed.
    let owner = run.json()["identities"][0]["placements"][0]["owner"].clone();
    let owner: u32 = owner.as_str().unwrap().parse().unwrap();
    assert_eq!(owner, lab.path("rootfs").metadata().unwrap().uid());
    assert_eq!(finding["facts"]["ttl_from"], "--ttl");
    assert_eq!(finding["facts"]["floor_from"], "--min-validity");
    let summary = "a certificate of 1d cannot stay valid for the 7d that the build demands";
    assert_eq!(finding["summary"], summary);
    assert!(!lab.path("ca").exists(), "the authority was opened");
}

#[test]
fn a_shortened_lifetime_fails_unless_it_is_only_to_be_warned_of() {
    let lab = Lab::new();
    let short = [APP, &["--ttl", "30d", "--ca-set", "max_ttl=5d"]].concat();
    let run = lab.provision(&short).ends_with(3);
    assert!(
        run.codes().contains(&"lifetime-shortened".to_owned()),
        "{:?}",
        run.codes()
    );
    assert!(!lab.path("rootfs/etc/app").exists());
    let run = lab
        .provision(&[&short[..], &["--on-shortened", "warn"]].concat())
        .ends_with(0);
    let report = run.json();
    let [warned] = &report["findings"].as_array().unwrap()[..] else {
        panic!("told more than once: {report}");
    };
    assert_eq!(warned["code"], "lifetime-shortened");
    let hint = warned["hint"].as_str().unwrap();
    assert!(!hint.contains("on_shortened"), "it is so already: {hint}");
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
    assert_eq!(
        (key.uid(), key.gid(), key.mode() & 0o777),
        (1001, 2002, 0o640)
    );

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

const TWO: &str = r#"
[ca.lab]
kind = "embedded"
dir = "ca"

[identity.app]
common_name = "app"
uri = ["spiffe://lab/app"]
ttl = "30d"
[identity.app.use_by]
image_max_age = "14d"
instance_life = "7d"
[identity.app.placements]
combined = "/etc/app.pem"

[identity.agent]
common_name = "agent"
key_algorithm = "ed25519"
min_validity = "66%"
[identity.agent.placements]
full_chain = ["/etc/agent.crt", "/opt/agent.crt"]
private_key = "/etc/agent.key"
anchors = "/etc/anchors.pem"
"#;

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
fn a_floor_that_is_given_takes_the_place_of_the_file_s_sum() {
    let lab = Lab::new();
    let config = "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\n\
                  use_by = { image_max_age = \"20d\" }\nplacements.combined = \"/app.pem\"\n";
    lab.write("certbake.toml", config);
    let words = ["provision", "--root", "rootfs", "--report", "json"];
    let run = lab.run(&[&words[..], &["--min-validity", "3d"]].concat());
    let floor = &run.ends_with(0).json()["identities"][0]["window"]["floor"];
    assert_eq!(floor["stated"], "3d");
}

#[test]
fn a_floor_in_a_misspelt_variable_is_refused_and_not_left_out() {
    let lab = Lab::new();
    let mut command = lab.command(&[EMBEDDED, &["--report", "json"]].concat());
    command.env("CERTBAKE_MIN_VALIDTY", "300d");
    let report = Run::of(command.output().unwrap()).ends_with(2).json();
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "usage-invalid");
    assert_eq!(finding["facts"]["key"], "CERTBAKE_MIN_VALIDTY");
    let hint = finding["hint"].as_str().unwrap();
    assert!(hint.contains("`CERTBAKE_MIN_VALIDITY`"), "{hint}");
    assert!(!lab.path("ca").exists(), "the CA was asked");
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
fn a_mistake_in_the_file_is_told_with_its_line_and_key() {
    let lab = Lab::new();
    for (line, broken, key, words) in [
        (
            9,
            ("ttl = \"30d\"", "ttl = \"soon\""),
            "identity.app.ttl",
            "not a length of time",
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
fn anchors_that_cannot_be_read_are_told_with_what_to_give() {
    let lab = Lab::new();
    for (ca, hint) in [
        (
            "kind = \"embedded\"\ndir = \"ca\"",
            "leave anchors out while the CA is not made",
        ),
        (
            "kind = \"est\"\nurl = \"https://ca.example\"",
            "the roots that its certificates must lead to",
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
        ("root.der", "it is DER, which `openssl x509 -inform DER"),
        ("empty.pem", "it is empty"),
        ("utf16.pem", "it is UTF-16 text"),
        ("ca/keys/root.key", "it holds others"),
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
fn a_floor_of_nothing_is_refused_as_a_flag_too() {
    let lab = Lab::new();
    for floor in ["0d", "0%", "0h0m"] {
        let run = lab.provision(&[APP, &["--min-validity", floor]].concat());
        let said = run.ends_with(2).json()["findings"][0]["summary"].clone();
        assert_eq!(
            said,
            format!(
                "--min-validity: \"{floor}\" demands nothing, so it is no floor: leave it out, or say how long is needed"
            )
        );
        let run = lab.run(&["check", "--root", "rootfs", "--min-validity", floor]);
        run.ends_with(2);
    }
}

#[test]
fn files_of_a_github_runner_that_cannot_be_written_cost_no_certificate() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("folder")).unwrap();
    let command = |variable: &str, file: &str| {
        let words = [EMBEDDED, APP, &["--report", "github"]].concat();
        let mut command = lab.command(&words);
        command.env(variable, file);
        Run::of(command.output().unwrap())
    };
    for variable in ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"] {
        for file in ["missing/file", "folder", "rootfs/etc/passwd/file"] {
            let run = command(variable, file).ends_with(2);
            let start = format!("certbake: {variable}: {file} cannot be written: ");
            assert!(run.stderr.contains(&start), "{}", run.stderr);
        }
    }
    assert!(!lab.path("ca").exists(), "the authority was opened");
    // As people set them who try a workflow by hand.
    let run = command("GITHUB_OUTPUT", "/dev/stdout").ends_with(0);
    assert!(run.stdout.contains("serial<<"), "{}", run.stdout);
    command("GITHUB_STEP_SUMMARY", "summary.md").ends_with(0);
    assert!(lab.path("summary.md").exists());
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
            "no time at all",
        ),
        (
            format!("{both}min_validity = \"0d\"\n"),
            8,
            "identity.app.min_validity",
            "demands nothing",
        ),
        (
            format!("{both}min_validity = \"0%\"\n"),
            8,
            "identity.app.min_validity",
            "demands nothing",
        ),
        (
            format!("{both}use_by.rollout = \"0d\"\n"),
            8,
            "identity.app.use_by",
            "demands nothing",
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
            "a secret is never given itself",
        ),
        (
            "placements.full_chain = \"/app.crt\"\nplacements.private_key = { path = \"/app.key\", owner = \"app:tls\" }\n".to_owned(),
            7,
            "identity.app.placements.private_key",
            "the owner \"app:tls\" holds a colon",
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
            "the floor of 30d is longer than the 20d allowed",
        ),
        (
            "placements.private_key = \"/app.key\"\n".to_owned(),
            6,
            "identity.app.placements",
            "the certificate goes nowhere",
        ),
        (
            "placements.full_chain = \"/app.crt\"\n".to_owned(),
            6,
            "identity.app.placements",
            "the private key goes nowhere",
        ),
        (
            format!("{both}placements.certificate = \"/app.key\"\n"),
            7,
            "identity.app.placements.private_key",
            "/app.key is already to hold the certificate",
        ),
        (
            format!("{both}placements.issuers = [\"/i.crt\", \"/i.crt\"]\n"),
            8,
            "identity.app.placements.issuers",
            "/i.crt is already to hold the issuers",
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
fn places_of_reports_and_records_that_cannot_be_written_are_refused_before_anything_is_asked() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("out")).unwrap();
    for report in ["json=out", "json=rootfs/etc/passwd/report.json", "json="] {
        let run = lab.run(&[EMBEDDED, APP, &["--report", report]].concat());
        run.ends_with(2);
    }
    let twice = [
        "--report",
        "markdown=out/a",
        "--report",
        "github=./out/../out/a",
    ];
    lab.provision(&[APP, &twice].concat()).ends_with(2);
    for record in ["out", "rootfs/etc/passwd/record.json"] {
        let run = lab
            .provision(&[APP, &["--record", record]].concat())
            .ends_with(2);
        assert_eq!(run.codes(), ["record-unwritable"]);
    }
    assert!(!lab.path("ca").exists(), "the authority was opened");
    // Directories that are missing are made.
    let new = [
        "--record",
        "new/a/record.json",
        "--report",
        "markdown=new/b/report.md",
    ];
    lab.provision(&[APP, &new].concat()).ends_with(0);
    assert!(
        lab.read("new/b/report.md")
            .starts_with("### certbake provision: ok")
    );
}

#[test]
fn why_something_could_not_be_written_is_said() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    for report in [
        &["check", "--root", "rootfs", "--report", "json=/dev/full"][..],
        &["schema", "config"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let run = Run::of(lab.command(report).stdout(full).output().unwrap()).ends_with(1);
        assert!(
            run.stderr
                .to_lowercase()
                .contains("no space left on device"),
            "{}",
            run.stderr
        );
    }
    // A name can be too long for a directory, and that shows only when it is made.
    let record = format!("{}/record.json", "x".repeat(300));
    let run = lab
        .provision(&[APP, &["--record", &record]].concat())
        .ends_with(7);
    let finding = &run.json()["findings"][0];
    assert_eq!(finding["code"], "record-unwritable");
    assert!(
        finding["summary"]
            .as_str()
            .unwrap()
            .ends_with("file name too long"),
        "{finding}"
    );
}

#[test]
fn a_report_is_as_wide_as_the_terminal() {
    let lab = Lab::new();
    let widest = |columns: u16| {
        let certbake = env!("CARGO_BIN_EXE_certbake");
        let words = format!("stty rows 24 cols {columns}; '{certbake}' check --root missing");
        let output = Command::new("script")
            .args(["-qec", &words, "/dev/null"])
            .current_dir(lab.dir.path())
            .env_remove("COLUMNS")
            .env("NO_COLOR", "1")
            .output();
        let run = Run::of(output.unwrap()).ends_with(7);
        let lines = run.stdout.lines().map(str::trim_end);
        lines.map(|line| line.chars().count()).max().unwrap()
    };
    assert!((50..=60).contains(&widest(60)));
    assert!((90..=110).contains(&widest(110)));
}

#[test]
fn a_report_goes_through_devices_and_descriptors_and_replaces_none() {
    let lab = Lab::new();
    // As /dev/stdout is made.
    std::os::unix::fs::symlink("/proc/self/fd/1", lab.path("stdout")).unwrap();
    let run = lab
        .provision(
            &[
                APP,
                &[
                    "--report",
                    "markdown=/dev/null",
                    "--report",
                    "gitlab=stdout",
                ],
            ]
            .concat(),
        )
        .ends_with(0);
    assert!(run.stdout.ends_with("}\n[]\n"), "{}", run.stdout);
    assert!(lab.path("stdout").is_symlink());
    let issued = lab.read("ca/issued.jsonl");
    for nowhere in ["markdown=/dev/fd/97", "markdown=/proc/report.md"] {
        let run = lab
            .provision(&[APP, &["--report", nowhere]].concat())
            .ends_with(2);
        assert!(run.stderr.contains("cannot be written"), "{}", run.stderr);
    }
    assert_eq!(
        lab.read("ca/issued.jsonl"),
        issued,
        "a certificate was spent"
    );
}

#[test]
fn a_key_store_that_java_could_not_open_is_warned_of() {
    let lab = Lab::new();
    lab.write("certbake.toml", "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n[identity.app]\ncommon_name = \"app\"\nplacements.pkcs12 = { path = \"/app.p12\", password = \"env:STORE\" }\n");
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
fn no_report_and_no_record_takes_the_place_of_what_is_baked() {
    let lab = Lab::new();
    lab.write("certbake.toml", TWO);
    let bake = |more: &[&str]| lab.run(&[&["provision", "--root", "rootfs"], more].concat());
    bake(&[]).ends_with(0);
    std::os::unix::fs::symlink("rootfs", lab.path("link")).unwrap();
    let before = lab.image();
    let one = ["--identity", "app"];
    for (report, said) in [
        ("json=rootfs/etc/app.pem", "a certificate or a key is there"),
        ("json=link/etc/agent.key", "a certificate or a key is there"),
        (
            "json=rootfs/var/lib/certbake/app.json",
            "holds the record of app",
        ),
        ("json=./certbake.toml", "is the configuration file"),
        (
            "json=ca/keys/root.key",
            "a certificate or a key is there, which would be lost",
        ),
    ] {
        let run = bake(&["--report", report]).ends_with(2);
        assert!(run.stderr.contains(said), "{report}: {}", run.stderr);
    }
    for (record, said) in [
        ("rootfs/etc/app.pem", "holds the combined of app"),
        ("certbake.toml", "is the configuration file"),
        ("out.json", "is to hold the json report already"),
    ] {
        let more = ["--record", record, "--report", "json=out.json"];
        let run = bake(&[&one, &more[..]].concat()).ends_with(2);
        assert!(
            run.stdout.contains(said) || run.stderr.contains(said),
            "{record}: {}",
            run.stdout
        );
    }
    assert_eq!(lab.image(), before);
    assert_eq!(lab.read("certbake.toml"), TWO);
    // Elsewhere in the image, and over what an earlier run wrote, is where a report may go.
    for _ in 0..2 {
        bake(&["--report", "json=rootfs/etc/report.json"]).ends_with(0);
    }
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
            "--ca-password: username is given without it",
        ),
        (
            &["--ca-password", "env:PASSWORD"],
            "--ca-user: password is given without it",
        ),
        (
            &["--ca-set", "proxy_username=me"],
            "--ca-set proxy_password: ",
        ),
        (
            &["--ca-cert", "rootfs/etc/app/tls/client.crt"],
            "there is no private key in it, and client_key (--ca-key) names no other file",
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
fn files_of_an_identity_that_is_not_baked_are_not_overwritten() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    std::os::unix::fs::symlink("app", lab.path("rootfs/etc/linked")).unwrap();
    let before = lab.image();
    let issued = lab.read("ca/issued.jsonl");
    let renamed = [APP, &["--identity", "app-2"]].concat();
    let linked = [
        "--common-name",
        "app-2",
        "--leaf",
        "/etc/linked/tls/client.crt",
        "--key",
        "/etc/app-2.key",
    ];
    let on_record = [
        "--common-name",
        "app-2",
        "--cert",
        "/var/lib/certbake/app-server.json",
        "--key",
        "/etc/app-2.key",
    ];
    for (words, files) in [(&renamed[..], 2), (&linked, 1), (&on_record, 1)] {
        for more in [&[][..], &["--dry-run"]] {
            let run = lab.provision(&[words, more].concat()).ends_with(7);
            let finding = &run.json()["findings"][0];
            assert_eq!(finding["code"], "placement-claimed", "{finding}");
            assert_eq!(finding["identity"], "app-2", "{finding}");
            assert_eq!(finding["facts"]["placed_by"], "app-server", "{finding}");
            let paths = finding["facts"]["paths"].as_array().unwrap();
            assert_eq!(paths.len(), files, "{finding}");
        }
    }
    assert_eq!(lab.image(), before);
    assert_eq!(
        lab.read("ca/issued.jsonl"),
        issued,
        "a certificate was spent"
    );
    let doctor = [&["doctor"], &EMBEDDED[1..], &renamed, &["--report", "json"]].concat();
    let run = lab.run(&doctor).ends_with(7);
    assert_eq!(run.json()["findings"][0]["code"], "placement-claimed");
    // As the hint says.
    std::fs::remove_file(lab.path("rootfs/var/lib/certbake/app-server.json")).unwrap();
    lab.provision(&renamed).ends_with(0);
    lab.run(&["check", "--root", "rootfs"]).ends_with(0);
}

#[test]
fn a_record_of_another_identity_that_cannot_be_read_is_warned_of() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    lab.write("rootfs/var/lib/certbake/other.json", "{");
    std::fs::create_dir(lab.path("rootfs/var/lib/certbake/folder.json")).unwrap();
    let report = lab.provision(APP).ends_with(0).json();
    for (finding, name) in report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["folder", "other"])
    {
        assert_eq!(finding["severity"], "warning", "{finding}");
        let summary = finding["summary"].as_str().unwrap();
        let begins = format!("which files are those of {name} is not known: ");
        assert!(summary.starts_with(&begins), "{finding}");
    }
    assert_eq!(report["findings"].as_array().unwrap().len(), 2);
}

#[test]
fn identities_that_change_places_in_one_run_claim_nothing_of_each_other() {
    let lab = Lab::new();
    let config = |first: &str, second: &str| {
        format!(
            "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"\n\
             [identity.a]\ncommon_name = \"a\"\nplacements.combined = \"/etc/{first}.pem\"\n\
             [identity.b]\ncommon_name = \"b\"\nplacements.combined = \"/etc/{second}.pem\"\n"
        )
    };
    lab.write("certbake.toml", &config("one", "two"));
    let provision = ["provision", "--root", "rootfs", "--report", "json"];
    lab.run(&provision).ends_with(0);
    lab.write("certbake.toml", &config("two", "one"));
    lab.run(&["doctor", "--root", "rootfs"]).ends_with(0);
    let run = lab.run(&provision).ends_with(0);
    assert_eq!(run.json()["findings"], Value::Array(Vec::new()));
    let only = [&provision[..], &["--identity", "a"]].concat();
    lab.run(&only).ends_with(0);
    lab.write("certbake.toml", &config("one", "two"));
    lab.run(&only).ends_with(7);
}

#[test]
fn a_file_that_is_placed_elsewhere_now_is_told_once() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    let moved: Vec<_> = APP
        .iter()
        .map(|word| match *word {
            "/etc/app/tls/client.key" => "/etc/app/new.key",
            word => word,
        })
        .collect();
    let dry = [&moved[..], &["--dry-run"]].concat();
    for words in [&dry, &moved] {
        let report = lab.provision(words).ends_with(0).json();
        let findings = report["findings"].as_array().unwrap();
        let left = findings
            .iter()
            .find(|finding| finding["code"] == "placement-left-behind")
            .unwrap_or_else(|| panic!("{report}"));
        let paths = &left["facts"]["paths"];
        assert_eq!(*paths, serde_json::json!(["/etc/app/tls/client.key"]));
    }
    assert!(lab.path("rootfs/etc/app/tls/client.key").exists());
    let run = lab.provision(&moved).ends_with(0);
    assert_eq!(run.json()["findings"], Value::Array(Vec::new()));
}

#[test]
fn an_identity_under_a_new_name_is_told_from_a_file_that_somebody_changed() {
    let lab = Lab::new();
    lab.provision(APP).ends_with(0);
    let record = lab.path("rootfs/var/lib/certbake/app-server.json");
    std::fs::rename(&record, lab.path("kept")).unwrap();
    let renamed = [APP, &["--identity", "app-2"]].concat();
    lab.provision(&renamed).ends_with(0);
    std::fs::rename(lab.path("kept"), &record).unwrap();
    let check = ["check", "--root", "rootfs", "--report", "json"];
    let run = lab.run(&check).ends_with(4);
    let report = run.json();
    let mut findings = report["findings"].as_array().unwrap().iter();
    let finding = findings
        .find(|finding| finding["code"] == "placement-changed")
        .unwrap();
    assert_eq!(finding["facts"]["placed_by"], "app-2", "{finding}");
    assert!(
        finding["hint"]
            .as_str()
            .unwrap()
            .contains("remove the record of app-server"),
        "{finding}"
    );
    // Whose files are gone already claims nothing.
    lab.provision(&renamed).ends_with(0);
    std::fs::remove_file(record).unwrap();
    lab.run(&check).ends_with(0);
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
            "the private key goes nowhere",
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
fn a_certificate_without_a_subject_is_shown_by_its_other_names() {
    let lab = Lab::new();
    let words = [
        "--dns",
        "app.internal",
        "--ip",
        "10.0.0.7",
        "--combined",
        "/app.pem",
    ];
    let run = lab.run(&[EMBEDDED, &words].concat()).ends_with(0);
    let shown = run
        .stdout
        .lines()
        .find(|line| line.contains("certificate "))
        .unwrap();
    assert!(
        shown.contains("dns:app.internal, ip:10.0.0.7, issued by"),
        "{shown}"
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
fn every_key_algorithm_is_issued_and_verified() {
    let lab = Lab::new();
    for algorithm in [
        "ecdsa-p256",
        "ecdsa-p384",
        "ed25519",
        "rsa-2048",
        "rsa-3072",
    ] {
        lab.provision(&[APP, &["--key-algorithm", algorithm]].concat())
            .ends_with(0);
        let text = openssl(
            &lab.path("rootfs/etc/app/tls"),
            &["x509", "-in", "client.crt", "-noout", "-text"],
        );
        let shown = match algorithm {
            "ecdsa-p256" => "P-256",
            "ecdsa-p384" => "P-384",
            "ed25519" => "ED25519",
            "rsa-2048" => "2048 bit",
            _ => "3072 bit",
        };
        assert!(text.contains(shown), "{algorithm}: {text}");
    }
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
