//! http-01 (RFC 8555 section 8.3): the key authorization, at the path of its token.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listener::{Answer, Board, Converse};

const PATH: &str = "/.well-known/acme-challenge/";
/// No validation server sends a longer head.
const LONGEST: usize = 8 * 1024;
/// For the whole head: a visitor that sends a byte at a time is not waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers requests by what is on the board.
pub fn conversing(board: Arc<Board>) -> Converse {
    Box::new(move |stream| converse(&stream, &board))
}

/// One request, one answer.
fn converse(stream: &TcpStream, board: &Board) {
    let Some(head) = head(stream) else {
        return;
    };
    let (status, body) = answer(&head, board);
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/octet-stream\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = stream;
    // Whoever does not read it asks again.
    let _ = stream.write_all(text.as_bytes());
}

fn head(mut stream: &TcpStream) -> Option<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut piece).ok()?;
        if read == 0 || head.len() > LONGEST || Instant::now() > deadline {
            return None;
        }
        head.extend_from_slice(&piece[..read]);
    }
    Some(head)
}

fn answer(head: &[u8], board: &Board) -> (&'static str, String) {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let found = target
        .strip_prefix(PATH)
        .and_then(|token| match board.visit(token)? {
            Answer::Text(text) => Some(text),
            Answer::Certificate(_) => None,
        });
    match (method, found) {
        ("GET", Some(text)) => ("200 OK", text),
        ("GET", None) => ("404 Not Found", String::new()),
        _ => ("405 Method Not Allowed", String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_at_its_path_and_nowhere_else() {
        let board = Board::default();
        let proof = Answer::Text("tok-1.thumb".to_owned());
        assert!(board.put("tok-1", &proof, Instant::now()));
        let ask = |line: &str| answer(format!("{line}\r\nhost: x\r\n\r\n").as_bytes(), &board);
        assert_eq!(ask("GET / HTTP/1.1").0, "404 Not Found");
        assert_eq!(
            ask("GET /.well-known/acme-challenge/ HTTP/1.1").0,
            "404 Not Found"
        );
        assert_eq!(
            ask("GET /.well-known/acme-challenge/../x HTTP/1.1").0,
            "404 Not Found"
        );
        assert!(!board.was_visited("tok-1"));
        let token = "/.well-known/acme-challenge/tok-1 HTTP/1.1";
        assert_eq!(ask(&format!("POST {token}")).0, "405 Method Not Allowed");
        assert_eq!(
            ask(&format!("GET {token}")),
            ("200 OK", "tok-1.thumb".to_owned())
        );
        assert!(board.was_visited("tok-1"));
        assert_eq!(answer(b"\xff\xfe", &board).0, "405 Method Not Allowed");
    }
}
