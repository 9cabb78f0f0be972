//! What OpenSSL refuses by default and path validation here lets through: the gate says of each
//! certificate what `openssl verify` does.
#![allow(clippy::disallowed_methods)]

use std::process::Command;

use certbake::outcome::Outcome;
use certbake::pki::{AltName, Certificate, Usage};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    NameConstraints, SanType,
};

use super::lab::{Authority, NOW, dns};
use super::peers::{refused, under_root};
use super::scene::{Scene, codes};
use super::usage::netscape_type;

/// Whether OpenSSL takes the chain for this.
fn openssl_takes(scene: &Scene, usage: Usage) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let at = NOW.unix_timestamp().to_string();
    let purpose = format!("ssl{}", usage.purpose().trim_end_matches("Auth"));
    let mut verify = Command::new("openssl");
    verify.args(["verify", "-attime", &at, "-purpose", &purpose]);
    let file = |name: &str, certificate: &Certificate| {
        let file = folder.path().join(name);
        std::fs::write(&file, certificate.pem()).unwrap();
        file
    };
    verify
        .arg("-CAfile")
        .arg(file("root.pem", &scene.root.certificate))
        .arg("-untrusted")
        .arg(file("issuing.pem", &scene.issuing.certificate))
        .arg(file("leaf.pem", &scene.leaf.certificate));
    let output = verify.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Not for another reason than the one that is looked for.
    assert!(
        output.status.success()
            || said.contains("purpose")
            || said.contains("subtree violation")
            || said.contains("invalid CA"),
        "{said}"
    );
    output.status.success()
}

#[track_caller]
fn agree(scene: &Scene, usage: Usage, taken: bool) {
    let verdict = scene.found(usage);
    let ours = verdict.outcome() == Outcome::Ok;
    assert_eq!(
        (openssl_takes(scene, usage), ours),
        (taken, taken),
        "{:#?}",
        verdict.findings
    );
}

#[test]
fn a_netscape_type_that_is_not_of_the_usage_is_refused_as_openssl_does() {
    for (bits, client, server) in [
        (0x80, true, false),
        (0x40, false, true),
        (0xc0, true, true),
        (0x20, false, false),
        (0x84, true, false),
        (0x04, false, false),
        (0, false, false),
    ] {
        let scene = Scene::with_leaf(|params| {
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::ServerAuth,
            ];
            params.custom_extensions = vec![netscape_type(bits)];
        });
        agree(&scene, Usage::Client, client);
        agree(&scene, Usage::Server, server);
    }
}

#[test]
fn an_authority_is_one_by_netscape_s_type_alone_only_where_that_is_for_tls() {
    for (bits, taken) in [(0x04, true), (0x01, false), (0x80, false), (0, false)] {
        let alone = under_root(move |params| {
            params.is_ca = IsCa::NoCa;
            params.key_usages.clear();
            params.use_authority_key_identifier_extension = false;
            params.custom_extensions = vec![netscape_type(bits)];
        });
        agree(&alone, Usage::Client, taken);
        let beside = under_root(move |params| {
            params.custom_extensions = vec![netscape_type(bits)];
        });
        agree(&beside, Usage::Client, true);
    }
}

#[test]
fn a_usage_for_everything_is_taken_for_none_unless_that_is_named_too() {
    let any = ExtendedKeyUsagePurpose::Any;
    let named = ExtendedKeyUsagePurpose::ClientAuth;
    for (usages, taken) in [(vec![any.clone()], false), (vec![any, named], true)] {
        let scene = Scene::with_leaf(move |params| params.extended_key_usages = usages);
        agree(&scene, Usage::Client, taken);
    }
}

enum Constraint {
    Permitted(&'static str),
    Excluded(&'static str),
}
use Constraint::{Excluded, Permitted};

impl Constraint {
    fn on(&self, params: &mut CertificateParams) {
        let tree = |name: &str| vec![GeneralSubtree::DnsName(name.to_owned())];
        let (permitted_subtrees, excluded_subtrees) = match self {
            Permitted(name) => (tree(name), Vec::new()),
            Excluded(name) => (Vec::new(), tree(name)),
        };
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees,
            excluded_subtrees,
        });
    }
}

fn named(common_name: &str, names: Vec<SanType>) -> impl FnOnce(&mut CertificateParams) {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    move |params| {
        params.distinguished_name = subject;
        params.subject_alt_names = names;
    }
}

fn uri() -> Vec<SanType> {
    vec![SanType::URI("spiffe://lab/app".try_into().unwrap())]
}

#[test]
fn a_common_name_like_a_host_s_is_held_against_constraints_as_openssl_does() {
    let permitted = Permitted("example.com");
    for (constraint, common_name, names, taken) in [
        (&permitted, "app.internal", Vec::new(), false),
        (&permitted, "app.internal", uri(), false),
        (&permitted, "10.0.0.1", Vec::new(), false),
        (&permitted, "app_x.inter-nal", Vec::new(), false),
        (&permitted, "badexample.com", Vec::new(), false),
        (&permitted, "App.Example.COM", Vec::new(), true),
        (&permitted, "example.com", uri(), true),
        (&permitted, "app-server", Vec::new(), true),
        (&permitted, "*.internal", Vec::new(), true),
        (&permitted, "app.internal.", Vec::new(), true),
        (&permitted, "app-.internal", Vec::new(), true),
        (&permitted, "grün.internal", Vec::new(), true),
        (&permitted, "app server v1.2", Vec::new(), true),
        (
            &permitted,
            "app.internal",
            vec![dns("app.example.com")],
            true,
        ),
        (
            &Permitted(".example.com"),
            "app.example.com",
            Vec::new(),
            true,
        ),
        (&Permitted(".example.com"), "example.com", Vec::new(), false),
        (&Permitted(""), "app.internal", Vec::new(), true),
        (&Excluded("internal"), "app.internal", Vec::new(), false),
        (&Excluded("internal"), "app.example.com", Vec::new(), true),
    ] {
        let root = Authority::root("Lab Root");
        let issuing = root.intermediate_with("Lab Issuing", |params| constraint.on(params));
        let leaf = named(common_name, names.clone());
        agree(&Scene::of(root, issuing, leaf), Usage::Client, taken);
        // An anchor's own constraints count too.
        let root = Authority::root_with("Lab Root", |params| constraint.on(params));
        let issuing = root.intermediate("Lab Issuing");
        let leaf = named(common_name, names);
        agree(&Scene::of(root, issuing, leaf), Usage::Client, taken);
    }
}

#[test]
fn the_issuer_whose_constraints_do_not_permit_a_common_name_is_named() {
    let root = Authority::root("Lab Root");
    let issuing = root.intermediate_with("Lab Issuing", |params| {
        Permitted("example.com").on(params);
    });
    let mut scene = Scene::of(root, issuing, named("app.internal", uri()));
    scene.subject.common_name = Some("app.internal".to_owned());
    scene.names = vec![AltName::uri("spiffe://lab/app").unwrap()];
    refused(
        &scene,
        "chain-untrusted",
        "OpenSSL refuses the certificate \"app.internal\": its common name looks like a host name, and the intermediate \"Lab Issuing\" does not permit app.internal",
    );
    scene.leaf = scene.issuing.leaf_with(named("app", uri()));
    scene.subject.common_name = Some("app".to_owned());
    assert_eq!(codes(&scene.judge()), [""; 0]);
}
