//! step-ca as a scripted server speaks it, and what a provisioner's key looks like there.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::key_wrap::{AES_128, AesKek, KeyWrap};
use aws_lc_rs::pbkdf2;
use certbake::authority::Opened;
use certbake::pki::pem;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::support::contract::{CANARY, Protocol, open};
use crate::support::{self, Asked, FakeServer, Lab, Reply};

/// With a JWK provisioner whose key the CA hands out, locked by the canary.
pub struct StepCa;

impl Protocol for StepCa {
    fn kind(&self) -> &'static str {
        "step-ca"
    }

    fn settings(&self, server: &FakeServer, credential: &str) -> toml::Table {
        let url = server.origin();
        toml::toml! {
            url = url
            provisioner = "builder"
            password = credential
        }
    }

    fn ordered(&self, asked: &Asked) -> Option<Vec<u8>> {
        (asked.path == "/1.0/sign").then(|| request_of(asked))
    }

    fn aside(&self, lab: &Lab, asked: &Asked) -> Reply {
        match asked.path.split('?').next().unwrap() {
            "/provisioners" => provisioners(&[builder(json!({}))]),
            "/roots" => {
                let crts: Vec<String> = lab.anchors().iter().map(|der| support::pem(der)).collect();
                Reply::status(201).body(json!({ "crts": crts }).to_string())
            }
            "/health" => Reply::ok(r#"{"status":"ok"}"#),
            "/version" => Reply::ok(r#"{"version":"0.30.2"}"#),
            _ => refusal(
                404,
                "The requested resource could not be found. Please see the certificate authority logs for more info.",
            ),
        }
    }

    fn issued(&self, certificates: &[Vec<u8>]) -> Reply {
        let chain: Vec<String> = certificates.iter().map(|der| support::pem(der)).collect();
        let answer = json!({
            "crt": chain[0], "ca": chain.get(1).cloned().unwrap_or_default(), "certChain": chain,
        });
        Reply::status(201)
            .header("content-type", "application/json")
            .body(answer.to_string())
    }

    fn refusal(&self, status: u16, words: &str) -> Reply {
        refusal(status, words)
    }

    fn repeats_the_same_bytes(&self) -> bool {
        false
    }
}

pub fn refusal(status: u16, words: &str) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json")
        .header("x-request-id", "d3adb33f")
        .body(json!({ "status": status, "message": words }).to_string())
}

pub fn body_of(asked: &Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

pub fn request_of(asked: &Asked) -> Vec<u8> {
    let body = body_of(asked);
    match pem::decode(body["csr"].as_str().unwrap().as_bytes())
        .unwrap()
        .remove(0)
    {
        pem::Block::Request(der) => der,
        other => panic!("{other:?}"),
    }
}

/// Header and claims of a token.
pub fn token_of(text: &str) -> (Value, Value) {
    let part = |part: &str| {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
    };
    let parts: Vec<&str> = text.split('.').collect();
    (part(parts[0]), part(parts[1]))
}

pub fn ott_of(asked: &Asked) -> (Value, Value) {
    token_of(body_of(asked)["ott"].as_str().unwrap())
}

pub fn provisioners(list: &[Value]) -> Reply {
    Reply::ok(json!({ "provisioners": list, "nextCursor": "" }).to_string())
}

/// RFC 7515 appendix A.3.1, and its thumbprint.
pub const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
pub const KEY_ID: &str = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";

/// The JWK provisioner of the fake.
pub fn builder(claims: Value) -> Value {
    json!({
        "type": "JWK", "name": "builder", "key": { "kid": KEY_ID, "kty": "EC" },
        "encryptedKey": locked(KEY, CANARY), "claims": claims,
    })
}

/// As `step` locks a key, with fewer rounds.
pub fn locked(plain: &str, password: &str) -> String {
    let header = json!({
        "alg": "PBES2-HS256+A128KW", "cty": "jwk+json", "enc": "A256GCM",
        "p2c": 1000, "p2s": BASE64URL_NOPAD.encode(b"sixteen bytes..."),
    });
    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    let salt = [&b"PBES2-HS256+A128KW\0"[..], b"sixteen bytes..."].concat();
    let mut derived = [0; 16];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        1000.try_into().unwrap(),
        &salt,
        password.as_bytes(),
        &mut derived,
    );
    let key = [7_u8; 32];
    let mut wrapped = [0; 40];
    AesKek::new(&AES_128, &derived)
        .unwrap()
        .wrap(&key, &mut wrapped)
        .unwrap();
    let mut text = plain.as_bytes().to_vec();
    let cipher = LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, &key).unwrap());
    let tag = cipher
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key([9; 12]),
            Aad::from(header.as_bytes()),
            &mut text,
        )
        .unwrap();
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    format!(
        "{header}.{}.{}.{}.{}",
        encode(&wrapped),
        encode(&[9; 12]),
        encode(&text),
        encode(tag.as_ref())
    )
}

/// A server that answers by the script where it says something and as it should elsewhere, and the
/// authority on it.
pub fn lab_with(
    mut script: impl FnMut(&Lab, &Asked) -> Option<Reply> + Send + 'static,
    change: impl FnOnce(&mut toml::Table),
) -> (Lab, FakeServer, Opened) {
    let lab = Lab::new("Lab");
    let serving = lab.clone();
    let server = FakeServer::https(&lab.server(), move |asked| {
        if let Some(reply) = script(&serving, asked) {
            return reply;
        }
        match StepCa.ordered(asked) {
            Some(request) => StepCa.issued(&[serving.sign(&request), serving.issuing()]),
            None => StepCa.aside(&serving, asked),
        }
    });
    let mut table = StepCa.settings(&server, "cmd:printf canary-4f1c");
    change(&mut table);
    let opened = open("step-ca", table, &lab.anchors());
    (lab, server, opened)
}

pub fn paths(server: &FakeServer) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.path).collect()
}
