//! Cloudflare's cfssl and multirootca.

use std::fs;

use serde_json::{Value, json};

use crate::servers::cfssl::{Cfssl, KEY, LABEL, PROFILE, Transport};
use crate::servers::{assert_openssl_verifies, program, run};

/// The fixture itself: `cfssl gencert` gets a certificate, its request signed with the HMAC key.
#[test]
fn gencert_enrolls_at_cfssl_serve() {
    for transport in [Transport::Plain, Transport::Tls, Transport::MutualTls] {
        let Some(server) = Cfssl::start(transport) else {
            return;
        };
        gencert(&server, transport, "");
    }
}

#[test]
fn gencert_enrolls_at_multirootca() {
    for transport in [Transport::Plain, Transport::Tls] {
        let Some(server) = Cfssl::start_multirootca(transport) else {
            return;
        };
        gencert(&server, transport, LABEL);
    }
}

fn gencert(server: &Cfssl, transport: Transport, label: &str) {
    let file = |name: &str| server.directory().join(name).to_str().unwrap().to_owned();
    let config = json!({
        "signing": { "default": { "auth_remote": { "remote": "server", "auth_key": "builder" } } },
        "auth_keys": { "builder": { "type": "standard", "key": KEY } },
        "remotes": { "server": server.url },
    });
    fs::write(file("client.json"), config.to_string()).unwrap();
    let request =
        json!({ "CN": "app", "hosts": ["app.example"], "key": { "algo": "ecdsa", "size": 256 } });
    fs::write(file("request.json"), request.to_string()).unwrap();

    let (config, request, anchors) = (file("client.json"), file("request.json"), file("ca.pem"));
    let mut asked = vec![
        "gencert", "-config", &config, "-profile", PROFILE, "-label", label,
    ];
    if transport != Transport::Plain {
        asked.extend(["-tls-remote-ca", &anchors]);
    }
    let client = [file("builder.pem"), file("builder.key")];
    if transport == Transport::MutualTls {
        server.client();
        asked.extend([
            "-mutual-tls-client-cert",
            &client[0],
            "-mutual-tls-client-key",
            &client[1],
        ]);
    }
    asked.push(&request);
    let answer = run(program("cfssl").unwrap(), asked);

    let issued: Value = serde_json::from_slice(&answer).unwrap();
    let chain = server.directory().join("app.pem");
    fs::write(&chain, issued["cert"].as_str().unwrap()).unwrap();
    assert_openssl_verifies(&chain, &server.anchors);
}
