//! What a server answers, and answers that cannot be used.

use certbake::net::{Client, Failure, Repeat, Request, Stage};

use crate::client::{client, failure, settings};
use crate::support::{self, FakeServer, Lab, Reply, script};

#[test]
fn an_answer_carries_status_body_headers_and_the_servers_clock() {
    let lab = Lab::new("Lab");
    let reply = Reply::ok("hello")
        .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        .header("x-from", "lab");
    let server = FakeServer::https(&lab.server(), script([reply]));
    let request = Request::get(server.url("/a?b=c")).header("accept", "text/plain");
    let response = client(&lab).send(&request).unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]));
    assert_eq!(response.header("X-From"), Some("lab"));
    assert_eq!(response.date.unwrap().unix_timestamp(), 784_111_777);
    assert_eq!(response.attempts, 1);
    let asked = &server.asked()[0];
    assert_eq!((&*asked.method, &*asked.path), ("GET", "/a?b=c"));
    assert_eq!(asked.header("accept"), Some("text/plain"));
    let agent = asked.header("user-agent").unwrap();
    assert!(agent.starts_with("certbake/"), "{agent}");
}

#[test]
fn two_requests_share_one_connection() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("x")]));
    let client = client(&lab);
    for _ in 0..2 {
        client.send(&Request::get(server.url("/"))).unwrap();
    }
    assert_eq!((server.asked().len(), server.connections()), (2, 1));
}

#[test]
fn a_kept_connection_that_the_server_has_closed_is_not_asked_again() {
    let lab = Lab::new("Lab");
    for _ in 0..20 {
        let last = Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx".to_vec());
        let server = FakeServer::https(&lab.server(), script([last, Reply::ok("y")]));
        let client = client(&lab);
        client.send(&Request::get(server.url("/"))).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        // It would be lost, and must not be sent twice.
        let request = Request::post(server.url("/"), Repeat::Never, b"x".to_vec());
        assert_eq!(client.send(&request).unwrap().body, b"y");
        assert_eq!(server.connections(), 2);
    }
}

#[test]
fn orders_on_several_threads_share_one_client() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("x")]));
    let client = client(&lab);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.send(&Request::get(server.url("/"))).unwrap());
        }
    });
    assert_eq!(server.asked().len(), 8);
}

#[test]
fn an_error_status_is_an_answer() {
    let lab = Lab::new("Lab");
    let reply = Reply::status(403).body("not for you\r\n");
    let server = FakeServer::https(&lab.server(), script([reply]));
    let request = Request::get(server.url("/"));
    let response = client(&lab).send(&request).unwrap();
    assert_eq!(response.status, 403);
    assert_eq!(response.said(&request).unwrap(), "not for you");
}

#[test]
fn tls_1_2_is_spoken_too() {
    let lab = Lab::new("Lab");
    let server = FakeServer::tls12(&lab.server(), None, script([Reply::ok("old")]));
    let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
    assert_eq!(response.body, b"old");
}

#[test]
fn http_2_is_spoken_where_the_server_offers_it() {
    let lab = Lab::new("Lab");
    let server = support::Http2Server::start(&lab.server());
    let response = client(&lab).send(&Request::get(server.url("/"))).unwrap();
    assert_eq!(response.body, b"HTTP/2.0");
}

#[test]
fn a_redirect_is_not_followed_and_only_its_host_is_told() {
    let lab = Lab::new("Lab");
    let reply = Reply::status(302).header("location", "https://sso.lab:444/?token=xyzzy");
    let server = FakeServer::https(&lab.server(), script([reply]));
    let error = client(&lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert_eq!(
        failure(&error),
        &Failure::Redirected {
            status: 302,
            to: Some("sso.lab:444".to_owned())
        }
    );
    assert!(!format!("{error:?} {:?}", error.finding()).contains("xyzzy"));
}

#[test]
fn an_answer_above_the_limit_is_refused_whether_its_length_was_stated_or_not() {
    let lab = Lab::new("Lab");
    let chunk = "1000\r\n".to_owned() + &"x".repeat(0x1000) + "\r\n";
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned() + &chunk.repeat(3);
    for reply in [
        Reply::ok("x".repeat(8193)),
        Reply::Raw(chunked.into_bytes()),
    ] {
        let server = FakeServer::https(&lab.server(), script([reply]));
        let mut settings = settings(&lab);
        settings.max_body = 8192;
        let client = Client::open(settings).unwrap();
        let error = client.send(&Request::get(server.url("/"))).unwrap_err();
        assert_eq!(failure(&error), &Failure::TooLarge { limit: 8192 });
    }
}

#[test]
fn garbage_is_named_as_such_and_not_asked_for_twice() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::Raw(b"SSH-2.0-x\r\n".into())]));
    let error = client(&lab)
        .send(&Request::get(server.url("/")))
        .unwrap_err();
    assert!(
        matches!(failure(&error), Failure::Garbage { .. }),
        "{error}"
    );
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_answer_that_breaks_off_is_an_error() {
    let lab = Lab::new("Lab");
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec();
    let server = FakeServer::https(&lab.server(), script([Reply::Raw(cut)]));
    let request = Request::post(server.url("/"), Repeat::Never, b"x".to_vec());
    let error = client(&lab).send(&request).unwrap_err();
    assert_eq!(
        failure(&error),
        &Failure::Closed {
            stage: Stage::Reading
        }
    );
}
