//! Serial numbers as servers write them. Certificates have them in hexadecimal here,
//! lower case, two digits an octet.

use data_encoding::HEXLOWER;
use x509_parser::num_bigint::BigUint;

/// Decimal, of any length.
pub fn decimal(hexadecimal: &str) -> String {
    let octets = HEXLOWER.decode(hexadecimal.as_bytes()).unwrap_or_default();
    BigUint::from_bytes_be(&octets).to_string()
}

/// Octets in hexadecimal, separated by colons.
pub fn with_colons(hexadecimal: &str) -> String {
    let octets: Vec<_> = hexadecimal
        .as_bytes()
        .chunks(2)
        .map(String::from_utf8_lossy)
        .collect();
    octets.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_counted_in_tens() {
        for (hexadecimal, expected) in [
            ("", "0"),
            ("00", "0"),
            ("0a", "10"),
            ("ff", "255"),
            ("0100", "256"),
            ("ffffffffffffffff", "18446744073709551615"),
            ("010000000000000000", "18446744073709551616"),
            (
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4",
                "1299882932801983487171770703170018569607520862692",
            ),
        ] {
            assert_eq!(decimal(hexadecimal), expected);
        }
    }

    #[test]
    fn octets_are_set_apart() {
        assert_eq!(with_colons("00c0ffee"), "00:c0:ff:ee");
        assert_eq!(with_colons(""), "");
    }
}
