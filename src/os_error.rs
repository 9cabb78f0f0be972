//! Why the operating system said no, for people.

use std::io;

/// In lower case and without the number; an error that is not the system's, as it is.
pub fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    if error.raw_os_error().is_none() {
        return text;
    }
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_reason_stands_within_a_sentence() {
        let missing = io::Error::from_raw_os_error(2);
        assert_eq!(in_words(&missing), "no such file or directory");
        let ours = io::Error::other("It is a FIFO (os error or not)");
        assert_eq!(in_words(&ours), "It is a FIFO (os error or not)");
    }
}
