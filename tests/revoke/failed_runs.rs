//! A run that fails after certificates were issued takes them back where it is told to.

use std::process::Command;

use serde_json::Value;

use crate::built::{Lab, codes};
use crate::support::{FakeServer, Reply, pem};
use crate::{CONFIG, baked, revocations};

/// Beside `app`, one whose floor no certificate of this CA holds.
const SECOND: &str = r#"
[identity.second]
ca = "lab"
common_name = "second"
min_validity = "45d"
placements.combined = "/second.pem"
"#;

#[test]
fn a_failed_run_takes_back_what_it_was_issued_when_it_is_told_to() {
    let lab = Lab::with_ca(&format!("{CONFIG}{SECOND}"));
    let report = lab.run(&["provision"], 3);
    assert_eq!(
        codes(&report),
        ["window-below-floor", "certificate-discarded"]
    );
    assert_eq!(revocations(&lab).len(), 0, "nobody asked for it");
    let report = lab.run(&["provision", "--revoke-on-failure"], 3);
    assert_eq!(
        codes(&report),
        [
            "window-below-floor",
            "certificate-revoked",
            "certificate-revoked"
        ]
    );
    let entries = revocations(&lab);
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["reason"], "cessation-of-operation");
    assert!(!lab.path("rootfs/app.crt").exists());
}

#[test]
fn what_has_landed_is_never_taken_back() {
    // A name that no file system takes is found out when it is made.
    let unmakeable = format!("{}/app.json", "x".repeat(300));
    let lab = Lab::with_ca(&CONFIG.replace("app.json", &unmakeable));
    let report = lab.run(&["provision", "--revoke-on-failure"], 7);
    assert_eq!(codes(&report), ["record-unwritable"]);
    assert!(lab.path("rootfs/app.crt").exists());
    assert_eq!(revocations(&lab).len(), 0);
}

#[test]
fn what_may_stand_in_an_image_half_done_is_not_taken_back() {
    let lab = baked();
    // The first swap works, the second fails, and so does swapping the first back.
    let inject = ["-f", "-o", "/dev/null", "-e", "trace=renameat2"];
    let ran = Command::new("strace")
        .args(inject)
        .args(["-e", "inject=renameat2:error=EIO:when=2+"])
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(["provision", "--root", "rootfs", "--revoke-on-failure"])
        .args(["--report", "json"])
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(
        (ran.status.code(), codes(&report)),
        (Some(7), vec!["image-half-done"])
    );
    let files = report["identities"][0]["placements"].as_array().unwrap();
    assert!(
        files.iter().all(|file| file["change"] == "unknown"),
        "{report}"
    );
    assert_eq!(revocations(&lab).len(), 0);
    assert_eq!(codes(&lab.run(&["provision"], 0)), ["image-recovered"]);
}

#[test]
fn a_landing_that_fails_tells_of_a_certificate_that_cannot_be_taken_back() {
    let ca = crate::support::Lab::new("Lab");
    let lab = Lab::new("");
    std::fs::create_dir(lab.path("rootfs/tls")).unwrap();
    let tls = lab.path("rootfs/tls");
    let issuer = ca.clone();
    let server = FakeServer::https(&ca.server(), move |asked| {
        let certificates = match asked.path.rsplit('/').next().unwrap() {
            "cacerts" => vec![issuer.root(), issuer.issuing()],
            "simpleenroll" => {
                // While it is asked, the directory that was found writable goes away.
                std::fs::remove_dir(&tls).unwrap();
                let text: String = asked
                    .body
                    .iter()
                    .map(|b| *b as char)
                    .filter(|c| !c.is_whitespace())
                    .collect();
                vec![issuer.sign(&data_encoding::BASE64.decode(text.as_bytes()).unwrap())]
            }
            _ => return Reply::status(404),
        };
        Reply::ok(certificates.iter().map(|der| pem(der)).collect::<String>())
    });
    lab.write("root.pem", &pem(&ca.root()));
    lab.write(
        "certbake.toml",
        &format!(
            "[ca.lab]\nkind = \"est\"\nurl = \"{}\"\nanchors = \"root.pem\"\n[identity.app]\ncommon_name = \"app\"\nplacements.combined = \"/tls/app.pem\"\n",
            server.origin()
        ),
    );
    let report = lab.run(&["provision", "--revoke-on-failure"], 7);
    assert_eq!(
        codes(&report),
        ["not-conforming", "image-io", "revocation-not-offered"]
    );
    assert_eq!(report["findings"][2]["severity"], "warning");
    let paths: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| asked.path.rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["cacerts", "simpleenroll"], "a preflight asked more");
    // Nobody is told to give a flag that this authority has no use for.
    std::fs::create_dir(lab.path("rootfs/tls")).unwrap();
    let report = lab.run(&["provision"], 7);
    assert_eq!(
        codes(&report),
        ["not-conforming", "image-io", "certificate-discarded"]
    );
    let summary = report["findings"][2]["summary"].as_str().unwrap();
    let end = "only the CA's own tools can revoke such certificates";
    assert!(summary.ends_with(end), "{summary}");
}
