//! Lifetimes that a provisioner allows: step-ca refuses what is outside, it does not shorten.

use super::provisioners::Provisioner;
use crate::authority::foresight::TTL_NOT_ALLOWED;
use crate::finding::{Code, Finding};
use crate::span::Span;

/// What a CA allows that was configured by nobody (`authority/config` in its source).
const USUAL_MOST: Span = Span::seconds(86_400);
const USUAL_LEAST: Span = Span::seconds(300);

/// What the CA's own words say of a lifetime that it refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// More than this; a minute or so of backdating is included.
    Above(Span),
    Below(Span),
}

impl Refused {
    /// `requested duration of 48h0m0s is more than the authorized maximum certificate duration of
    /// 24h1m0s`; the same with `less` and `minimum`.
    pub fn read(said: &str) -> Option<Self> {
        let bound = |marker: &str| {
            let (_, rest) = said.split_once(marker)?;
            let word = rest.split_whitespace().next()?;
            Span::of_go(word.trim_end_matches('.'))
        };
        bound("authorized maximum certificate duration of ")
            .map(Self::Above)
            .or_else(|| bound("authorized minimum certificate duration of ").map(Self::Below))
    }

    /// `provisioner` tells the bound without backdating, where it is known.
    pub fn explain(
        self,
        finding: Finding,
        provisioner: Option<&Provisioner>,
        asked: Option<Span>,
    ) -> Finding {
        let mut finding = finding;
        finding.code = TTL_NOT_ALLOWED;
        if let Some(asked) = asked {
            finding = finding.fact("asked_seconds", asked.as_seconds());
        }
        match self {
            Self::Above(told) => {
                let known = provisioner.and_then(most).filter(|most| *most <= told);
                let most = known.unwrap_or(told);
                let backdating = if known.is_some() {
                    ""
                } else {
                    ", including the minute or so of backdating"
                };
                finding
                    .fact("maximum_seconds", most.as_seconds())
                    .hint(format!(
                        "ask for a ttl of at most {most}{backdating}, or raise maxTLSCertDuration of the provisioner"
                    ))
            }
            Self::Below(least) => finding
                .fact("minimum_seconds", least.as_seconds())
                .hint(format!(
                    "ask for a ttl of at least {least}, or lower minTLSCertDuration of the provisioner"
                )),
        }
    }
}

/// The longest lifetime that an order like this gets: without a ttl, what the provisioner gives by
/// itself.
pub fn granted(ttl: Option<Span>, provisioner: &Provisioner) -> Option<Span> {
    let usual = || Span::of_go(provisioner.claims.as_ref()?.default.as_ref()?);
    match ttl {
        Some(_) => most(provisioner),
        None => usual(),
    }
}

/// The longest lifetime that the provisioner names.
fn most(provisioner: &Provisioner) -> Option<Span> {
    let claims = provisioner.claims.as_ref()?;
    Span::of_go(claims.max.as_ref()?)
}

/// Holds the lifetime asked for against what the provisioner says of itself, before it is asked.
pub fn foresee(ttl: Option<Span>, provisioner: &Provisioner) -> Option<Finding> {
    let ttl = ttl?;
    let claims = provisioner.claims.clone().unwrap_or_default();
    let named = |claim: &Option<String>| claim.as_deref().and_then(Span::of_go);
    let name = &provisioner.name;
    let finding = |make: fn(Code, String) -> Finding, summary: String| {
        make(TTL_NOT_ALLOWED, summary)
            .fact("provisioner", name.clone())
            .fact("asked_seconds", ttl.as_seconds())
    };
    match (named(&claims.max), named(&claims.min)) {
        (Some(most), _) if ttl > most => Some(
            Refused::Above(most).explain(
                finding(
                    Finding::error,
                    format!("{ttl} is requested, but the provisioner \"{name}\" allows {most} at most: the CA will refuse"),
                ),
                Some(provisioner),
                Some(ttl),
            ),
        ),
        (_, Some(least)) if ttl < least => Some(Refused::Below(least).explain(
            finding(
                Finding::error,
                format!("{ttl} is requested, but the provisioner \"{name}\" allows {least} at least: the CA will refuse"),
            ),
            Some(provisioner),
            Some(ttl),
        )),
        (None, _) if ttl > USUAL_MOST => Some(
            finding(
                Finding::warning,
                format!("{ttl} is requested, and the provisioner \"{name}\" sets no maximum; step-ca's default is {USUAL_MOST}"),
            )
            .hint("unless authority.claims in the CA's configuration allows more, it will refuse: raise maxTLSCertDuration of the provisioner"),
        ),
        (_, None) if ttl < USUAL_LEAST => Some(
            finding(
                Finding::warning,
                format!("{ttl} is requested, and the provisioner \"{name}\" sets no minimum; step-ca's default is {USUAL_LEAST}"),
            )
            .hint("ask for a longer ttl: unless authority.claims in the CA's configuration allows less, it will refuse"),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::provisioners::Claims;
    use super::*;

    fn provisioner(min: Option<&str>, max: Option<&str>) -> Provisioner {
        Provisioner {
            name: "builder".to_owned(),
            claims: Some(Claims {
                min: min.map(str::to_owned),
                max: max.map(str::to_owned),
                ..Claims::default()
            }),
            ..Provisioner::default()
        }
    }

    #[test]
    fn the_bound_is_found_in_the_cas_own_words() {
        let words = "The request was forbidden by the certificate authority: requested duration of \
                     48h1m0s is more than the authorized maximum certificate duration of 24h1m0s.";
        let refused = Refused::read(words).unwrap();
        assert_eq!(refused, Refused::Above(Span::seconds(86_460)));
        let finding = Finding::error(TTL_NOT_ALLOWED, "");
        let ttl = Some(Span::seconds(172_800));
        let known = refused.explain(finding.clone(), Some(&provisioner(None, Some("24h"))), ttl);
        assert_eq!(known.facts["maximum_seconds"], 86_400);
        assert!(known.hint.contains("at most 1d,"), "{}", known.hint);
        let told = refused.explain(finding, None, ttl);
        assert_eq!(told.facts["maximum_seconds"], 86_460);
        assert!(told.hint.contains("backdating"), "{}", told.hint);
        let least = "requested duration of 1m0s is less than the authorized minimum certificate duration of 5m0s.";
        assert_eq!(
            Refused::read(least),
            Some(Refused::Below(Span::seconds(300)))
        );
        assert_eq!(Refused::read("requested duration is odd"), None);
    }

    #[test]
    fn a_lifetime_outside_is_foreseen_and_a_silent_provisioner_is_a_guess() {
        use crate::finding::Severity::{Error, Warning};
        let hours = |hours: i64| Some(Span::seconds(hours * 3600));
        for (ttl, min, max, severity) in [
            (hours(25), None, Some("24h"), Some(Error)),
            (hours(24), None, Some("24h"), None),
            (hours(1), Some("2h"), Some("24h"), Some(Error)),
            (hours(720), None, None, Some(Warning)),
            (Some(Span::seconds(60)), None, None, Some(Warning)),
            (hours(24), None, None, None),
            (None, None, Some("1h"), None),
        ] {
            let found = foresee(ttl, &provisioner(min, max)).map(|finding| finding.severity);
            assert_eq!(found, severity, "{ttl:?} {min:?} {max:?}");
        }
    }
}
