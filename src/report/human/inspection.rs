//! What `inspect` saw: file by file, item by item, and how they belong together.

use time::OffsetDateTime;

use super::ending;
use super::findings::tone;
use super::screen::{Screen, Tone};
use crate::finding::Finding;
use crate::inspection::{
    CertificateItem, Content, CrlItem, File, Inspection, Item, Place, PrivateKeyItem, RequestItem,
};
use crate::report::escape::visible;
use crate::report::{Style, exit_codes, page, words};

/// The pages for an inspection.
pub fn inspection(inspection: &Inspection, style: Style) -> String {
    let mut pages = Pages {
        screen: Screen::new(style),
        now: inspection.at,
    };
    for file in &inspection.files {
        pages.file(file);
        pages.findings(&inspection.findings, Some(&file.file));
    }
    pages.findings(&inspection.findings, None);
    let again = exit_codes::of(inspection.outcome).again;
    ending(&mut pages.screen, inspection.outcome, again);
    pages.screen.finish()
}

struct Pages {
    screen: Screen,
    now: OffsetDateTime,
}

impl Pages {
    fn file(&mut self, file: &File) {
        let format = file.format.unwrap_or("not read");
        let items = match file.items.len() {
            0 => String::new(),
            count => format!(", {}", words::count(count, "item")),
        };
        self.screen.blank();
        self.screen
            .headline(&name(&file.file), Tone::Plain, &format!("{format}{items}"));
        for item in &file.items {
            self.item(file, item);
        }
    }

    fn item(&mut self, file: &File, item: &Item) {
        self.screen.blank();
        let what = match &item.content {
            Content::Certificate(certificate) => self.certificate_title(certificate),
            Content::PrivateKey(key) => private_key_title(key),
            Content::EncryptedPrivateKey => "private key, encrypted".to_owned(),
            Content::Request(_) => "signing request".to_owned(),
            Content::Crl(crl) => format!(
                "revocation list, {} revoked",
                words::count(crl.revoked, "certificate")
            ),
            Content::PublicKey(_) => "public key".to_owned(),
            Content::Other { what } => what.clone(),
        };
        self.row(&format!("item {}", item.item), &what);
        if let Some(alias) = &item.alias {
            self.row("alias", alias);
        }
        match &item.content {
            Content::Certificate(certificate) => self.certificate(file, certificate),
            Content::PrivateKey(key) => self.private_key(file, key),
            Content::Request(request) => self.request(request),
            Content::Crl(crl) => self.crl(crl),
            Content::PublicKey(key) => {
                self.row("key", &key.key);
                self.row("SPKI pin", &key.spki_pin);
            }
            Content::EncryptedPrivateKey | Content::Other { .. } => {}
        }
    }

    /// `certificate, expires in 21 days`.
    fn certificate_title(&self, certificate: &CertificateItem) -> String {
        let kind = match (certificate.ca, certificate.self_signed) {
            (true, true) => "root certificate",
            (true, false) => "issuing certificate",
            (false, true) => "self-signed certificate",
            (false, false) => "certificate",
        };
        let phase = if self.now < certificate.not_before {
            format!(
                "not valid yet: begins {}",
                words::distance(self.now, certificate.not_before)
            )
        } else if self.now > certificate.not_after {
            format!(
                "expired {}",
                words::distance(self.now, certificate.not_after)
            )
        } else {
            format!(
                "expires {}",
                words::distance(self.now, certificate.not_after)
            )
        };
        let trusted = if certificate.trusted {
            ", marked as trusted"
        } else {
            ""
        };
        format!("{kind}, {phase}{trusted}")
    }

    fn certificate(&mut self, file: &File, certificate: &CertificateItem) {
        self.row("subject", &certificate.subject);
        if !certificate.self_signed {
            let issuer = match &certificate.issued_by {
                Some(at) => format!("{} ({})", certificate.issuer, place(file, at)),
                None => certificate.issuer.clone(),
            };
            self.row("issuer", &issuer);
        }
        self.row("names", &certificate.names.join(", "));
        self.row(
            "valid",
            &self.window(certificate.not_before, certificate.not_after),
        );
        self.row("key", &certificate.key);
        self.usages(
            certificate.key_usage.as_deref(),
            certificate.extended_key_usage.as_deref(),
        );
        self.row("signature", &certificate.signature);
        self.row("serial", &certificate.serial);
        self.row("fingerprint", &certificate.fingerprint);
        self.row("SPKI pin", &certificate.spki_pin);
    }

    fn private_key(&mut self, file: &File, key: &PrivateKeyItem) {
        let places: Vec<String> = key.belongs_to.iter().map(|at| place(file, at)).collect();
        self.row("belongs to", &places.join(", "));
        self.row("SPKI pin", key.spki_pin.as_deref().unwrap_or_default());
    }

    fn request(&mut self, request: &RequestItem) {
        self.row("subject", &request.subject);
        self.row("names", &request.names.join(", "));
        self.row("key", &request.key);
        self.usages(
            request.key_usage.as_deref(),
            request.extended_key_usage.as_deref(),
        );
        if request.ca {
            self.row("asks for", "a CA certificate");
        }
        let holds = match (request.signature_holds, request.signature_verifiable) {
            (true, _) => "",
            (false, true) => ", which does not match its key",
            (false, false) => ", which certbake cannot verify",
        };
        self.row("signature", &format!("{}{holds}", request.signature));
        self.row("SPKI pin", &request.spki_pin);
    }

    fn crl(&mut self, crl: &CrlItem) {
        self.row("issuer", &crl.issuer);
        self.row("number", crl.number.as_deref().unwrap_or_default());
        let until = match crl.next_update {
            Some(next) => format!(
                "until {}, {}",
                words::date(next),
                words::distance(self.now, next)
            ),
            None => "without an end".to_owned(),
        };
        self.row(
            "valid",
            &format!("{} {until}", words::date(crl.this_update)),
        );
        self.row("signature", &crl.signature);
    }

    fn usages(&mut self, key_usage: Option<&[&str]>, extended: Option<&[String]>) {
        self.row("usage", &extended.unwrap_or_default().join(", "));
        self.row("key usage", &key_usage.unwrap_or_default().join(", "));
    }

    fn window(&self, not_before: OffsetDateTime, not_after: OffsetDateTime) -> String {
        format!("{} to {}", words::date(not_before), words::date(not_after))
    }

    /// What is to say about a file, under its items.
    fn findings(&mut self, all: &[Finding], file: Option<&str>) {
        for finding in all.iter().filter(|finding| finding.file.as_deref() == file) {
            self.screen.blank();
            let severity = finding.severity;
            self.screen.row_in(
                severity.as_str(),
                tone(severity),
                &visible(&finding.summary),
            );
            self.row("hint", &finding.hint);
            self.row("more", &page(finding.code));
        }
    }

    /// Nothing where there is nothing to say.
    fn row(&mut self, label: &str, text: &str) {
        if !text.is_empty() {
            self.screen.row(label, &visible(text));
        }
    }
}

fn private_key_title(key: &PrivateKeyItem) -> String {
    let kind = key.key.as_deref().unwrap_or("of an unknown kind");
    let usable = match key.spki_pin {
        Some(_) => "",
        None => ", which certbake cannot use",
    };
    let encrypted = if key.encrypted { ", was encrypted" } else { "" };
    format!("private key, {kind}{usable}{encrypted}")
}

/// `item 2`, or `item 2 of ca.pem`.
fn place(here: &File, place: &Place) -> String {
    if place.file == here.file {
        format!("item {}", place.item)
    } else {
        format!("item {} of {}", place.item, name(&place.file))
    }
}

fn name(file: &str) -> String {
    match file {
        "-" => "standard input".to_owned(),
        file => visible(file),
    }
}
