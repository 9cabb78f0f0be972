//! The standards' own examples, and every kind of key held against what its header says.

use aws_lc_rs::signature::{KeyPair as _, UnparsedPublicKey};

use super::*;
use crate::pki::KeyAlgorithm;

/// RFC 7515 appendix A.3: an ES256 key and its coordinates.
const ES256: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;

/// RFC 8037 appendix A.1, with its thumbprint from A.3.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519",
    "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn parts(token: &Secret) -> Vec<Vec<u8>> {
    let text = token.expose_str().unwrap();
    text.split('.')
        .map(|part| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap())
        .collect()
}

#[test]
fn the_example_of_eddsa_is_signed_as_the_standard_has_it() {
    let signer = Signer::from_jwk(ED25519.as_bytes()).unwrap();
    // RFC 8037 appendix A.4: its header has no `typ`, so the signing input is given as it stands.
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(
        BASE64URL_NOPAD.encode(&signer.signature(input).unwrap()),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    assert_eq!(
        signer.thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
}

#[test]
fn an_ecdsa_signature_is_the_two_numbers_and_holds() {
    let signer = Signer::from_jwk(ES256.as_bytes()).unwrap();
    let kid = [("kid", json!("one"))];
    let token = signer.token(&kid, &json!({ "sub": "app" })).unwrap();
    let text = token.expose_str().unwrap();
    let parts = parts(&token);
    let header: Value = serde_json::from_slice(&parts[0]).unwrap();
    assert_eq!(
        header,
        json!({ "alg": "ES256", "typ": "JWT", "kid": "one" })
    );
    assert_eq!(parts[1], br#"{"sub":"app"}"#);
    let Signer::Ecdsa(pair, _) = &signer else {
        panic!()
    };
    let signed = text.rsplit_once('.').unwrap().0;
    UnparsedPublicKey::new(
        &signature::ECDSA_P256_SHA256_FIXED,
        pair.public_key().as_ref(),
    )
    .verify(signed.as_bytes(), &parts[2])
    .unwrap();
}

/// Verified by what the header alone says, as a server does it.
fn verify(body: &Value) -> Value {
    let part = |name: &str| BASE64URL_NOPAD.decode(body[name].as_str().unwrap().as_bytes());
    let header: Value = serde_json::from_slice(&part("protected").unwrap()).unwrap();
    let text = [&body["protected"], &body["payload"]].map(|part| part.as_str().unwrap());
    let (text, signature) = (text.join("."), part("signature").unwrap());
    let text = text.as_bytes();
    let number = |name: &str| {
        let text = header["jwk"][name].as_str().unwrap();
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()
    };
    let point = || [vec![4], number("x"), number("y")].concat();
    match header["alg"].as_str().unwrap() {
        "ES256" => UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point())
            .verify(text, &signature),
        "ES384" => UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point())
            .verify(text, &signature),
        "EdDSA" => {
            UnparsedPublicKey::new(&signature::ED25519, number("x")).verify(text, &signature)
        }
        "RS256" => signature::RsaPublicKeyComponents {
            n: number("n"),
            e: number("e"),
        }
        .verify(&signature::RSA_PKCS1_2048_8192_SHA256, text, &signature),
        other => panic!("{other}"),
    }
    .unwrap();
    header
}

#[test]
fn every_kind_of_key_that_is_made_here_signs_so_that_its_public_half_verifies_it() {
    for (algorithm, name) in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let signer = Signer::from_private_key(&key).unwrap();
        let more = [("nonce", json!("n")), ("jwk", signer.jwk())];
        // ECDSA's numbers are shorter than their field in one of 128 signatures.
        for _ in 0..if algorithm == KeyAlgorithm::EcdsaP256 {
            400
        } else {
            2
        } {
            let body = signer.flattened(&more, &json!({ "reason": 1 })).unwrap();
            assert_eq!(verify(&body)["nonce"], "n", "{name}");
        }
        assert_eq!(signer.thumbprint().len(), 43, "{name}");
    }
}

/// RFC 7515 appendix A.1.
#[test]
fn the_example_of_hmac_is_signed_as_the_standard_has_it() {
    let key =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let signer = Signer::from_hmac(&BASE64URL_NOPAD.decode(key.as_bytes()).unwrap());
    let input = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    assert_eq!(
        BASE64URL_NOPAD.encode(&signer.signature(input).unwrap()),
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
}

#[test]
fn what_cannot_sign_is_told_apart() {
    for (json, expected) in [
        ("", SignerError::Unreadable),
        (r#"{"kty":"EC","crv":"P-256"}"#, SignerError::Public),
        (r#"{"kty":"oct","d":"AAAA"}"#, SignerError::Kind),
        (
            r#"{"kty":"EC","crv":"P-192","d":"AAAA"}"#,
            SignerError::Kind,
        ),
        (r#"{"kty":"RSA","d":"AAAA"}"#, SignerError::Unreadable),
    ] {
        let error = Signer::from_jwk(json.as_bytes()).err();
        assert_eq!(error, Some(expected), "{json}");
    }
}
