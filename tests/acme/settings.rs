//! What the settings may say.

use crate::fake::{Ca, directory, json_reply};
use crate::support::Reply;
use crate::support::contract::{CANARY, PATIENCE, order, try_open};

fn fault(settings: toml::Table) -> (String, String) {
    let mut table = settings;
    table.insert("url".to_owned(), "https://ca.lab/directory".into());
    table.insert("account".to_owned(), "account.json".into());
    let error = try_open("acme", table, &[vec![1]]).err().unwrap();
    (error.key, error.reason)
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (settings, key) in [
        (toml::toml! { challenge = "dns-01" }, "dns_hook"),
        (toml::toml! { dns_hook = ["x"] }, "dns_hook"),
        (
            toml::toml! { challenge = "dns-01"
            dns_hook = ["x"]
            listen = "0.0.0.0:80" },
            "listen",
        ),
        (toml::toml! { challenge = "dns-02" }, "challenge"),
        (toml::toml! { listen = "80" }, "listen"),
        (toml::toml! { contact = ["ops@lab"] }, "contact"),
        (toml::toml! { eab_key_id = "kid-1" }, "eab_hmac_key"),
        (toml::toml! { eab_hmac_key = "env:E" }, "eab_key_id"),
    ] {
        assert_eq!(fault(settings.clone()).0, key, "{settings:?}");
    }
    let (_, reason) = fault(toml::toml! { eab_key_id = "k"
    eab_hmac_key = "canary-4f1c" });
    assert!(!reason.contains(CANARY), "{reason}");
}

/// RFC 8555 section 7.3.4: a string, whatever it looks like. It is no user name.
#[test]
fn a_key_identifier_may_hold_a_colon() {
    let table = toml::toml! {
        url = "https://ca.lab/directory"
        account = "account.json"
        eab_key_id = "tenant:kid-1"
        eab_hmac_key = "env:E"
    };
    try_open("acme", table, &[vec![1]]).unwrap();
}

/// RFC 8555 section 7.1.1: the URL is opaque, and some CAs have one that ends so.
#[test]
fn a_slash_at_the_end_of_the_directory_is_part_of_it() {
    let ca = Ca::new(|asked| match asked.path.as_str() {
        "/directory/" => {
            let origin = format!("https://{}", asked.header("host").unwrap());
            Some(json_reply(200, &directory(&origin)))
        }
        "/directory" => Some(Reply::status(404)),
        _ => None,
    });
    let table = toml::toml! { terms_of_service_agreed = true };
    for url in ["/directory/", "/directory//"] {
        let mut table = table.clone();
        let url = ca.server.url(url);
        table.insert("url".to_owned(), url.as_str().into());
        table.insert("account".to_owned(), ca.account.to_str().unwrap().into());
        let opened = try_open("acme", table, &ca.lab.anchors()).unwrap();
        opened.authority.issue(&order(PATIENCE).1).unwrap();
    }
    assert_eq!(ca.asked_for("/account").len(), 1);
}
