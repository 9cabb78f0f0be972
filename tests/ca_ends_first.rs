//! A CA whose intermediate ends before the certificate that is wanted: no ttl and no limit is the cure, and every
//! screen says so, before an order and after it.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod built;
mod servers;

use std::fs;

use built::{Lab, codes};
use servers::certbake::{PASSWORD, ServedCa, USER};

/// An identity of a CA that lasts ten days, over EST.
fn lab(ca: &ServedCa, policy: &str) -> Lab {
    let lab = Lab::new(&format!(
        "[ca.lab]\nkind = \"est\"\nurl = \"{}\"\nanchors = \"root.pem\"\nusername = \"{USER}\"\npassword = \"file:password\"\n\
         [identity.app]\ncommon_name = \"app\"\nttl = \"30d\"\n{policy}\nplacements.combined = \"/etc/app.pem\"\n",
        ca.url
    ));
    fs::copy(&ca.anchors, lab.path("root.pem")).unwrap();
    fs::copy(&ca.password, lab.path("password")).unwrap();
    lab
}

const RENEW: &str = "renew the intermediate \"Lab intermediate\" at the CA: no ttl can outlast it";

#[test]
fn doctor_and_a_dry_run_foresee_that_the_floor_cannot_be_met() {
    let ca = ServedCa::lasting("10d");
    let _serving = ca.serve("90d");
    let lab = lab(&ca, "on_shortened = \"warn\"\nmin_validity = \"21d\"");
    for verb in [&["doctor"][..], &["provision", "--dry-run"]] {
        let report = lab.run(verb, 3);
        let findings = report["findings"].as_array().unwrap();
        for code in ["ca-ends-first", "window-below-floor"] {
            assert!(codes(&report).contains(&code), "{report}");
            let told = findings.iter().find(|finding| finding["code"] == code);
            let hint = told.unwrap()["hint"].as_str().unwrap();
            assert!(hint.contains("have the issuer renewed"), "{hint}");
            assert!(!hint.contains("raise the limit"), "{hint}");
        }
    }
}

#[test]
fn an_order_that_the_ca_cut_short_names_the_intermediate_as_what_has_to_be_renewed() {
    let ca = ServedCa::lasting("10d");
    let _serving = ca.serve("90d");
    for (policy, code) in [
        ("min_validity = \"7d\"", "lifetime-shortened"),
        (
            "on_shortened = \"warn\"\nmin_validity = \"21d\"",
            "window-below-floor",
        ),
    ] {
        let report = lab(&ca, policy).run(&["provision"], 3);
        let findings = report["findings"].as_array().unwrap();
        let told = findings
            .iter()
            .find(|finding| finding["code"] == code)
            .unwrap();
        assert_eq!(told["severity"], "error");
        let hint = told["hint"].as_str().unwrap();
        assert!(hint.starts_with(RENEW), "{hint}");
        assert!(!report.to_string().contains(PASSWORD));
    }
}
