//! What the settings may say.

use crate::support::contract::{CANARY, try_open};

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
