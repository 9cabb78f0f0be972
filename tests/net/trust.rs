//! Which servers are asked at all: names, addresses, URLs, anchors.

use certbake::net::{Client, ClientSettings, Failure, Repeat, Request, Trust, UrlFault, danger};
use certbake::secret::Secret;

use crate::client::{client, failure, settings, showing};
use crate::support::{FakeServer, Lab, Reply, script};

#[test]
fn a_name_that_does_not_exist_is_told_from_a_server_that_is_down() {
    let lab = Lab::new("Lab");
    let request = Request::get("https://ca.invalid/".parse().unwrap());
    let error = client(&lab).send(&request).unwrap_err();
    assert!(
        matches!(failure(&error), Failure::Resolve { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("asking ca.invalid:443: looking up its name: ")
    );
}

#[test]
fn the_names_of_this_machine_need_no_name_server() {
    let lab = Lab::new("Lab");
    let server = FakeServer::http(script([Reply::ok("x")]));
    let port = server.address().port();
    // In no hosts file, and plain HTTP is permitted there: it must not be asked for elsewhere.
    let url = format!("http://ca.localhost:{port}/").parse().unwrap();
    assert_eq!(client(&lab).send(&Request::get(url)).unwrap().status, 200);
}

#[test]
fn the_addresses_of_a_name_are_told() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("")]));
    let mut url = server.url("/");
    url.set_host(Some("localhost")).unwrap();
    client(&lab).send(&Request::get(url.clone())).unwrap();
    drop(server);
    let error = client(&lab).send(&Request::get(url)).unwrap_err();
    let Failure::Connect { addresses, .. } = failure(&error) else {
        panic!("{error}");
    };
    assert!(addresses.iter().any(|a| a.ip().is_loopback()), "{error}");
}

#[test]
fn a_url_with_a_password_or_in_the_clear_is_refused_before_anything_is_sent() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("")]));
    let mut with_password = server.url("/");
    with_password.set_username("bob").unwrap();
    with_password.set_password(Some("xyzzy")).unwrap();
    for (url, fault) in [
        (with_password, UrlFault::Credentials),
        ("http://ca.lab/".parse().unwrap(), UrlFault::PlainHttp),
        ("ftp://ca.lab/".parse().unwrap(), UrlFault::Scheme),
    ] {
        let error = client(&lab).send(&Request::get(url)).unwrap_err();
        assert_eq!(failure(&error), &Failure::Url(fault));
        assert!(!format!("{error:?} {error}").contains("xyzzy"));
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn plain_http_is_permitted_on_loopback() {
    let lab = Lab::new("Lab");
    let server = FakeServer::http(script([Reply::ok("x")]));
    let url = format!("http://{}/", server.address()).parse().unwrap();
    assert_eq!(client(&lab).send(&Request::get(url)).unwrap().status, 200);
}

#[test]
fn an_unverified_server_is_asked_for_public_data_and_never_told_a_secret() {
    let lab = Lab::new("Lab");
    let server = FakeServer::https(&lab.server(), script([Reply::ok("public")]));
    let trust = danger::trust_any_server_for_pinned_data();
    let mut settings = ClientSettings::new(trust);
    let client = Client::open(settings.clone()).unwrap();
    let response = client.send(&Request::get(server.url("/"))).unwrap();
    assert_eq!(response.body, b"public");
    let login = Request::get(server.url("/")).basic_auth("bob", &Secret::from("x".to_owned()));
    let order = Request::post(server.url("/"), Repeat::Never, b"x".to_vec());
    for request in [login, order] {
        let error = client.send(&request).unwrap_err();
        assert_eq!(failure(&error), &Failure::Url(UrlFault::Unverified));
    }
    assert_eq!(server.asked().len(), 1);
    settings.client_certificate = showing(&lab.client("builder"));
    assert!(Client::open(settings).is_err());
}

#[test]
fn anchors_and_client_keys_that_cannot_be_used_are_errors_when_the_client_is_opened() {
    let lab = Lab::new("Lab");
    let error = Client::open(ClientSettings::new(Trust::Anchors(Vec::new()))).err();
    assert!(error.unwrap().to_string().contains("empty"));
    let broken = Trust::Anchors(vec![lab.root(), b"junk".to_vec()]);
    let error = Client::open(ClientSettings::new(broken)).err().unwrap();
    assert!(error.to_string().starts_with("anchor 2 cannot"), "{error}");
    let mut settings = settings(&lab);
    let mut mixed = lab.client("one");
    mixed.key = lab.client("two").key;
    settings.client_certificate = showing(&mixed);
    let error = Client::open(settings).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("using the client certificate")
    );
}
