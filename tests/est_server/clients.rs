//! The program itself, asked by clients that nobody here wrote: OpenSSL with curl, and GlobalSign's
//! `estclient`; and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use certbake::authority::embedded::server::Users;
use certbake::pki::{Certificate, pem};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::servers;
use super::support::{base64, key, request};

const CERTBAKE: &str = env!("CARGO_BIN_EXE_certbake");

/// `certbake ca serve`, bounded in time; dropping it stops it.
struct Serving {
    child: Child,
    directory: TempDir,
    /// `127.0.0.1:PORT`
    authority: String,
}

impl Serving {
    /// With one user, who may ask for any name.
    fn start(arguments: &[&str]) -> Self {
        let login = ["--user", "builder", "--password", "env:EST_PASSWORD"];
        Self::spawn(&[&login, arguments].concat())
    }

    fn spawn(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("timeout")
            .args(["--kill-after=5", "300", CERTBAKE, "ca", "serve"])
            .args(["--listen", "127.0.0.1:0", "--ca-dir"])
            .arg(directory.path().join("ca"))
            .args(arguments)
            .env("EST_PASSWORD", "xyzzy-canary")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let authority = line
            .strip_prefix("listening on https://")
            .unwrap_or_else(|| panic!("{line:?}"))
            .trim_end()
            .to_owned();
        Self {
            child,
            directory,
            authority,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.path("ca/root.pem")
    }

    fn terminate(&self) {
        let pid = Pid::from_child(&self.child);
        // `timeout` hands the signal on.
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Its exit status and its log.
    fn end(mut self) -> (ExitStatus, String) {
        self.terminate();
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap(), log)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// Runs a bash script in a directory, with `certbake` on its path; returns what it printed.
fn script(directory: &Path, text: &str) -> String {
    let bin = Path::new(CERTBAKE).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("timeout")
        .args([
            "--kill-after=5",
            "120",
            "bash",
            "-euo",
            "pipefail",
            "-c",
            text,
        ])
        .current_dir(directory)
        .env("PATH", format!("{bin}:{path}"))
        .env("no_proxy", "*")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{printed}\n{errors}");
    printed
}

#[test]
fn openssl_and_curl_enrol_by_hand() {
    let server = Serving::start(&["--ttl", "5d"]);
    let printed = script(
        server.directory.path(),
        &format!(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout app.key \
               -subj /CN=app -addext subjectAltName=DNS:app.internal -outform DER -out app.csr 2>/dev/null
             curl -sSf --cacert ca/root.pem https://{0}/.well-known/est/cacerts \
               | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out cacerts.pem
             openssl base64 -in app.csr | curl -sSf --cacert ca/root.pem -u builder:xyzzy-canary \
               -H 'Content-Type: application/pkcs10' --data-binary @- https://{0}/.well-known/est/simpleenroll \
               | openssl base64 -d | openssl pkcs7 -inform DER -print_certs -out app.pem
             openssl verify -CAfile ca/root.pem -untrusted cacerts.pem -purpose sslclient -x509_strict app.pem
             openssl x509 -in app.pem -noout -ext subjectAltName,extendedKeyUsage
             openssl x509 -in app.pem -noout -checkend $((4 * 86400))",
            server.authority
        ),
    );
    assert!(printed.contains("app.pem: OK"), "{printed}");
    assert!(printed.contains("DNS:app.internal"), "{printed}");
    assert!(
        printed.contains("TLS Web Client Authentication"),
        "{printed}"
    );
}

#[test]
fn estclient_fetches_enrols_and_renews() {
    let Some(estclient) = servers::program("estclient") else {
        return;
    };
    let server = Serving::start(&["--label", "devices"]);
    let files = server.directory.path();
    script(
        files,
        "openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out app.key
         openssl req -new -key app.key -subj /CN=app -addext subjectAltName=DNS:app.internal -out app.csr",
    );
    let est = |operation: &str, arguments: &[&str]| {
        let root = server.root().display().to_string();
        let mut all = vec![operation, "-server", &server.authority, "-explicit", &root];
        all.extend(arguments);
        let path = |name: &str| files.join(name).display().to_string();
        let (csr, out) = (path("app.csr"), path("out.pem"));
        if operation.ends_with("enroll") {
            all.extend(["-csr", &csr]);
        }
        all.extend(["-out", &out]);
        servers::run(&estclient, &all);
        pem::certificates(&fs::read(out).unwrap()).unwrap()
    };
    for label in [&[][..], &["-aps", "devices"]] {
        assert_eq!(est("cacerts", label).len(), 2);
    }
    let issued = est("enroll", &["-user", "builder", "-pass", "xyzzy-canary"]);
    let first = Certificate::from_der(issued[0].clone()).unwrap();
    let chain = files.join("app.pem").display().to_string();
    fs::write(&chain, first.pem()).unwrap();
    let key = files.join("app.key").display().to_string();
    let renewed = est("reenroll", &["-certs", &chain, "-key", &key]);
    let renewed = Certificate::from_der(renewed[0].clone()).unwrap();
    assert_eq!(renewed.facts().names, first.facts().names);
    assert_ne!(renewed.facts().serial, first.facts().serial);
}

#[test]
fn certbake_provisions_from_it() {
    let server = Serving::start(&[]);
    script(
        server.directory.path(),
        &format!(
            "mkdir -p rootfs/etc
             echo root:x:0:0:root:/root:/bin/sh > rootfs/etc/passwd
             echo root:x:0: > rootfs/etc/group
             export EST_PASSWORD=xyzzy-canary
             certbake provision --ca est --ca-url https://{} --ca-anchors ca/root.pem \
               --ca-user builder --ca-password env:EST_PASSWORD --common-name app --dns app.internal \
               --root rootfs --cert /etc/app/client.crt --key /etc/app/client.key --min-validity 21d
             openssl verify -CAfile ca/root.pem -untrusted rootfs/etc/app/client.crt rootfs/etc/app/client.crt",
            server.authority
        ),
    );
}

/// The blocks of a page that are marked so, one after the other.
fn blocks(page: &str, language: &str) -> String {
    let opened = format!("```{language}\n");
    let blocks = page.split(&opened).skip(1);
    let blocks: Vec<&str> = blocks.map(|b| b.split_once("```").unwrap().0).collect();
    assert!(!blocks.is_empty());
    blocks.concat()
}

#[test]
fn the_commands_of_the_page_on_the_embedded_ca_do_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let page = include_str!("../../docs/authorities/embedded.md");
    script(directory.path(), &blocks(page, "sh"));
    let renewed = directory.path().join("ca/intermediate.pem");
    let client = directory.path().join("rootfs/etc/app/tls/client.crt");
    script(
        directory.path(),
        &format!(
            "openssl verify -CAfile ca/root.pem -untrusted {} {}",
            renewed.display(),
            client.display()
        ),
    );
}

#[test]
fn the_commands_of_the_page_on_the_server_do_what_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let page = include_str!("../../docs/est-server.md");
    let address = format!("127.0.0.1:{}", servers::free_port());
    let commands = blocks(page, "sh").replace("127.0.0.1:8443", &address);
    let ended = "trap 'kill $(jobs -p)' EXIT\n".to_owned();
    let printed = script(directory.path(), &(ended + &commands));
    assert!(printed.contains("app.pem: OK"), "{printed}");
    assert!(printed.contains("by user:builder"), "{printed}");
    assert!(printed.contains("by cert:"), "{printed}");
}

#[test]
fn the_users_of_the_page_on_the_server_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    let page = include_str!("../../docs/est-server.md");
    let text = blocks(page, "toml").replace("env:BUILDER_PASSWORD", "cmd:echo xyzzy-canary");
    let read = Users::parse(&text, directory.path()).unwrap();
    assert!(!read.is_empty());
    fs::write(&users, text).unwrap();
    let server = Serving::spawn(&["--users", users.to_str().unwrap()]);
    script(
        server.directory.path(),
        &format!(
            "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout app.key \
               -subj /CN=app-1 -addext subjectAltName=DNS:app.internal -outform DER -out app.csr 2>/dev/null
             openssl base64 -in app.csr | curl -sSf --cacert ca/root.pem -u builder:xyzzy-canary \
               --data-binary @- https://{}/.well-known/est/simpleenroll",
            server.authority
        ),
    );
}

#[test]
fn the_example_configuration_bakes() {
    let directory = tempfile::tempdir().unwrap();
    let example = include_str!("../../examples/embedded.toml");
    fs::write(directory.path().join("certbake.toml"), example).unwrap();
    script(
        directory.path(),
        "mkdir -p rootfs/etc && cp /etc/passwd /etc/group rootfs/etc/
         certbake provision --root rootfs
         openssl verify -CAfile ca/root.pem -untrusted rootfs/etc/app/tls/client.crt rootfs/etc/app/tls/client.crt",
    );
}

/// The order is half sent when the server is told to stop: it is finished, and nobody else is served.
#[test]
fn a_server_told_to_stop_finishes_the_order_in_flight() {
    let server = Serving::start(&[]);
    let body = base64(&request(&key(), "app", &["dns:app.internal"]));
    let (first, second) = body.split_at(100);
    let mut openssl = Command::new("timeout")
        .args(["--kill-after=5", "120", "openssl", "s_client", "-quiet"])
        .args(["-verify_return_error", "-connect", &server.authority])
        .arg("-CAfile")
        .arg(server.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = openssl.stdin.take().unwrap();
    write!(
        stdin,
        "POST /.well-known/est/simpleenroll HTTP/1.1\r\nhost: lab\r\nauthorization: Basic {}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        data_encoding::BASE64.encode(b"builder:xyzzy-canary"),
        body.len()
    )
    .unwrap();
    // Once this comes, the request is in flight.
    let mut stdout = BufReader::new(openssl.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    stdin.write_all(first).unwrap();

    server.terminate();
    let address = server.authority.clone();
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    stdin.write_all(second).unwrap();
    stdin.flush().unwrap();
    let mut answer = String::new();
    stdout.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("HTTP/1.1 200 OK"), "{answer}");
    openssl.wait().unwrap();

    let log = fs::read_to_string(server.path("ca/issued.jsonl")).unwrap();
    assert_eq!(log.matches("\"requester\":\"user:builder\"").count(), 1);
    let (status, log) = server.end();
    assert!(status.success(), "{status}");
    assert!(log.contains("/ca: created one; clients need"), "{log}");
    assert!(
        log.contains("stopping: finishing the requests in flight"),
        "{log}"
    );
    assert!(!log.contains("xyzzy"), "{log}");
}

#[test]
fn a_server_that_cannot_start_says_why_and_ends_with_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let refuse = |arguments: &[&str]| {
        let output = Command::new("timeout")
            .args(["--kill-after=5", "60", CERTBAKE, "ca", "serve", "--ca-dir"])
            .arg(directory.path().join("ca"))
            .args(arguments)
            .env("EST_PASSWORD", "xyzzy-canary")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let login = ["--user", "builder", "--password", "env:EST_PASSWORD"];
    let said = refuse(&[&["--listen", &listen], &login[..]].concat());
    assert!(said.contains(&format!("listening on {listen}: ")), "{said}");
    let said = refuse(&[]);
    assert!(said.contains("nobody could log in"), "{said}");
    let said = refuse(&["--user", "builder", "--password", "xyzzy-canary"]);
    assert!(!said.contains("xyzzy"), "{said}");
    let said = refuse(&[&login[..], &["--ttl", "0d"]].concat());
    assert!(said.contains("--ttl"), "{said}");
    let users = directory.path().join("users.toml");
    fs::write(&users, "[user.builder]\nmax_tll = \"14d\"\n").unwrap();
    let said = refuse(&["--users", users.to_str().unwrap()]);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        "user.builder.max_tll: `max_tll` is not a key of this table",
        "users.toml:2",
        "did you mean `max_ttl`? allowed: password, allowed_names, max_ttl",
    ] {
        assert!(said.contains(words), "{said}");
    }
    fs::write(&users, "[user.builder]\nmax_ttl = \"0d\"\n").unwrap();
    let said = refuse(&["--users", users.to_str().unwrap()]);
    for words in ["user.builder.max_ttl: the duration is zero", "users.toml:2"] {
        assert!(said.contains(words), "{said}");
    }
    for nobody in ["", "[user.builder]\nallowed_names = [\"*.internal\"]\n"] {
        fs::write(&users, nobody).unwrap();
        let said = refuse(&["--users", users.to_str().unwrap()]);
        assert!(said.contains("none of them could log in"), "{said}");
    }
    let said = refuse(&["--users", "/nowhere/users.toml"]);
    assert!(said.contains("/nowhere/users.toml"), "{said}");
}
