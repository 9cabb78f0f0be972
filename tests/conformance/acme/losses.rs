//! What is not lost with a run that is killed, or with an answer that does not arrive.

use std::fs;
use std::io::{Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::{at_pebble_by_file, http_01, issued, open, provision, provision_arguments};
use crate::servers::pebble::{Options, Pebble};
use crate::servers::skips;

/// Killed at the second rename: the file with the key stands, the one with the account's URL does not.
#[test]
fn a_run_that_is_killed_after_pebble_made_the_account_loses_none() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let (config, root) = at_pebble_by_file(&pebble);
    let killed = Command::new("timeout")
        .args(["60", "strace", "-f", "-o", "/dev/null"])
        .args(["-e", "trace=rename,renameat,renameat2"])
        .args(["-e", "inject=rename,renameat,renameat2:signal=KILL:when=2"])
        .arg(env!("CARGO_BIN_EXE_certbake"))
        .args(provision_arguments(&config, &root))
        .output()
        .unwrap();
    assert!(!killed.status.success());
    let account = pebble.directory().join("account.json");
    let Ok(text) = fs::read_to_string(&account) else {
        let said = String::from_utf8_lossy(&killed.stderr);
        assert!(said.contains("strace") || said.contains("ptrace"), "{said}");
        return skips::forbidden(&format!("strace is missing or may not trace here: {said}"));
    };
    let kept: Value = serde_json::from_str(&text).unwrap();
    assert!(kept.get("id").is_none(), "the run went on");
    let made = |pebble: &Pebble| pebble.running.output().matches("POST /sign-me-up").count();
    assert_eq!(made(&pebble), 1, "the CA was not asked");

    provision(&config, &root);
    let known: Value = serde_json::from_slice(&fs::read(&account).unwrap()).unwrap();
    assert_eq!(known["key_pkcs8"], kept["key_pkcs8"]);
    assert_eq!(made(&pebble), 2);
    let log = pebble.running.output();
    assert_eq!(log.matches("accounts in memory").count(), 1, "{log}");
    assert!(log.contains("Issued certificate"), "{log}");
}

/// Whatever Pebble answers the first `finalize` does not arrive.
#[test]
fn a_finalize_whose_answer_is_lost_is_no_order_lost() {
    let Some(pebble) = Pebble::start(&Options::default()) else {
        return;
    };
    let url = url::Url::parse(&pebble.url).unwrap();
    let port = losing_the_answer_to_finalize(&pebble, url.port().unwrap());
    let relayed = format!("https://127.0.0.1:{port}/dir");
    let opened = open(
        &relayed,
        &pebble.anchors,
        pebble.directory(),
        http_01(&pebble),
    );
    issued(&opened, &["app.example"]);
    let log = pebble.running.output();
    assert_eq!(log.matches("POST /finalize-order/").count(), 1, "{log}");
    assert_eq!(log.matches("Issued certificate").count(), 1, "{log}");
}

/// A port that passes everything on to `port`, until Pebble's log says that it answers `finalize`.
fn losing_the_answer_to_finalize(pebble: &Pebble, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let log = pebble.directory().join("pebble.log");
    let lost = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (
                client.unwrap(),
                TcpStream::connect(("127.0.0.1", port)).unwrap(),
            );
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let (log, lost) = (log.clone(), Arc::clone(&lost));
            std::thread::spawn(move || {
                let (mut from, mut to) = (&server, &client);
                let mut piece = [0; 16_384];
                while let Ok(length @ 1..) = from.read(&mut piece) {
                    let asked = fs::read_to_string(&log)
                        .unwrap()
                        .contains("POST /finalize-order/");
                    if asked && !lost.swap(true, Ordering::SeqCst) {
                        break;
                    }
                    let _ = to.write_all(&piece[..length]);
                }
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    own
}
