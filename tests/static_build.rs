//! The static build in a root that holds nothing else: no C library, no /proc, no /dev. It looks up
//! the CA's name, enrols over EST and lands. `tests/run` builds it and hands it over; plain
//! `cargo test` skips this aloud.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use certbake::authority::embedded::server::{Config, Server, Users};
use certbake::authority::embedded::{CaDirectory, NewCa};
use certbake::pki::AltName;
use certbake::secret::Secret;
use tempfile::TempDir;
use time::OffsetDateTime;

mod skips;

const NAME: &str = "ca.lab.internal";

/// A root for chroot(2) with the program, the CA's certificate and the image root; and the CA itself,
/// served outside on loopback until the test ends.
struct Empty {
    root: TempDir,
    _ca: TempDir,
    server: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Empty {
    /// None, aloud, without a static build or without the right to chroot(2).
    fn new() -> Option<Self> {
        let Some(binary) = std::env::var_os("CERTBAKE_STATIC_BINARY") else {
            skips::skipped("needs a static build, run tests/run");
            return None;
        };
        if !skips::is_root() {
            skips::skipped("needs root, for chroot");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        fs::copy(binary, root.path().join("certbake")).unwrap();
        fs::create_dir(root.path().join("image")).unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();

        let ca = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(served(&ca));
        let empty = Self {
            root,
            _ca: ca,
            server,
            _runtime: runtime,
        };
        fs::copy(empty._ca.path().join("root.pem"), empty.path("ca.pem")).unwrap();
        empty.write("password", "xyzzy\n");
        Some(empty)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn provision(&self) -> Output {
        let url = format!("https://{NAME}:{}", self.server.port());
        Command::new("timeout")
            .args(["--kill-after=5", "60", "chroot"])
            .arg(self.root.path())
            .args(["/certbake", "provision", "--ca", "est", "--ca-url", &url])
            .args(["--ca-anchors", "/ca.pem", "--ca-user", "builder"])
            .args(["--ca-password", "file:/password", "--common-name", "app"])
            .args(["--root", "/image", "--deadline", "20s"])
            .args(["--cert", "/etc/tls/app.pem", "--key", "/etc/tls/app.key"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap()
    }

    fn assert_landed(&self, output: &Output) {
        assert!(output.status.success(), "{}", said(output));
        for (name, content) in [("app.pem", "CERTIFICATE"), ("app.key", "PRIVATE KEY")] {
            let text = fs::read_to_string(self.path("image/etc/tls").join(name)).unwrap();
            assert!(text.starts_with(&format!("-----BEGIN {content}-----")));
        }
    }
}

async fn served(ca: &TempDir) -> SocketAddr {
    CaDirectory::make(ca.path(), &NewCa::default(), OffsetDateTime::now_utc()).unwrap();
    let clock = Arc::new(OffsetDateTime::now_utc);
    let mut config = Config::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), clock);
    config.names = vec![AltName::dns(NAME).unwrap()];
    config.users = Users::single("builder", Secret::from("xyzzy".to_owned()));
    let ca = CaDirectory::open(ca.path()).unwrap();
    let server = Server::bind(ca, config, Arc::new(|_| {})).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    address
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{}: {}", output.status, String::from_utf8_lossy(&text))
}

/// A name server that calls every name 127.0.0.1, on port 53 of a loopback address of its own.
fn name_server() -> Ipv4Addr {
    let (socket, address) = (1..=254)
        .find_map(|last| {
            let address = Ipv4Addr::new(127, 53, 53, last);
            let socket = UdpSocket::bind((address, 53)).ok()?;
            Some((socket, address))
        })
        .unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let _ = socket.send_to(&answer(&query[..length]), from);
        }
    });
    address
}

/// RFC 1035 section 4.1: the question sent back, and one A record for it where one was asked for.
fn answer(query: &[u8]) -> Vec<u8> {
    let question_end = 12 + query[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
    let asks_for_a = query[question_end - 3] == 1;
    let mut answer = query[..question_end].to_vec();
    answer[2..4].copy_from_slice(&[0x81, 0x80]);
    answer[6..12].copy_from_slice(&[0, u8::from(asks_for_a), 0, 0, 0, 0]);
    if asks_for_a {
        // The name by its place in the question, A, IN, one minute, four octets.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

#[test]
fn it_enrols_at_a_host_that_etc_hosts_names() {
    let Some(empty) = Empty::new() else { return };
    empty.write("etc/hosts", &format!("127.0.0.1 {NAME}\n"));
    empty.assert_landed(&empty.provision());
}

#[test]
fn it_enrols_at_a_host_that_a_name_server_knows() {
    let Some(empty) = Empty::new() else { return };
    empty.write(
        "etc/resolv.conf",
        &format!("nameserver {}\n", name_server()),
    );
    empty.assert_landed(&empty.provision());
}

#[test]
fn where_no_name_can_be_looked_up_it_says_so_and_writes_nothing() {
    let Some(empty) = Empty::new() else { return };
    let output = empty.provision();
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains(NAME), "{}", said(&output));
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    let left = fs::read_dir(empty.path("image")).unwrap().count();
    assert_eq!(left, 0);
}
