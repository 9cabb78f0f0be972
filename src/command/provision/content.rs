//! The bytes of each placement.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Stop;
use super::plan::{Content, Identity, Pkcs12, Placement, Plan};
use crate::finding::{Code, Finding};
use crate::outcome::Outcome;
use crate::pki::pkcs12::{self, Pkcs12Error};
use crate::pki::{Certificate, Credential, pem};
use crate::secret::Secret;

const PASSWORD_NOT_ASCII: Code = Code::new("pkcs12-password-not-ascii");
const PKCS12_UNWRITABLE: Code = Code::new("pkcs12-unwritable");

/// The passwords of key stores, read before anything is asked for: one that is missing must not
/// cost a certificate.
pub struct Passwords {
    of_paths: BTreeMap<String, Secret>,
    pub warnings: Vec<Finding>,
}

impl Passwords {
    pub fn read(plan: &Plan) -> Result<Self, Stop> {
        let mut of_paths = BTreeMap::new();
        let mut warnings = Vec::new();
        for identity in &plan.identities {
            for placement in &identity.placements {
                if let Content::Pkcs12(store) = &placement.content {
                    let password = password(store).map_err(|finding| {
                        Stop::new(Outcome::Usage, finding.about(&identity.name))
                    })?;
                    let warning = not_for_java(store, &password);
                    warnings.extend(warning.map(|it| it.about(&identity.name)));
                    of_paths.insert(placement.path.as_str().to_owned(), password);
                }
            }
        }
        Ok(Self { of_paths, warnings })
    }

    fn of(&self, placement: &Placement) -> Option<&Secret> {
        self.of_paths.get(placement.path.as_str())
    }
}

/// OpenSSL and Windows read such a store; Java's key factory takes nothing but ASCII.
pub fn not_for_java(store: &Pkcs12, password: &Secret) -> Option<Finding> {
    if password.expose().is_ascii() {
        return None;
    }
    let summary = format!(
        "the key store's password ({}) has non-ASCII characters: Java cannot open the store",
        store.password
    );
    Some(
        Finding::warning(PASSWORD_NOT_ASCII, summary)
            .fact("source", store.password.to_string())
            .hint("if Java is to read the store, use an ASCII password"),
    )
}

/// The password of a key store, where one can be written with it.
pub fn password(store: &Pkcs12) -> Result<Secret, Finding> {
    let password = store.password.read().map_err(|error| error.finding())?;
    match pkcs12::accepts(&password, &store.alias) {
        Ok(_) => Ok(password),
        Err(error) => Err(Finding::error(PKCS12_UNWRITABLE, error.to_string())
            .fact("source", store.password.to_string())
            .fact("alias", store.alias.as_str())
            .hint(match error {
                Pkcs12Error::ControlCharacter => "nothing was requested: let its source give the password alone, in one line; a line break at the end is left out",
                _ => "nothing was requested: use a password of plain letters and digits, which every program reads alike",
            })),
    }
}

pub fn bytes(
    identity: &Identity,
    placement: &Placement,
    credential: &Credential,
    passwords: &Passwords,
) -> Result<Secret, Stop> {
    let chain = credential.chain();
    let text = match &placement.content {
        Content::Anchors => credential.anchors().pem(),
        Content::Certificate => chain.leaf.pem(),
        Content::FullChain => chain.pem(),
        Content::Issuers => chain.intermediates.iter().map(Certificate::pem).collect(),
        Content::PrivateKey => return Ok(secret(private_key(credential))),
        Content::Combined => {
            let key = private_key(credential);
            let chain = chain.pem();
            // Sized first: a growing buffer would leave copies of the key behind.
            let mut all = Zeroizing::new(String::with_capacity(key.len() + chain.len()));
            all.push_str(&key);
            all.push_str(&chain);
            return Ok(secret(all));
        }
        Content::Pkcs12(store) => {
            let password = passwords
                .of(placement)
                .cloned()
                .unwrap_or_else(|| Secret::new(Vec::new()));
            let bytes = pkcs12::write(
                credential.key(),
                chain,
                Some(credential.anchors()),
                &password,
                &store.alias,
                store.encryption,
            )
            .map_err(|error| {
                Stop::new(
                    Outcome::Internal,
                    Finding::error(PKCS12_UNWRITABLE, error.to_string()).about(&identity.name),
                )
            })?;
            return Ok(Secret::new(bytes.to_vec()));
        }
    };
    Ok(Secret::from(text))
}

fn private_key(credential: &Credential) -> Zeroizing<String> {
    Zeroizing::new(pem::encode("PRIVATE KEY", credential.key().expose_pkcs8()))
}

fn secret(mut text: Zeroizing<String>) -> Secret {
    Secret::from(std::mem::take(&mut *text))
}
