//! Many files and whole folders at once.

use std::os::unix::fs::symlink;
use std::process::Command;

use certbake::pki::Certificate;
use serde_json::Value;

use crate::lab::{Authority, NOW, window};
use crate::support::{DAY, Desk, check};

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
fn files_and_folders_are_held_against_revocation_lists_where_they_lead_to_anchors() {
    let desk = Desk::new();
    let revoked = desk.issuing.leaf();
    for (name, leaf) in [("good", &desk.issuing.leaf()), ("revoked", &revoked)] {
        let chain = leaf.certificate.pem() + &desk.issuing.certificate.pem();
        desk.put(&format!("all/{name}.pem"), chain);
    }
    let folder = desk.path("all");
    let anchors = desk.put("root.pem", desk.root.certificate.pem());
    let list = |name: &str, of: &Authority, revoked: &[&Certificate]| {
        desk.put(name, of.crl(revoked, NOW + DAY))
    };
    let of_root = list("root.crl", &desk.root, &[]);
    let of_issuing = list("issuing.crl", &desk.issuing, &[&revoked.certificate]);
    let lists = ["--crl", &of_root, "--crl", &of_issuing];
    let words = [&[folder.as_str()], &lists[..]].concat();
    let run = check(&words).ends(2);
    let said = run.report["findings"][0]["summary"].as_str().unwrap();
    assert_eq!(said, "--crl: it requires --anchors, which is not given");
    let run = check(&[&words[..], &["--anchors", &anchors]].concat()).ends(4);
    assert_eq!(run.findings(), ["revoked revoked.pem:1"]);
    assert_eq!(run.checked(), 4);
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
fn a_certificate_that_a_failed_renewal_emptied_is_found_in_a_folder() {
    let desk = Desk::new();
    desk.put("d/good.crt", desk.issuing.leaf().certificate.pem());
    let anchors = desk.put(
        "ca.pem",
        desk.root.certificate.pem() + &desk.issuing.certificate.pem(),
    );
    let check = || check(&[&desk.path("d"), "--anchors", &anchors]);
    for (name, content) in [
        ("client.crt", ""),
        ("client.cer", "\0\0\0"),
        ("fullchain.pem", ""),
    ] {
        let file = desk.put(&format!("d/{name}"), content);
        let run = check().ends(4);
        assert_eq!(run.findings(), [format!("nothing-to-check {name}")]);
        assert_eq!(run.checked(), 1);
        std::fs::remove_file(file).unwrap();
    }
    desk.put("d/privkey.pem", "-----BEGIN PRIVATE KEY-----\n");
    desk.put("d/.placeholder", "");
    desk.put("d/root.crt", "# Put the roots here.\n");
    check().ends(0);
}
