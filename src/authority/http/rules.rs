//! JSON pointers, and the rules that tell by status and value what an answer means.

use serde_json::Value;

use super::words;
use crate::authority::SettingsError;
use crate::authority::connection::wrong;

/// RFC 6901.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pointer(String);

impl Pointer {
    pub fn read(key: &str, text: String) -> Result<Self, SettingsError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(wrong(
                key,
                "a JSON pointer must start with a slash: /data/certificate",
            ));
        }
        Ok(Self(text))
    }

    pub fn in_<'v>(&self, json: &'v Value) -> Option<&'v Value> {
        json.pointer(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What must hold of an answer; a part that is not given is not looked at.
#[derive(Clone, Debug)]
pub struct Rule {
    status: Vec<u16>,
    pointer: Option<Pointer>,
    equals: Vec<Value>,
}

impl Rule {
    pub fn read(key: &str, words: words::Rule) -> Result<Self, SettingsError> {
        if words.status.is_empty() && words.pointer.is_none() {
            return Err(wrong(
                key,
                "it has neither status nor pointer: it would match nothing",
            ));
        }
        if words.pointer.is_none() && !words.equals.is_empty() {
            return Err(wrong(
                &format!("{key}.equals"),
                "it needs pointer, which says what to compare",
            ));
        }
        Ok(Self {
            status: words.status,
            pointer: words
                .pointer
                .map(|text| Pointer::read(&format!("{key}.pointer"), text))
                .transpose()?,
            equals: words.equals,
        })
    }

    pub fn matches(&self, status: u16, json: Option<&Value>) -> bool {
        let by_status = self.status.is_empty() || self.status.contains(&status);
        let by_value = match &self.pointer {
            None => true,
            Some(pointer) => match json.and_then(|json| pointer.in_(json)) {
                None | Some(Value::Null) => false,
                Some(value) => self.equals.is_empty() || self.equals.contains(value),
            },
        };
        by_status && by_value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(status: &[u16], pointer: Option<&str>, equals: &[Value]) -> Rule {
        let words = words::Rule {
            status: status.to_vec(),
            pointer: pointer.map(str::to_owned),
            equals: equals.to_vec(),
        };
        Rule::read("pending", words).unwrap()
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let waits = json!({"state": "waiting"});
        let by_status = rule(&[202], None, &[]);
        assert!(by_status.matches(202, None) && !by_status.matches(200, Some(&waits)));
        let by_value = rule(&[], Some("/state"), &[json!("waiting"), json!("new")]);
        assert!(by_value.matches(200, Some(&waits)));
        assert!(!by_value.matches(200, None) && !by_value.matches(200, Some(&json!({}))));
        let both = rule(&[200], Some("/state"), &[json!("waiting")]);
        assert!(both.matches(200, Some(&waits)) && !both.matches(201, Some(&waits)));
        let there = rule(&[], Some("/error"), &[]);
        assert!(there.matches(200, Some(&json!({"error": "x"}))));
        assert!(!there.matches(200, Some(&json!({"error": null}))));
    }

    #[test]
    fn a_rule_that_would_match_nothing_or_everything_is_refused() {
        for words in [
            words::Rule::default(),
            words::Rule {
                status: vec![200],
                equals: vec![json!(1)],
                ..words::Rule::default()
            },
            words::Rule {
                pointer: Some("state".to_owned()),
                ..words::Rule::default()
            },
        ] {
            assert!(Rule::read("pending", words).is_err());
        }
    }
}
