//! Images whose key or CA is not the one that the configuration asks for by now.

use std::fs;

use serde_json::Value;

use crate::baked::{CONFIG, Image, RECORD};

fn with_key(algorithm: &str) -> String {
    CONFIG.replace("ttl =", &format!("key_algorithm = \"{algorithm}\"\nttl ="))
}

fn told(finding: &Value) -> String {
    assert_eq!(
        finding["hint"],
        "the configuration has changed since the image was built: run `certbake provision` again, or change it back"
    );
    finding["summary"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_of_another_algorithm_than_the_configuration_states_is_found() {
    let image = Image::baked();
    fs::write(image.config(), with_key("rsa-2048")).unwrap();
    let run = image.certbake(&["check"]).ends(4);
    assert_eq!(run.findings(), ["key-differs"]);
    let finding = &run.report["findings"][0];
    assert_eq!(
        told(finding),
        "the certificate's key is ECDSA P-256; the configuration states rsa-2048"
    );
    assert_eq!(finding["identity"], "app-server");
    fs::write(image.config(), with_key("ecdsa-p256")).unwrap();
    image.certbake(&["check"]).ends(0);
}

#[test]
fn every_algorithm_is_known_again_and_none_stated_is_none_asked() {
    for algorithm in ["ecdsa-p384", "ed25519", "rsa-2048", "rsa-3072"] {
        let image = Image::baked_with(&with_key(algorithm));
        image.certbake(&["check"]).ends(0);
        // A flag of the build may have chosen it.
        fs::write(image.config(), CONFIG).unwrap();
        image.certbake(&["check"]).ends(0);
        fs::write(image.config(), with_key("rsa-4096")).unwrap();
        let run = image.certbake(&["check"]).ends(4);
        assert_eq!(run.findings(), ["key-differs"], "{algorithm}");
    }
}

#[test]
fn of_a_key_store_the_record_tells_the_key() {
    let store = "pkcs12 = { path = \"/etc/app/client.p12\", password = \"file:password\" }";
    let start = CONFIG.find("full_chain").unwrap();
    let only_store = format!("{}{store}\n", &CONFIG[..start]);
    let image = Image::baked_with(&only_store);
    image.certbake(&["check"]).ends(0);
    let other = only_store.replace("ttl =", "key_algorithm = \"ed25519\"\nttl =");
    fs::write(image.config(), other).unwrap();
    let run = image.certbake(&["check"]).ends(4);
    assert_eq!(run.findings()[0], "key-differs");
}

#[test]
fn a_ca_that_the_configuration_does_not_name_any_more_is_found() {
    let image = Image::baked();
    let with = |tables: &str, ca: &str| {
        let start = CONFIG.find("[identity.app-server]").unwrap();
        let identity = CONFIG[start..].replace("ttl =", &format!("{ca}\nttl ="));
        fs::write(image.config(), format!("{tables}\n{identity}")).unwrap();
        image.certbake(&["check"])
    };
    let lab = "[ca.lab]\nkind = \"embedded\"\ndir = \"ca\"";
    let est = "[ca.site]\nkind = \"est\"\nurl = \"https://est.lab\"\ntrust = \"system\"";
    let both = format!("{lab}\n{est}");

    let run = with(&both, "ca = \"site\"").ends(4);
    assert_eq!(run.findings(), ["ca-differs app-server.json"]);
    let finding = &run.report["findings"][0];
    let summary = told(finding);
    let start = "the certificate was issued by lab (embedded, ";
    let end = "; the configuration states site (est, https://est.lab/.well-known/est)";
    assert!(
        summary.starts_with(start) && summary.ends_with(end),
        "{summary}"
    );
    let of_kind = est.replace("site", "lab");
    let run = with(&of_kind, "").ends(4);
    assert_eq!(run.findings(), ["ca-differs app-server.json"]);
    let renamed = lab.replace("lab", "prod");
    let run = with(&renamed, "").ends(4);
    let summary = told(&run.report["findings"][0]);
    assert!(summary.ends_with("states prod (embedded)"), "{summary}");

    // Whichever of several it was, and where the order alone says which.
    with(&both, "ca = [\"site\", \"lab\"]").ends(0);
    with(&both, "ca = \"lab\"").ends(0);
    with(&both, "").ends(0);
    // Its directory may be mounted elsewhere by now.
    with(&lab.replace("\"ca\"", "\"elsewhere/ca\""), "").ends(0);

    let run = with(&both, "ca = \"sight\"").ends(2);
    assert_eq!(run.findings(), ["config-invalid certbake.toml:11"]);
}

/// The name of a table of kind `est`, what it says, and whether that is the CA of [`site`]'s image.
const TABLES: &[(&str, &str, bool)] = &[
    (
        "site",
        "url = 'https://est.lab:8443'\nlabel = 'devices'",
        true,
    ),
    (
        "moved",
        "url = 'https://EST.lab:8443/'\nlabel = 'devices'",
        true,
    ),
    // A flag of the build may have given the label, or all of it.
    ("site", "url = 'https://est.lab:8443'", true),
    ("site", "", true),
    (
        "site",
        "url = 'https://est.lab:8443'\nlabel = 'device'",
        false,
    ),
    (
        "site",
        "url = 'https://est.lab:844'\nlabel = 'devices'",
        false,
    ),
    ("site", "url = 'https://est.lab'\nlabel = 'devices'", false),
    (
        "site",
        "url = 'http://est.lab:8443'\ndanger_plain_http = true",
        false,
    ),
    // What flags of the build complete cannot be opened here.
    ("moved", "url = 'https://est.lab:8443'\nlabel = 7", true),
    ("site", "url = 'https://other.lab'\nlabel = 7", false),
    ("other", "", false),
];

/// An image whose record names an EST server.
fn site() -> Image {
    let image = Image::baked();
    image.edit(RECORD, |text| {
        let mut record: Value = serde_json::from_str(&text).unwrap();
        record["authority"] = serde_json::json!({
            "kind": "est",
            "name": "site",
            "place": "https://est.lab:8443/.well-known/est/devices",
        });
        record.to_string()
    });
    image
}

#[test]
fn a_ca_is_the_one_at_its_place_whatever_it_is_called() {
    let image = site();
    let identity = &CONFIG[CONFIG.find("[identity.app-server]").unwrap()..];
    for (name, says, is_it) in TABLES {
        let table = format!("[ca.{name}]\nkind = 'est'\ntrust = 'system'\n{says}\n");
        fs::write(image.config(), format!("{table}{identity}")).unwrap();
        let (exit, finds) = match is_it {
            true => (0, &[][..]),
            false => (4, &["ca-differs app-server.json"][..]),
        };
        let run = image.certbake(&["check"]).ends(exit);
        assert_eq!(run.findings(), finds, "{table}");
    }
}

#[test]
fn a_password_in_a_url_that_cannot_be_used_is_not_told() {
    let image = Image::baked();
    let identity = &CONFIG[CONFIG.find("[identity.app-server]").unwrap()..];
    let table = "[ca.site]\nkind = 'est'\nurl = 'https://bob:canary@est.lab'\n";
    fs::write(image.config(), format!("{table}{identity}")).unwrap();
    let run = image.certbake(&["check"]).ends(4);
    let finding = &run.report["findings"][0];
    assert!(told(finding).ends_with("states site (est)"), "{finding}");
    assert!(!run.report.to_string().contains("canary"));
}

#[cfg(feature = "aws")]
#[test]
fn an_endpoint_does_not_tell_which_ca_of_amazon_s_it_is() {
    let image = Image::baked();
    let arn = "arn:aws:acm-pca:eu-west-1:123456789012:certificate-authority/";
    image.edit(RECORD, |text| {
        let mut record: Value = serde_json::from_str(&text).unwrap();
        record["authority"] = serde_json::json!({
            "kind": "aws-pca", "name": "aws", "place": format!("{arn}one"),
        });
        record.to_string()
    });
    let identity = &CONFIG[CONFIG.find("[identity.app-server]").unwrap()..];
    for (name, says, is_it) in [
        ("moved", format!("certificate_authority = '{arn}one'"), true),
        (
            "aws",
            format!("certificate_authority = '{arn}other'"),
            false,
        ),
        // A build without Amazon's code, or flags that tell the rest.
        ("aws", String::new(), true),
        ("other", String::new(), false),
    ] {
        let endpoint = "url = 'https://vpce-1.acm-pca.eu-west-1.vpce.amazonaws.com'";
        let table = format!("[ca.{name}]\nkind = 'aws-pca'\n{endpoint}\n{says}\n");
        fs::write(image.config(), format!("{table}{identity}")).unwrap();
        let run = image.certbake(&["check"]);
        let run = run.ends(if is_it { 0 } else { 4 });
        assert_eq!(run.findings().is_empty(), is_it, "{table}");
    }
}
