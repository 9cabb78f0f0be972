//! The templates of the settings (minijinja): read and tried with sample values before anything is
//! asked, so that a fault has its key and line; then filled in with the order.

use minijinja::value::{Value as Word, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde_json::Value;

use crate::authority::SettingsError;
use crate::authority::connection::wrong;
use crate::choice::nearest;

/// What a template's text is, and so how values are written into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// A value is a JSON value: a string with its quotes.
    Json,
    /// Path and query of a URL: values are percent-encoded.
    Path,
    /// As it is.
    Text,
}

/// A template that has been read.
#[derive(Clone, Debug)]
pub struct Template {
    /// Where it stands in the settings, such as `request.body`.
    pub key: String,
    pub source: String,
    shape: Shape,
}

/// A template that cannot be filled in, without any of the values.
#[derive(Debug, thiserror::Error)]
#[error("{key}, line {line}: {reason}")]
pub struct Unfilled {
    pub key: String,
    pub line: usize,
    pub reason: String,
}

impl Unfilled {
    fn into_settings(self) -> SettingsError {
        wrong(&self.key, format!("line {}: {}", self.line, self.reason))
    }
}

impl Template {
    /// Reads it. `scope` is what it may name, with sample values: a name that is not there, or JSON
    /// that does not come out as JSON, is a fault.
    ///
    /// # Errors
    /// The key, with the line in the template.
    pub fn read(
        key: &str,
        source: &str,
        shape: Shape,
        scope: &Value,
    ) -> Result<Self, SettingsError> {
        let template = Self::read_names(key, source, shape, scope)?;
        template.fill(scope).map_err(Unfilled::into_settings)?;
        Ok(template)
    }

    /// As [`Template::read`], for one that names what only an answer tells: it is not tried.
    ///
    /// # Errors
    /// The key, with the line in the template.
    pub fn read_names(
        key: &str,
        source: &str,
        shape: Shape,
        scope: &Value,
    ) -> Result<Self, SettingsError> {
        let template = Self {
            key: key.to_owned(),
            source: source.to_owned(),
            shape,
        };
        template
            .names_only(scope)
            .map_err(Unfilled::into_settings)?;
        Ok(template)
    }

    /// Filled in, in the shape that it should have.
    ///
    /// # Errors
    /// A name that has no value, or JSON that is none.
    pub fn fill(&self, scope: &Value) -> Result<String, Unfilled> {
        let environment = environment(self.shape);
        let text = environment
            .render_named_str(&self.key, &self.source, scope)
            .map_err(|error| self.unfilled(&error, scope))?;
        if self.shape == Shape::Json
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
        {
            return Err(Unfilled {
                key: self.key.clone(),
                line: error.line().min(self.source.lines().count()).max(1),
                reason: "what comes out is not JSON: values bring their quotes along, so write \
                         {{ csr }} or {{ csr | tojson }}, without quotes around it"
                    .to_owned(),
            });
        }
        Ok(text)
    }

    /// Every name, those in branches that the samples do not take too.
    fn names_only(&self, scope: &Value) -> Result<(), Unfilled> {
        let environment = environment(self.shape);
        let parsed = environment
            .template_from_named_str(&self.key, &self.source)
            .map_err(|error| self.unfilled(&error, scope))?;
        let known = |name: &str| {
            let mut parts = name.split('.');
            let first = parts.next().and_then(|part| scope.get(part));
            match (first, parts.next()) {
                (None, _) => environment.globals().any(|(global, _)| global == name),
                // What an answer holds, nobody knows before.
                (Some(Value::Object(members)), Some(member)) if !members.is_empty() => {
                    members.contains_key(member)
                }
                (Some(_), _) => true,
            }
        };
        let unknown = parsed
            .undeclared_variables(true)
            .into_iter()
            .filter(|name| !known(name))
            .min();
        match unknown {
            None => Ok(()),
            Some(name) => Err(Unfilled {
                key: self.key.clone(),
                line: self.line_of(&name),
                reason: unknown_name(&name, scope),
            }),
        }
    }

    fn line_of(&self, name: &str) -> usize {
        let at = self.source.lines().position(|line| line.contains(name));
        at.map_or(1, |at| at + 1)
    }

    fn unfilled(&self, error: &Error, scope: &Value) -> Unfilled {
        let reason = match (error.kind(), error.detail()) {
            (ErrorKind::UndefinedError, _) => format!(
                "it names a value that is not there; there are: {}. For one that an order may \
                 lack, such as ttl_seconds, write {{% if ttl_seconds is defined %}}",
                names(scope).join(", ")
            ),
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        Unfilled {
            key: self.key.clone(),
            line: error.line().unwrap_or(1),
            reason,
        }
    }
}

fn unknown_name(name: &str, scope: &Value) -> String {
    let known = names(scope);
    let meant = nearest(name, known.iter().map(String::as_str))
        .map(|meant| format!(" Did you mean {meant}?"))
        .unwrap_or_default();
    format!("there is no {name}.{meant} Available: {}", known.join(", "))
}

/// What a template may name, members of tables with their table.
fn names(scope: &Value) -> Vec<String> {
    let Value::Object(top) = scope else {
        return Vec::new();
    };
    top.iter()
        .flat_map(|(name, value)| match value {
            Value::Object(members) if !members.is_empty() => members
                .keys()
                .map(|member| format!("{name}.{member}"))
                .collect(),
            _ => vec![name.clone()],
        })
        .collect()
}

fn environment(shape: Shape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(false);
    match shape {
        Shape::Json => environment.set_auto_escape_callback(|_| AutoEscape::Json),
        Shape::Text => environment.set_auto_escape_callback(|_| AutoEscape::None),
        Shape::Path => {
            environment.set_auto_escape_callback(|_| AutoEscape::None);
            environment.set_formatter(percent_encoded);
        }
    }
    environment
}

fn percent_encoded(out: &mut Output<'_>, _: &State<'_, '_>, value: &Word) -> Result<(), Error> {
    let text = value.to_string();
    if matches!(value.kind(), ValueKind::Seq | ValueKind::Map) || text == "." || text == ".." {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "this cannot be part of a URL",
        ));
    }
    out.write_str(&encoded(&text)).map_err(Error::from)
}

/// RFC 3986 section 2.3: all but the unreserved characters.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Value {
        json!({"csr": "a\n\"b\"", "names": {"dns": ["x", "y"]}, "ttl_seconds": 60, "answer": {}})
    }

    fn read(source: &str, shape: Shape) -> Result<String, String> {
        Template::read("request.body", source, shape, &scope())
            .map_err(|error| error.to_string())
            .map(|template| template.fill(&scope()).unwrap())
    }

    #[test]
    fn values_are_json_in_json_and_percent_encoded_in_a_url() {
        for source in [
            r#"{"csr": {{ csr }}, "dns": {{ names.dns }}}"#,
            r#"{"csr": {{ csr | tojson }}, "dns": {{ names.dns | tojson }}}"#,
        ] {
            let filled: Value = serde_json::from_str(&read(source, Shape::Json).unwrap()).unwrap();
            assert_eq!(filled, json!({"csr": "a\n\"b\"", "dns": ["x", "y"]}));
        }
        assert_eq!(
            read("/sign/{{ csr }}?ttl={{ ttl_seconds }}", Shape::Path).unwrap(),
            "/sign/a%0A%22b%22?ttl=60"
        );
        assert_eq!(
            read("{{ names.dns | join(',') }}", Shape::Text).unwrap(),
            "x,y"
        );
    }

    #[test]
    fn a_fault_has_its_key_and_line() {
        for (source, words) in [
            (
                "{\n\"csr\": \"{{ csr }}\"}",
                "line 2: what comes out is not JSON",
            ),
            ("{\n\n\"x\": {{ csr | nope }}}", "line 3: unknown filter"),
            ("{\"x\":\n {{ csr ", "line 2: syntax error"),
            (
                "{\"x\":\n {{ csrr }}}",
                "line 2: there is no csrr. Did you mean csr?",
            ),
            ("{\"x\": {{ names.dsn }}}", "Did you mean names.dns?"),
            (
                "{% if false %}{{ nothing }}{% endif %}{}",
                "line 1: there is no nothing",
            ),
        ] {
            let error = read(source, Shape::Json).unwrap_err();
            assert!(error.starts_with("request.body: "), "{error}");
            assert!(error.contains(words), "{source}: {error}");
        }
    }

    #[test]
    fn what_only_an_answer_tells_is_not_judged_beforehand() {
        let fault = Template {
            key: "pending.path".to_owned(),
            source: "/orders/{{ answer.id }}".to_owned(),
            shape: Shape::Path,
        };
        assert!(fault.names_only(&scope()).is_ok());
        let filled = fault.fill(&json!({"answer": {"id": "a/b"}})).unwrap();
        assert_eq!(filled, "/orders/a%2Fb");
        let fault = fault.fill(&json!({"answer": {"id": ".."}})).unwrap_err();
        assert!(!fault.to_string().contains(".."), "{fault}");
    }
}
