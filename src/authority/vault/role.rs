//! A role as it may be read beforehand: what of an order it would cut or refuse.

use serde::Deserialize;

use super::settings::Checked;
use crate::authority::Order;
use crate::finding::{Code, Finding};
use crate::pki::certificate::KeyFacts;
use crate::pki::{AltName, Usage};

pub const FORBIDS: Code = Code::new("vault-role-forbids");

/// `GET <mount>/roles/<role>`, as far as it speaks of orders. Names are left to the order: their
/// rules depend on each other, and a refusal costs nothing.
#[derive(Deserialize)]
pub struct Role {
    /// Seconds; 0 leaves it to the mount.
    #[serde(default)]
    max_ttl: i64,
    key_type: Option<String>,
    #[serde(default)]
    key_bits: usize,
    client_flag: Option<bool>,
    server_flag: Option<bool>,
    ext_key_usage: Option<Vec<String>>,
    ext_key_usage_oids: Option<Vec<String>>,
    require_cn: Option<bool>,
    allow_ip_sans: Option<bool>,
    allowed_uri_sans: Option<Vec<String>>,
    pub issuer_ref: Option<String>,
}

impl Role {
    pub fn against(&self, order: &Order, settings: &Checked) -> Vec<Finding> {
        let name = &settings.role;
        let mut refusals: Vec<String> = Vec::new();
        refusals.extend(self.usage(order));
        refusals.extend(self.key(order));
        refusals.extend(self.names(order));
        let told = refusals.into_iter().map(|reason| {
            Finding::error(FORBIDS, format!("the role \"{name}\" {reason}"))
                .fact("role", name.as_str())
                .hint(format!(
                    "change the role, or ask for something else: `vault read {}/roles/{name}`",
                    settings.mount
                ))
        });
        told.collect()
    }

    /// The longest lifetime, in seconds, where the role limits it.
    pub fn longest(&self) -> Option<i64> {
        Some(self.max_ttl).filter(|most| *most > 0)
    }

    /// Vault takes the usages from the role alone, whatever the request says.
    fn usage(&self, order: &Order) -> Option<String> {
        let usage = order.request.usage;
        let (flag, name) = match usage {
            Usage::Client => (self.client_flag, "clientauth"),
            Usage::Server => (self.server_flag, "serverauth"),
        };
        let named = |given: &String| {
            let given = given.to_ascii_lowercase();
            given.strip_prefix("extkeyusage").unwrap_or(&given) == name
        };
        let granted = flag?
            || self.ext_key_usage.iter().flatten().any(named)
            || self
                .ext_key_usage_oids
                .iter()
                .flatten()
                .any(|given| given == usage.oid());
        let purpose = usage.purpose();
        (!granted).then(|| format!("issues certificates without {purpose}, which this order needs (client_flag, server_flag, ext_key_usage)"))
    }

    fn key(&self, order: &Order) -> Option<String> {
        let wanted = self.key_type.as_deref()?;
        let key = KeyFacts::of_spki(order.request.spki())?;
        let (kind, bits) = match &key {
            KeyFacts::Rsa { bits } => ("rsa", *bits),
            KeyFacts::Ec { curve } => ("ec", curve.trim_start_matches("P-").parse().ok()?),
            KeyFacts::Ed25519 => ("ed25519", 0),
            KeyFacts::Other { .. } => return None,
        };
        // More bits than the role's are accepted.
        let fits = wanted == "any" || (wanted == kind && bits >= self.key_bits);
        (!fits).then(|| {
            let least = if self.key_bits > 0 {
                format!(" of at least {} bits", self.key_bits)
            } else {
                String::new()
            };
            format!("requires a key of type {wanted}{least}, but the order's is {key}")
        })
    }

    fn names(&self, order: &Order) -> Option<String> {
        let has = |pick: fn(&AltName) -> bool| order.request.names.iter().any(pick);
        if self.require_cn == Some(true) && order.request.subject.common_name.is_none() {
            return Some("requires a common name (require_cn)".to_owned());
        }
        if self.allow_ip_sans == Some(false) && has(|name| matches!(name, AltName::Ip(_))) {
            return Some("allows no IP addresses (allow_ip_sans)".to_owned());
        }
        let no_uris = self.allowed_uri_sans.as_ref().is_some_and(Vec::is_empty);
        if no_uris && has(|name| matches!(name, AltName::Uri(_))) {
            return Some("allows no URIs (allowed_uri_sans)".to_owned());
        }
        None
    }
}
