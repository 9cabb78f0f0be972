//! `--report json=out/report.json`: a format and where it goes.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{FORMATS, Format};
use crate::choice::nearest;
use crate::image::HostPlace;

/// A format and where it goes: `human`, `json=out/report.json`, `json=-`.
#[derive(Clone, Debug)]
pub struct Selection {
    pub format: &'static Format,
    /// `None` is standard output.
    pub path: Option<PathBuf>,
}

impl Selection {
    /// Whether these can all be written: standard output carries one report, and no two go to the
    /// same file.
    ///
    /// # Errors
    /// [`SelectionError::Crowded`], [`SelectionError::SameFile`].
    pub fn together(selections: &[Self]) -> Result<(), SelectionError> {
        for (index, one) in selections.iter().enumerate() {
            for other in &selections[index + 1..] {
                if !same_place(one.path.as_deref(), other.path.as_deref()) {
                    continue;
                }
                return Err(match &one.path {
                    Some(path) => SelectionError::SameFile { path: path.clone() },
                    None => SelectionError::Crowded {
                        first: one.format.name,
                        second: other.format.name,
                    },
                });
            }
        }
        Ok(())
    }
}

/// By names that lead nowhere else: what goes there twice is no report that a program can read.
const STANDARD_OUTPUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// `a.json` and `./a.json` are one file; so is any spelling of it.
fn same_place(one: Option<&Path>, other: Option<&Path>) -> bool {
    let (Some(one), Some(other)) = (one, other) else {
        return one == other;
    };
    let place = HostPlace::of(one);
    one == other || (place.is_some() && place == HostPlace::of(other))
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        let format = FORMATS
            .iter()
            .find(|format| format.name == name)
            .ok_or_else(|| SelectionError::unknown(name))?;
        let path = match path {
            None => None,
            Some(path) if STANDARD_OUTPUT.contains(&path) => None,
            Some("") => {
                return Err(SelectionError::NoPath {
                    format: format.name,
                });
            }
            Some(path) => Some(Path::new(path).to_path_buf()),
        };
        Ok(Self { format, path })
    }
}

/// A selection that cannot be understood, or selections that do not go together.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SelectionError {
    #[error("\"{name}\" is not a report format: {}", advice(nearest.as_ref()))]
    Unknown {
        name: String,
        nearest: Option<&'static str>,
    },
    #[error(
        "\"{format}=\" names no file: write {format}=FILE, or just {format} for standard output"
    )]
    NoPath { format: &'static str },
    #[error(
        "{first} and {second} cannot share standard output: give one a file, such as {second}=FILE"
    )]
    Crowded {
        first: &'static str,
        second: &'static str,
    },
    #[error("two reports cannot go to {}", path.display())]
    SameFile { path: PathBuf },
}

impl SelectionError {
    fn unknown(name: &str) -> Self {
        let known = FORMATS.iter().map(|format| format.name);
        Self::Unknown {
            name: name.to_owned(),
            nearest: nearest(&name.to_lowercase(), known),
        }
    }
}

fn advice(nearest: Option<&&'static str>) -> String {
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    let all = format!("the formats are {}", names.join(", "));
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"? {all}"),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Selection {
        text.parse().unwrap()
    }

    #[test]
    fn a_format_goes_to_standard_output_or_to_the_file_it_names() {
        for (text, name, path) in [
            ("human", "human", None),
            ("json=-", "json", None),
            ("json=/dev/stdout", "json", None),
            ("json=out/report.json", "json", Some("out/report.json")),
            ("junit=a=b.xml", "junit", Some("a=b.xml")),
        ] {
            let selection = parse(text);
            assert_eq!(selection.format.name, name);
            assert_eq!(selection.path.as_deref(), path.map(Path::new));
        }
    }

    #[test]
    fn a_misspelt_format_is_answered_with_the_nearest_one() {
        for (text, nearest) in [
            ("jsn=x", "json"),
            ("JSON", "json"),
            ("Github", "github"),
            ("prometeus", "prometheus"),
        ] {
            let error = text.parse::<Selection>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("did you mean \"{nearest}\"?")),
                "{error}"
            );
        }
        let error = "sarif".parse::<Selection>().unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
        assert!(error.contains("gitlab, junit"), "{error}");
    }

    #[test]
    fn an_empty_path_is_an_error_that_says_what_to_write() {
        assert_eq!(
            "json=".parse::<Selection>().unwrap_err().to_string(),
            "\"json=\" names no file: write json=FILE, or just json for standard output"
        );
    }

    #[test]
    fn standard_output_and_each_file_carry_one_report() {
        let together = |texts: &[&str]| {
            let all: Vec<_> = texts.iter().map(|text| parse(text)).collect();
            Selection::together(&all).map_err(|error| error.to_string())
        };
        assert_eq!(together(&["human", "json=a", "junit=b"]), Ok(()));
        assert_eq!(
            together(&["human", "json"]).unwrap_err(),
            "human and json cannot share standard output: give one a file, such as json=FILE"
        );
        assert_eq!(
            together(&["json=a", "junit=a"]).unwrap_err(),
            "two reports cannot go to a"
        );
        assert_eq!(
            together(&["json=a", "junit=src/../a"]).unwrap_err(),
            "two reports cannot go to a"
        );
        // As long as their directory is not there, too.
        assert_eq!(
            together(&["json=not/there/a", "junit=./not/there/a"]).unwrap_err(),
            "two reports cannot go to not/there/a"
        );
    }
}
