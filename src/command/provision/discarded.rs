//! What a failed run was issued and did not write.

use super::super::Context;
use super::order::Ordered;
use crate::finding::{Code, Finding, rfc3339};

const DISCARDED: Code = Code::new("certificate-discarded");

/// So many are named in the sentence.
const NAMED: usize = 3;

/// Which certificates are spent, until when they hold, and what would have taken them back.
pub fn told(ordered: &[Ordered], context: &Context<'_>) -> Option<Finding> {
    let now = context.moment();
    let end = |ordered: &Ordered| ordered.credential.leaf().window().not_after;
    let serial = |ordered: &Ordered| ordered.credential.leaf().facts().serial.clone();
    let valid: Vec<_> = ordered.iter().filter(|one| end(one) > now).collect();
    let last = valid.iter().map(|one| end(one)).max()?;
    let mut named: Vec<_> = valid
        .iter()
        .take(NAMED)
        .map(|one| format!("{} (serial {})", one.identity, serial(one)))
        .collect();
    if valid.len() > NAMED {
        named.push(format!("{} more", valid.len() - NAMED));
    }
    let revocable = |one: &&Ordered| one.candidate.opened.revoke.is_some();
    let taken_back = if valid.iter().any(revocable) {
        "--revoke-on-failure has such certificates revoked"
    } else {
        "only the CA's own tools can revoke such certificates"
    };
    let named = named.join(", ");
    let until = rfc3339(last);
    let summary = if valid.len() == 1 {
        format!(
            "the certificate of {named} was issued and discarded together with its key: it stays valid until {until}, and the next run requests a new one; {taken_back}"
        )
    } else {
        format!(
            "the certificates of {named} were issued and discarded together with their keys: the last is valid until {until}, and the next run requests new ones; {taken_back}"
        )
    };
    let names: Vec<_> = valid.iter().map(|one| one.identity.as_str()).collect();
    let serials: Vec<_> = valid.iter().map(|one| serial(one)).collect();
    let finding = Finding::note(DISCARDED, summary)
        .fact("identities", names)
        .fact("serials", serials)
        .instant("not_after", last)
        .hint("nobody has the keys, so this matters where the CA counts certificates, or lists what is in use: revoke them by serial with the CA's own tools");
    Some(match valid[..] {
        [only] => finding.about(&only.identity),
        _ => finding,
    })
}
