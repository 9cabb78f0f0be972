//! Many identities of one EST server, ordered at once by the built binary: one that has to wait holds
//! nobody up, and one that fails takes all with it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;
mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use certbake::pki::{pem, pkcs7};
use data_encoding::BASE64;
use support::{FakeServer, Lab, Reply};

const MANY: usize = 20;

fn name(number: usize) -> String {
    format!("app-{number:02}")
}

/// A configuration of many identities, which all ask the first of these authorities.
fn config(authorities: &str, names: &str, more: &str) -> String {
    let mut text = authorities.to_owned();
    for number in 0..MANY {
        let name = name(number);
        write!(
            text,
            "[identity.{name}]\nca = [{names}]\ncommon_name = \"{name}\"\nttl = \"1d\"\n{more}\n\
             placements.full_chain = \"/etc/{name}.pem\"\nplacements.private_key = \"/etc/{name}.key\"\n"
        )
        .unwrap();
    }
    text
}

fn at(server: &FakeServer) -> String {
    format!(
        "[ca.lab]\nkind = \"est\"\nurl = \"{}\"\nanchors = \"ca.pem\"\n",
        server.origin()
    )
}

/// An EST server without HTTP/2, whose answer to the order of a name the script may change: `turn`
/// counts from 1.
fn server(lab: &Lab, script: impl Fn(&str, usize) -> Option<Reply> + Send + 'static) -> FakeServer {
    let signing = lab.clone();
    let mut orders = Vec::new();
    FakeServer::https(&lab.server(), move |asked| {
        if asked.path.ends_with("/cacerts") {
            return certificates(&[signing.root(), signing.issuing()]);
        }
        let text: Vec<u8> = asked.body.iter().copied().filter(|b| *b != b'\n').collect();
        let request = BASE64.decode(&text).unwrap();
        let whose = (0..MANY).map(name).find(|name| holds(&request, name));
        let whose = whose.unwrap();
        orders.push(whose.clone());
        let turn = orders.iter().filter(|other| **other == whose).count();
        script(&whose, turn).unwrap_or_else(|| certificates(&[signing.sign(&request)]))
    })
}

fn certificates(ders: &[Vec<u8>]) -> Reply {
    let ders: Vec<&[u8]> = ders.iter().map(Vec::as_slice).collect();
    Reply::ok(BASE64.encode(&pkcs7::certs_only(&ders)))
        .header("content-type", "application/pkcs7-mime")
}

fn holds(request: &[u8], name: &str) -> bool {
    request
        .windows(name.len())
        .any(|window| window == name.as_bytes())
}

fn baking(lab: &Lab, config: &str) -> built::Lab {
    let baking = built::Lab::new(config);
    baking.write("ca.pem", &pem::encode("CERTIFICATE", &lab.root()));
    baking
}

#[test]
fn one_that_awaits_approval_holds_nobody_up_and_all_land() {
    let lab = Lab::new("Lab");
    let server = server(&lab, |whose, turn| {
        let pending = Reply::status(202).header("retry-after", "1");
        (whose == "app-03" && turn < 3).then_some(pending)
    });
    let baking = baking(&lab, &config(&at(&server), "\"lab\"", ""));
    let report = baking.run(&["provision"], 0);
    assert_eq!(report["identities"].as_array().unwrap().len(), MANY);
    for number in 0..MANY {
        let name = name(number);
        let chain = baking.read(&format!("rootfs/etc/{name}.pem"));
        assert_eq!(pem::certificates(chain.as_bytes()).unwrap().len(), 2);
        let answered = &report["identities"][number];
        assert_eq!(answered["name"], name);
        assert_eq!(answered["certificate"]["subject"], format!("CN={name}"));
    }
    let asked = server.asked();
    let of_all = asked
        .iter()
        .filter(|asked| asked.path.ends_with("/cacerts"));
    assert_eq!(of_all.count(), 1);
    assert_eq!(asked.len(), 1 + MANY + 2);
    // All others had been asked for before it was asked for again.
    let last: Vec<_> = asked[1 + MANY..].iter().map(|asked| &asked.body).collect();
    assert_eq!(last[0], last[1]);
}

#[test]
fn one_that_is_refused_is_named_and_nothing_lands() {
    let lab = Lab::new("Lab");
    let server = server(&lab, |whose, _| {
        (whose == "app-07").then(|| Reply::status(403))
    });
    let baking = baking(&lab, &config(&at(&server), "\"lab\"", ""));
    let report = baking.run(&["provision"], 5);
    let findings = report["findings"].as_array().unwrap();
    let errors: Vec<_> = findings
        .iter()
        .filter(|found| found["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 1, "{report:#}");
    assert_eq!(errors[0]["identity"], "app-07");
    assert_eq!(
        std::fs::read_dir(baking.path("rootfs/etc"))
            .unwrap()
            .count(),
        0
    );
    // Nobody was kept from asking by it.
    let orders = server
        .asked()
        .into_iter()
        .filter(|asked| asked.path.ends_with("enroll"));
    assert_eq!(orders.count(), MANY);
}

#[test]
fn one_whose_connection_ends_is_told_so_whatever_of_others_is_being_read() {
    let lab = Lab::new("Lab");
    let last = name(MANY - 1);
    let closed = last.clone();
    let server = server(&lab, move |whose, _| {
        (whose == closed).then_some(Reply::Close)
    });
    let baking = baking(&lab, &config(&at(&server), "\"lab\"", ""));
    // Trying again may help: nobody knows whether it was signed.
    let report = baking.run(&["provision"], 6);
    let findings = report["findings"].as_array().unwrap();
    let lost = findings
        .iter()
        .find(|found| found["code"] == "ca-unreachable")
        .unwrap();
    assert_eq!(lost["identity"], last);
    let said = lost["summary"].as_str().unwrap();
    assert!(said.ends_with("waiting for its answer"), "{said}");
}

#[test]
fn a_server_that_hangs_is_waited_for_once_and_all_go_on_to_the_next() {
    let lab = Lab::new("Lab");
    let second = server(&lab, |_, _| None);
    let first = format!(
        "[ca.first]\nkind = \"est\"\nurl = \"http://{}\"\n",
        built::silent()
    );
    let authorities = first + &at(&second);
    let config = config(&authorities, "\"first\", \"lab\"", "deadline = \"8s\"");
    let baking = baking(&lab, &config);
    let begun = Instant::now();
    let report = baking.run(&["provision"], 0);
    let took = begun.elapsed();
    assert!(
        took < Duration::from_millis(7900),
        "{took:?}: waited for more than once"
    );
    let codes = built::codes(&report);
    let passed_over = codes.iter().filter(|code| **code == "ca-passed-over");
    assert_eq!(passed_over.count(), MANY);
    assert_eq!(report["identities"][MANY - 1]["authority"]["name"], "lab");
}
