//! A whole `provision` over EST on loopback beside its unavoidable parts, taken in turns so that
//! both meet the same machine: `cargo bench --bench provision`. The last line is the ratio.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used)]

#[path = "support/handshake.rs"]
mod handshake;
#[path = "support/mod.rs"]
mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use certbake::authority::{CATALOGUE, Opened, Settings};
use certbake::command::provision::{self, Candidate, Content, Identity, Placement, Plan};
use certbake::command::{Context, Quiet};
use certbake::image::{Mode, Owner};
use certbake::outcome::Outcome;
use certbake::pki::{KeyAlgorithm, Usage};
use certbake::span::Span;
use certbake::verify::Policy;
use handshake::Dialer;
use rcgen::SigningKey;
use support::{Lab, USER};

const ROUNDS: usize = 101;

/// What is landed, and the record beside it; the anchors stay as they are from the second round on.
const PLACED: [(Content, &str); 3] = [
    (Content::PrivateKey, "/etc/tls/app.key"),
    (Content::FullChain, "/etc/tls/app.pem"),
    (Content::Anchors, "/etc/tls/ca.pem"),
];

fn main() {
    let lab = Lab::new();
    let server = lab.serve();
    let dialer = Dialer::new(server, lab.ca().root());
    let issuer = support::key();
    let disk = lab.path("disk");
    fs::create_dir_all(disk.join("tls")).unwrap();
    fs::create_dir_all(disk.join("state")).unwrap();
    let warm = plan(&lab, server);
    provision(&warm);

    let mut whole = Vec::new();
    let mut parts: [Vec<Duration>; 3] = Default::default();
    for _ in 0..ROUNDS {
        // A plan of its own: the last one's client would keep its connection.
        let plan = plan(&lab, server);
        whole.push(time(|| provision(&plan)));
        parts[0].push(time(|| dialer.dial()));
        parts[1].push(time(|| drop(issuer.sign(&[0; 400]).unwrap())));
        parts[2].push(time(|| syncs(&disk)));
    }
    let whole = median(whole);
    let parts = parts.map(median);
    let sum: Duration = parts.iter().sum();
    println!("medians of {ROUNDS} rounds");
    for (name, took) in ["TLS handshake", "server's signature", "fsyncs"]
        .iter()
        .zip(parts)
    {
        println!("  {name:20} {:8.3} ms", took.as_secs_f64() * 1e3);
    }
    println!("  {:20} {:8.3} ms", "their sum", sum.as_secs_f64() * 1e3);
    println!("  {:20} {:8.3} ms", "provision", whole.as_secs_f64() * 1e3);
    println!(
        "provision / unavoidable parts = {:.2}",
        whole.as_secs_f64() / sum.as_secs_f64()
    );
}

fn time(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Fresh key, TLS, order, gate, landing, record: everything but the start of the process.
fn provision(plan: &Plan) {
    let context = Context {
        now: support::now(),
        started: Instant::now(),
        environment: &|_| None,
        progress: &Quiet,
    };
    let report = provision::run(plan, &context);
    assert_eq!(report.outcome, Outcome::Ok, "{:?}", report.findings);
}

/// What must reach the disk, and when, for a set that lands whole or not at all even when the power
/// fails: the new files, the journal and their names, then the swapped names; and the CA's log. It is
/// what [`certbake::image`] syncs, one after the other as a plain program would.
fn syncs(disk: &Path) {
    let folders = [disk.join("tls"), disk.join("state")];
    let sync = |folder: &Path| File::open(folder).unwrap().sync_all().unwrap();
    let place = |path: &Path| {
        let mut file = File::create(path).unwrap();
        file.write_all(&[b'x'; 1000]).unwrap();
        file.sync_all().unwrap();
    };
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(disk.join("log"));
    let mut log = log.unwrap();
    log.write_all(&[b'x'; 400]).unwrap();
    log.sync_data().unwrap();

    let files = ["tls/key", "tls/cert", "state/record"].map(|name| disk.join(name));
    for file in &files {
        place(&file.with_extension("new"));
    }
    place(&folders[1].join("journal"));
    folders.iter().for_each(|folder| sync(folder));
    for file in &files {
        fs::rename(file.with_extension("new"), file).unwrap();
    }
    folders.iter().for_each(|folder| sync(folder));
    fs::remove_file(folders[1].join("journal")).unwrap();
}

fn est(lab: &Lab, server: SocketAddr) -> Opened {
    let text = format!("url = 'https://{server}'\nusername = '{USER}'\npassword = 'file:password'");
    let settings = Settings {
        name: "bench",
        table: text.parse().unwrap(),
        anchors: &[lab.ca().root().der().to_vec()],
        directory: lab.dir.path(),
        now: support::now(),
        environment: &|_| None,
        on_wait: None,
    };
    let entry = CATALOGUE.iter().find(|entry| entry.kind == "est").unwrap();
    (entry.open)(&settings).unwrap()
}

fn plan(lab: &Lab, server: SocketAddr) -> Plan {
    Plan {
        identities: vec![identity(est(lab, server))],
        root: lab.path("image"),
        dry_run: false,
        revoke_on_failure: false,
    }
}

fn identity(opened: Opened) -> Identity {
    let placement = |(content, path): &(Content, &str)| Placement {
        content: content.clone(),
        path: path.parse().unwrap(),
        mode: Mode::new(0o600),
        mode_is_stated: false,
        owner: Owner::Running,
        group: Owner::Running,
    };
    Identity {
        name: "app".to_owned(),
        subject: support::subject(),
        names: support::names(),
        usage: Usage::Client,
        key_algorithm: KeyAlgorithm::EcdsaP256,
        ttl: None,
        ttl_origin: String::new(),
        policy: Policy::default(),
        candidates: vec![Candidate {
            opened,
            anchors: None,
        }],
        deadline: Span::seconds(60),
        placements: PLACED.iter().map(placement).collect(),
        record: None,
    }
}
