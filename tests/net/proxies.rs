//! Proxies in between.

use certbake::net::{Client, ConnectReason, Failure, Proxy, ProxyReason, ProxyServer, Request};
use certbake::secret::Secret;

use crate::client::{failure, settings};
use crate::support::{FakeServer, Lab, Reply, script};

fn through(lab: &Lab, proxy: &FakeServer, credentials: Option<(String, Secret)>) -> Client {
    let mut settings = settings(lab);
    settings.proxy = Proxy::Through(ProxyServer {
        url: format!("http://{}", proxy.address()).parse().unwrap(),
        credentials,
        except: String::new(),
    });
    Client::open(settings).unwrap()
}

fn request() -> Request {
    Request::get("https://ca.lab/".parse().unwrap())
}

fn server(lab: &Lab) -> FakeServer {
    let identity = lab.server_with(|params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("ca.lab".try_into().unwrap())];
    });
    FakeServer::https(&identity, script([Reply::ok("through")]))
}

#[test]
fn a_proxy_connects_us_onwards_and_gets_its_own_credentials_alone() {
    let lab = Lab::new("Lab");
    let server = server(&lab);
    let proxy = FakeServer::proxy(server.address(), script([Reply::status(200)]));
    let credentials = ("bob".to_owned(), Secret::from("p:ss".to_owned()));
    let client = through(&lab, &proxy, Some(credentials));
    let login = request().basic_auth("alice", &Secret::from("xyzzy".to_owned()));
    assert_eq!(client.send(&login).unwrap().body, b"through");
    let asked = &proxy.asked()[0];
    assert_eq!((&*asked.method, &*asked.path), ("CONNECT", "ca.lab:443"));
    assert_eq!(
        asked.header("proxy-authorization"),
        Some("Basic Ym9iOnA6c3M=")
    );
    assert_eq!(asked.header("authorization"), None);
    assert_eq!(server.asked()[0].header("proxy-authorization"), None);
}

#[test]
fn a_proxy_that_says_no_is_named_with_its_reason() {
    let lab = Lab::new("Lab");
    for (status, expected) in [
        (407, ProxyReason::WantsCredentials),
        (403, ProxyReason::TurnedDown),
    ] {
        let server = server(&lab);
        let proxy = FakeServer::proxy(server.address(), script([Reply::status(status)]));
        let error = through(&lab, &proxy, None).send(&request()).unwrap_err();
        assert_eq!(
            failure(&error),
            &Failure::Proxy {
                proxy: proxy.address().to_string(),
                reason: expected
            }
        );
    }
}

#[test]
fn a_proxy_that_is_down_is_not_taken_for_the_server() {
    let lab = Lab::new("Lab");
    let server = server(&lab);
    let proxy = FakeServer::proxy(server.address(), script([Reply::status(200)]));
    let client = through(&lab, &proxy, None);
    drop(proxy);
    let error = client.send(&request()).unwrap_err();
    assert!(
        matches!(
            failure(&error),
            Failure::Proxy {
                reason: ProxyReason::Connect(ConnectReason::Refused),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_proxy_without_an_address_is_not_taken_for_the_server() {
    let lab = Lab::new("Lab");
    let mut settings = settings(&lab);
    settings.proxy = Proxy::Through(ProxyServer {
        url: "http://proxy.invalid:3128".parse().unwrap(),
        credentials: None,
        except: String::new(),
    });
    let error = Client::open(settings)
        .unwrap()
        .send(&request())
        .unwrap_err();
    assert!(
        error.to_string().starts_with(
            "asking ca.lab:443: through the proxy proxy.invalid:3128: looking up its name: "
        ),
        "{error}"
    );
}

#[test]
fn a_proxy_that_never_answers_is_not_taken_for_a_firewall() {
    let lab = Lab::new("Lab");
    let mute = FakeServer::bare(b"", false);
    let in_a_moment = std::time::Instant::now() + std::time::Duration::from_secs(1);
    let error = through(&lab, &mute, None)
        .send(&request().until(in_a_moment))
        .unwrap_err();
    assert!(
        matches!(
            failure(&error),
            Failure::Proxy {
                reason: ProxyReason::TimedOut { .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.finding().code.as_str(), "ca-proxy");
}

#[test]
fn loopback_is_reached_directly() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("direct")]));
    let proxy = FakeServer::proxy(server.address(), script([Reply::status(200)]));
    let client = through(&lab, &proxy, None);
    let response = client.send(&Request::get(server.url("/"))).unwrap();
    assert_eq!(response.body, b"direct");
    assert_eq!(proxy.connections(), 0);
}
