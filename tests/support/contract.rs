//! What every authority that is asked over the network must do, whatever its protocol. A test
//! program describes its protocol once ([`Protocol`]) and gets a test a case by [`contract!`].

use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certbake::authority::{
    Ability, AuthorityError, CATALOGUE, Depth, Issued, Opened, Order, Settings, SettingsError,
};
use certbake::finding::Finding;
use certbake::net::OnWait;
use certbake::pki::{
    AltName, Certificate, Chain, KeyAlgorithm, PrivateKey, SigningRequest, Subject, Usage,
};
use certbake::span::Span;

pub use super::orders::*;
use super::{Asked, FakeServer, Lab, Reply};

/// Stands in every credential that a test gives, and must never be seen again.
pub const CANARY: &str = "canary-4f1c";

/// A protocol as its fake server speaks it.
pub trait Protocol: Sync {
    /// As in `kind = "…"`.
    fn kind(&self) -> &'static str;

    /// The settings for a server at this place, with `credential` as the source of a secret that
    /// holds [`CANARY`].
    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table;

    /// The DER request when this is the step that orders, `None` for the steps around it.
    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>>;

    /// The answer to a step around the order, when all is well.
    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply;

    /// The answer to an order: these certificates (DER), in this order. A protocol that hands them
    /// out at a later step puts them into what the client comes back with.
    fn issued(&self, certificates: &[Vec<u8>]) -> Reply;

    /// A refusal in the protocol's own shape.
    fn refusal(&self, status: u16, words: &str) -> Reply {
        Reply::status(status)
            .header("content-type", "text/plain")
            .body(words)
    }

    /// Whether an order that was turned away is sent again as it was, or made anew because it
    /// carries something that can be used once.
    fn repeats_the_same_bytes(&self) -> bool {
        true
    }

    /// Whether an order whose answer was lost is sent again, because the protocol makes the second
    /// one the same as the first.
    fn repeats_a_lost_order(&self) -> bool {
        false
    }
}

/// A file that nobody else may read, with a secret in it.
pub fn credential() -> (tempfile::NamedTempFile, String) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{CANARY}").unwrap();
    let source = format!("file:{}", file.path().display());
    (file, source)
}

pub fn open(kind: &str, table: toml::Table, anchors: &[Vec<u8>]) -> Opened {
    try_open(kind, table, anchors).unwrap()
}

pub fn try_open(
    kind: &str,
    table: toml::Table,
    anchors: &[Vec<u8>],
) -> Result<Opened, SettingsError> {
    try_open_in(kind, table, anchors, &[])
}

/// With these variables in its environment and no others.
pub fn try_open_in(
    kind: &str,
    table: toml::Table,
    anchors: &[Vec<u8>],
    environment: &[(&str, String)],
) -> Result<Opened, SettingsError> {
    let lookup = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    };
    open_at(Path::new("."), kind, table, anchors, &lookup)
}

/// From settings in this directory, with our own environment.
pub fn open_beside(directory: &Path, kind: &str, table: toml::Table) -> Opened {
    let ours = |name: &str| std::env::var(name).ok();
    open_at(directory, kind, table, &[], &ours).unwrap()
}

fn open_at(
    directory: &Path,
    kind: &str,
    table: toml::Table,
    anchors: &[Vec<u8>],
    environment: &(dyn Fn(&str) -> Option<String> + Sync),
) -> Result<Opened, SettingsError> {
    let entry = CATALOGUE.iter().find(|entry| entry.kind == kind).unwrap();
    (entry.open)(&Settings {
        name: "lab",
        table,
        anchors,
        directory,
        now: time::OffsetDateTime::now_utc(),
        environment,
        on_wait: Some(on_wait()),
    })
}

/// A server that answers everything by the script, and the authority on it.
pub fn lab_with(
    protocol: &dyn Protocol,
    mut script: impl FnMut(&Lab, &Asked) -> Reply + Send + 'static,
    environment: &[(&str, String)],
    change: impl FnOnce(&FakeServer, &mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| script(&serving, asked));
    let (file, source) = credential();
    let mut table = protocol.settings(&server, &source);
    change(&server, &mut table);
    let opened = try_open_in(protocol.kind(), table, &lab.anchors(), environment).unwrap();
    // Read when the first order opens a session.
    file.keep().unwrap();
    (lab, server, opened)
}

thread_local! {
    static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what is waited for, for [`told`].
pub fn on_wait() -> OnWait {
    Arc::new(|wait| TOLD.with_borrow_mut(|told| told.push(wait.reason.clone())))
}

/// Why this thread has waited since it was last asked.
pub fn told() -> Vec<String> {
    TOLD.take()
}

pub fn codes(findings: &[Finding]) -> Vec<&str> {
    findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

/// One run: the server answers orders by `replies`, everything else as it should.
pub struct Run {
    pub lab: Lab,
    pub server: FakeServer,
    pub key: PrivateKey,
    pub outcome: Result<Issued, AuthorityError>,
}

impl Run {
    pub fn new(
        protocol: &'static dyn Protocol,
        patience: Duration,
        mut replies: impl FnMut(&Lab, &[u8], usize) -> Reply + Send + 'static,
    ) -> Self {
        let (lab, name) = (Lab::new("Lab"), "Lab");
        let serving = lab.clone();
        let mut orders = 0;
        let server = FakeServer::https(&lab.server(), move |asked| {
            let Some(request) = protocol.ordered(asked) else {
                return protocol.aside(&serving, asked);
            };
            orders += 1;
            replies(&serving, &request, orders)
        });
        let (_file, source) = credential();
        let table = protocol.settings(&server, &source);
        let opened = open(protocol.kind(), table, &lab.anchors());
        let (key, order) = order(patience);
        let outcome = opened.authority.issue(&order);
        let place = opened.authority.place();
        assert!(!format!("{place:?} {name}").contains(CANARY));
        let run = Self {
            lab,
            server,
            key,
            outcome,
        };
        run.keeps_its_secrets();
        run
    }

    /// How many orders reached the server.
    pub fn orders(&self, protocol: &dyn Protocol) -> Vec<Asked> {
        self.server
            .asked()
            .into_iter()
            .filter(|asked| protocol.ordered(asked).is_some())
            .collect()
    }

    fn keeps_its_secrets(&self) {
        let printed = match &self.outcome {
            Ok(issued) => format!("{issued:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!printed.contains(CANARY), "{printed}");
    }

    pub fn refused(self) -> Finding {
        match self.outcome {
            Err(AuthorityError::Refused(finding)) => *finding,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub fn unreachable(self) -> Finding {
        match self.outcome {
            Err(AuthorityError::Unreachable(finding)) => *finding,
            other => panic!("not unreachable: {other:?}"),
        }
    }

    pub fn unusable(self) -> Finding {
        match self.outcome {
            Err(AuthorityError::Unusable(finding)) => *finding,
            other => panic!("not unusable: {other:?}"),
        }
    }
}

pub fn can_do_what_its_row_says(protocol: &'static dyn Protocol) {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), |_| Reply::Close);
    let (_file, source) = credential();
    let settings = protocol.settings(&server, &source);
    let opened = open(protocol.kind(), settings, &lab.anchors());
    let entry = CATALOGUE.iter().find(|entry| entry.kind == protocol.kind());
    let abilities = entry.unwrap().abilities;
    for (ability, has) in [
        (Ability::Renew, opened.renew.is_some()),
        (Ability::Preflight, opened.preflight.is_some()),
        (Ability::Revoke, opened.revoke.is_some()),
    ] {
        assert_eq!(abilities.contains(&ability), has, "{}", ability.as_str());
    }
}

pub fn issues_for_the_key_of_the_request(protocol: &'static dyn Protocol) {
    let run = Run::new(protocol, PATIENCE, |lab, request, _| {
        protocol.issued(&[lab.sign(request), lab.issuing()])
    });
    let issued = run.outcome.as_ref().unwrap();
    let chain = arranged(issued, &run.key);
    assert_eq!(chain.leaf.facts().common_name.as_deref(), Some("app"));
    assert_eq!(chain.intermediates[0].der(), run.lab.issuing());
    // Where the protocol delivers a root at all, it is this one.
    assert!(issued.anchors.iter().all(|root| *root == run.lab.root()));
}

pub fn accepts_a_shuffled_chain(protocol: &'static dyn Protocol) {
    let run = Run::new(protocol, PATIENCE, |lab, request, _| {
        protocol.issued(&[lab.root(), lab.issuing(), lab.sign(request)])
    });
    let chain = arranged(run.outcome.as_ref().unwrap(), &run.key);
    assert_eq!(chain.intermediates.len(), 1);
}

pub fn finds_a_certificate_for_another_key_unusable(protocol: &'static dyn Protocol) {
    let run = Run::new(protocol, PATIENCE, |lab, _, _| {
        protocol.issued(&lab.client("app").chain)
    });
    let finding = run.unusable();
    assert!(finding.summary.contains("key"), "{}", finding.summary);
}

pub fn tells_a_refusal_in_the_servers_own_words(protocol: &'static dyn Protocol) {
    for status in [401, 403] {
        let run = Run::new(protocol, PATIENCE, move |_, _, _| {
            protocol.refusal(status, &format!("no such\r\nbuilder\x1b[2J ({CANARY})\n"))
        });
        assert_eq!(run.orders(protocol).len(), 1);
        let finding = run.refused();
        assert!(
            finding.summary.contains("no such builder"),
            "{}",
            finding.summary
        );
        assert!(!finding.summary.contains('\x1b'));
        assert!(!finding.hint.is_empty());
    }
}

pub fn asks_a_busy_server_again_when_it_says(protocol: &'static dyn Protocol) {
    for status in [429, 503] {
        let started = Instant::now();
        let run = Run::new(protocol, PATIENCE, move |lab, request, orders| {
            if orders == 1 {
                return Reply::status(status).header("retry-after", "1");
            }
            protocol.issued(&[lab.sign(request), lab.issuing()])
        });
        assert!(run.outcome.is_ok(), "{:?}", run.outcome);
        assert!(started.elapsed() >= Duration::from_secs(1));
        let orders = run.orders(protocol);
        assert_eq!(orders.len(), 2);
        let same = orders[0].body == orders[1].body;
        assert_eq!(same, protocol.repeats_the_same_bytes());
    }
}

pub fn gives_up_on_a_busy_server_within_the_deadline(protocol: &'static dyn Protocol) {
    let started = Instant::now();
    let run = Run::new(protocol, Duration::from_secs(2), |_, _, _| {
        Reply::status(503).body("maintenance")
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(run.orders(protocol).len() > 1);
    let finding = run.unreachable();
    assert!(
        finding.summary.contains("maintenance"),
        "{}",
        finding.summary
    );
}

pub fn finds_junk_unusable(protocol: &'static dyn Protocol) {
    for body in [
        &b"<html>welcome</html>"[..],
        b"",
        b"{}",
        b"MIIB",
        &[0x30, 0x80, 0, 0],
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let run = Run::new(protocol, PATIENCE, move |_, _, _| Reply::ok(body));
        assert_eq!(run.orders(protocol).len(), 1);
        run.unusable();
    }
}

pub fn finds_cut_and_oversized_answers_unusable(protocol: &'static dyn Protocol) {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\nMIIC";
    let endless = [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n"[..],
        &[b'M'; 2000],
    ];
    for bytes in [cut.to_vec(), endless.concat()] {
        let run = Run::new(protocol, PATIENCE, move |_, _, _| Reply::Raw(bytes.clone()));
        if !protocol.repeats_a_lost_order() {
            assert_eq!(run.orders(protocol).len(), 1, "the order was sent again");
        }
        run.unusable();
    }
}

pub fn never_orders_twice_when_an_answer_is_lost(protocol: &'static dyn Protocol) {
    let run = Run::new(protocol, PATIENCE, |_, _, _| Reply::Close);
    let orders = run.orders(protocol);
    assert_eq!(orders.len() > 1, protocol.repeats_a_lost_order());
    let (first, same) = (&orders[0], protocol.repeats_the_same_bytes());
    assert!(orders.iter().all(|order| if same {
        order.body == first.body
    } else {
        protocol.ordered(order) == protocol.ordered(first)
    }));
    run.unreachable();
}

pub fn goes_on_where_the_server_s_clock_is_at_its_end(protocol: &'static dyn Protocol) {
    for zone in ["GMT", "-0100"] {
        let script = move |lab: &Lab, asked: &Asked| {
            let reply = match protocol.ordered(asked) {
                Some(request) => protocol.issued(&[lab.sign(&request), lab.issuing()]),
                None => protocol.aside(lab, asked),
            };
            reply.header("date", format!("Fri, 31 Dec 9999 23:59:59 {zone}"))
        };
        let (_lab, server, opened) = lab_with(protocol, script, &[], |_, _| ());
        let order = order(PATIENCE).1;
        if let Some(preflight) = &opened.preflight {
            drop(preflight.preflight(&order, Depth::Whole));
        }
        drop(opened.authority.issue(&order));
        assert!(!server.asked().is_empty());
    }
}

/// One test a case, in the module where it stands.
#[macro_export]
macro_rules! contract {
    ($protocol:expr) => {
        $crate::contract!(@ $protocol,
            can_do_what_its_row_says,
            issues_for_the_key_of_the_request,
            accepts_a_shuffled_chain,
            finds_a_certificate_for_another_key_unusable,
            tells_a_refusal_in_the_servers_own_words,
            asks_a_busy_server_again_when_it_says,
            gives_up_on_a_busy_server_within_the_deadline,
            finds_junk_unusable,
            finds_cut_and_oversized_answers_unusable,
            never_orders_twice_when_an_answer_is_lost,
            goes_on_where_the_server_s_clock_is_at_its_end,
        );
    };
    (@ $protocol:expr, $($case:ident,)+) => {
        $(#[test]
        fn $case() {
            $crate::support::contract::$case($protocol);
        })+
    };
}
