//! Clients that mean no good, or have lost their way: none takes the server down, and each meets a
//! bound. The bounds are short here; that they end a connection is what counts, not when.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use certbake::authority::embedded::server::Config;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::support::{Lab, USER, base64, key, request};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Far beyond every bound of the server: a test that reaches it fails.
const PATIENCE: Duration = Duration::from_secs(60);

fn tcp(lab: &Lab) -> TcpStream {
    let stream = TcpStream::connect(lab.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn tls(lab: &Lab, protocol: &str) -> Tls {
    let mut stream = begun(lab, protocol, None);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream
}

type ClientIdentity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn begun(lab: &Lab, protocol: &str, identity: Option<ClientIdentity>) -> Tls {
    let mut roots = RootCertStore::empty();
    let root = lab.ca().root().der().to_vec();
    roots.add(CertificateDer::from(root)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::from(lab.address.ip());
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, tcp(lab))
}

/// Everything until the server closes the connection.
fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut read = Vec::new();
    match stream.read_to_end(&mut read) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("the server kept the connection open")
        }
        // However it closes: with or without a farewell.
        _ => read,
    }
}

#[test]
fn a_client_that_says_nothing_is_sent_away() {
    let lab = Lab::new();
    assert_eq!(rest(&mut tcp(&lab)), b"");
    lab.assert_alive();
    let events = lab.stop().join("\n");
    assert!(events.contains("TLS handshake: timed out"), "{events}");
}

/// Closed with something unread, the connection would be reset, and the reason lost.
#[test]
fn a_stranger_is_told_why_even_while_it_is_sending() {
    let lab = Lab::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["stranger".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    for _ in 0..20 {
        let mut stream = begun(&lab, "h2", Some((chain.clone(), key.clone_key())));
        let sent = stream
            .write_all(&[b'x'; 100_000])
            .and_then(|()| stream.read(&mut [0]));
        let error = sent.unwrap_err().to_string();
        assert!(error.contains("received fatal alert"), "{error}");
    }
    lab.assert_alive();
}

#[test]
fn a_client_that_stops_in_the_handshake_is_sent_away() {
    let lab = Lab::new();
    let mut stream = tcp(&lab);
    // The beginning of a ClientHello record of 512 bytes.
    stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).unwrap();
    assert_eq!(rest(&mut stream), b"");
    lab.assert_alive();
}

#[test]
fn garbage_instead_of_tls_ends_the_connection() {
    let lab = Lab::new();
    for garbage in [
        &[0; 500][..],
        &[0xff; 500],
        &[0x16; 500],
        b"\x80\x2e\x01\x03\x01",
        b"\r\n\r\n",
    ] {
        let mut stream = tcp(&lab);
        let _ = stream.write_all(garbage);
        rest(&mut stream);
    }
    lab.assert_alive();
}

#[test]
fn plain_http_is_told_to_use_https() {
    let lab = Lab::new();
    let mut stream = tcp(&lab);
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: lab\r\n\r\n")
        .unwrap();
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(
        head.ends_with(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert_eq!(body, "this port speaks HTTPS: use https://\n");
    lab.assert_alive();
}

#[test]
fn a_head_that_trickles_in_is_cut_off() {
    let lab = Lab::new();
    let mut stream = tls(&lab, "http/1.1");
    stream
        .write_all(b"GET /.well-known/est/cacerts HTTP/1.1\r\nx: ")
        .unwrap();
    // One more byte each time, for as long as the server listens.
    let cut_off = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        stream
            .write_all(b"a")
            .and_then(|()| stream.flush())
            .is_err()
    });
    assert!(cut_off);
    lab.assert_alive();
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let lab = Lab::new();
    let mut stream = tls(&lab, "http/1.1");
    stream
        .write_all(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nhost: lab\r\ncontent-length: 1000\r\n\r\nMII")
        .unwrap();
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    lab.assert_alive();
}

#[test]
fn a_body_announced_as_too_large_is_refused_before_it_comes() {
    let lab = Lab::new();
    let mut stream = tls(&lab, "http/1.1");
    stream
        .write_all(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nhost: lab\r\ncontent-length: 1000000\r\n\r\nMII")
        .unwrap();
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("a request has at most 65536 bytes"),
        "{answer}"
    );
    lab.assert_alive();
}

#[test]
fn connections_that_stay_idle_are_closed_in_both_versions_of_http() {
    let lab = Lab::new();
    for protocol in ["http/1.1", "h2"] {
        rest(&mut tls(&lab, protocol));
    }
    // A connection preface, so that HTTP/2 is under way, and then nothing.
    let mut stream = tls(&lab, "h2");
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    rest(&mut stream);
    lab.assert_alive();
}

#[test]
fn garbage_instead_of_http_ends_the_connection() {
    let lab = Lab::new();
    for protocol in ["http/1.1", "h2"] {
        for garbage in [
            &[0; 300][..],
            b"\x16\x03\x01\x02",
            b"GET GET GET\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            let mut stream = tls(&lab, protocol);
            let _ = stream.write_all(garbage);
            rest(&mut stream);
        }
    }
    lab.assert_alive();
}

#[test]
fn an_oversized_head_is_refused() {
    let lab = Lab::new();
    let mut stream = tls(&lab, "http/1.1");
    let head = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(20 * 1024));
    let _ = stream.write_all(head.as_bytes());
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let long = format!("X-Long: {}", "a".repeat(20 * 1024));
    let reply = lab.curl("cacerts", &["--http2", "-H", &long], None);
    assert_eq!(reply.status, 431);
    lab.assert_alive();
}

#[test]
fn an_oversized_body_is_refused_whether_announced_or_not() {
    let lab = Lab::new();
    let body = vec![b'A'; 100 * 1024];
    for arguments in [
        &["-u", USER, "--http1.1"][..],
        &["-u", USER, "--http1.1", "-H", "Transfer-Encoding: chunked"],
        &["-u", USER, "--http2"],
    ] {
        let reply = lab.curl("simpleenroll", arguments, Some(&body));
        assert_eq!(reply.status, 413, "{arguments:?}");
        assert_eq!(reply.body, "a request has at most 65536 bytes\n");
    }
    lab.assert_alive();
}

#[test]
fn what_a_client_writes_cannot_forge_a_line_of_the_log() {
    let lab = Lab::new();
    let mut stream = tls(&lab, "http/1.1");
    stream
        .write_all(b"GET /%0a\xc2\x9b31m HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n")
        .unwrap();
    rest(&mut stream);
    for event in lab.stop() {
        assert!(!event.chars().any(char::is_control), "{event:?}");
    }
}

#[test]
fn more_idle_connections_than_there_are_places_only_make_others_wait() {
    let lab = Lab::with(few_places);
    let silent: Vec<TcpStream> = (0..40).map(|_| tcp(&lab)).collect();
    lab.assert_alive();
    drop(silent);
    // Those that have ended their handshake and ask nothing hold a place no longer either.
    let idle: Vec<Tls> = (0..12).map(|_| tls(&lab, "h2")).collect();
    lab.assert_alive();
    drop(idle);
}

fn few_places(config: &mut Config) {
    config.limits.connections = 8;
}

#[test]
fn three_hundred_idle_connections_do_not_shut_out_a_user() {
    let lab = Lab::new();
    let silent: Vec<TcpStream> = (0..300).map(|_| tcp(&lab)).collect();
    lab.assert_alive();
    drop(silent);
}

#[test]
fn connections_that_break_off_anywhere_leave_nothing_behind() {
    let lab = Lab::with(few_places);
    let body = base64(&request(&key(), "app", &[]));
    let mut whole = format!(
        "POST /.well-known/est/simpleenroll HTTP/1.1\r\nhost: lab\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    whole.extend(body);
    // More often than there are places: each must be given back.
    for at in (0..whole.len()).step_by(whole.len() / 20) {
        let mut stream = tls(&lab, "http/1.1");
        stream.write_all(&whole[..at]).unwrap();
    }
    lab.assert_alive();
}
