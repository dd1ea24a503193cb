//! Requests against a server of this test's own, and those that must not leave.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::net::SocketAddr;
use std::time::Duration;

use cardine_egress::{Egress, EgressError, HostPattern, Hosts, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Answers one request with these bytes; gives back what it was sent.
async fn server(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&asked).contains("\r\n\r\n") {
            let read = stream.read(&mut piece).await.unwrap();
            asked.extend_from_slice(&piece[..read]);
            // 0x16 begins a TLS handshake.
            if read == 0 || asked[0] == 0x16 {
                break;
            }
        }
        let _ = stream.write_all(answer.as_bytes()).await;
        // An answer without an end keeps its connection.
        if answer.is_empty() {
            let _ = stream.read(&mut piece).await;
        }
        String::from_utf8_lossy(&asked).into_owned()
    });
    (address, served)
}

fn named(host: &str) -> Hosts {
    Hosts::Named(vec![host.parse().unwrap()])
}

fn inside(address: SocketAddr) -> Egress {
    Egress::new(vec![address.to_string().parse::<HostPattern>().unwrap()])
}

#[tokio::test]
async fn an_inner_host_is_asked_and_its_answer_read_whole() {
    let (address, served) = server("HTTP/1.1 201 Created\r\nX-Rate: 1.08\r\nContent-Length: 5\r\n\r\nhello").await;
    let mut request = Request::new("POST", &format!("http://{address}/a%20b?c=d#e"));
    request.headers = vec![("X-Key".to_owned(), "k".to_owned())];
    request.body = b"sent".to_vec();
    let answer = inside(address).send(&named(&address.to_string()), request).await.unwrap();
    assert_eq!((answer.status, answer.header("x-rate"), answer.body.as_slice()), (201, Some("1.08"), &b"hello"[..]));
    let asked = served.await.unwrap();
    assert!(asked.starts_with("POST /a%20b?c=d HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains(&format!("host: {address}\r\n")) && asked.contains("x-key: k\r\n"), "{asked}");
    assert!(asked.contains("content-length: 4\r\n"), "{asked}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (other, _served) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{other}/\r\nContent-Length: 0\r\n\r\n");
    let (address, _) = server(answer.leak()).await;
    let answer =
        inside(address).send(&Hosts::Public, Request::new("GET", &format!("http://{address}/"))).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (302, Some(format!("http://{other}/").as_str())));
}

#[tokio::test]
async fn what_is_not_of_the_public_internet_is_refused_unless_it_is_named_as_inner() {
    let (address, _served) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    let port = address.port();
    let egress = Egress::new(vec![]);
    let targets = [
        format!("https://127.0.0.1:{port}/"),
        format!("https://0x7f.1:{port}/"),
        format!("https://2130706433:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://localhost:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://[fd00:ec2::254]/".to_owned(),
        "https://10.0.0.1/".to_owned(),
    ];
    for target in targets {
        let refused = egress.send(&Hosts::Public, Request::new("GET", &target)).await;
        assert!(matches!(refused, Err(EgressError::Denied(_))), "{target}: {refused:?}");
    }
    // An inner host is one by name and port: no other way to the same address is.
    let by_other_name =
        inside(address).send(&Hosts::Public, Request::new("GET", &format!("https://localhost:{port}/"))).await;
    assert!(matches!(by_other_name, Err(EgressError::Denied(_))), "{by_other_name:?}");
}

#[tokio::test]
async fn only_named_hosts_are_asked() {
    let (address, _served) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    let asked =
        inside(address).send(&named("api.example.org"), Request::new("GET", &format!("http://{address}/"))).await;
    let Err(EgressError::Denied(message)) = asked else { panic!("{asked:?}") };
    assert!(message.contains("not among the hosts"), "{message}");
    let plain = Egress::new(vec![]).send(&Hosts::Public, Request::new("GET", "http://api.example.org/")).await;
    let Err(EgressError::Denied(message)) = plain else { panic!("{plain:?}") };
    assert!(message.contains("https only"), "{message}");
}

#[tokio::test]
async fn what_is_no_request_is_told() {
    let egress = Egress::new(vec![]);
    let with = |name: &str, value: &str| Request {
        headers: vec![(name.to_owned(), value.to_owned())],
        ..Request::new("GET", "https://api.example.org/")
    };
    let requests = [
        Request::new("GET", "/relative"),
        Request::new("GET", "file:///etc/passwd"),
        Request::new("GET", "gopher://api.example.org/"),
        Request::new("GET", "https://user:secret@api.example.org/"),
        Request::new("CONNECT", "https://api.example.org/"),
        Request::new("GET x", "https://api.example.org/"),
        Request::new("GET", &format!("https://api.example.org/{}", "x".repeat(9_000))),
        with("Host", "other.example.org"),
        with("Content-Length", "5"),
        with("Transfer-Encoding", "chunked"),
        with("Proxy-Connection", "x"),
        with("X-Key", "a\r\nHost: b"),
        with("X Key", "a"),
    ];
    for request in requests {
        let refused = egress.send(&Hosts::Public, request.clone()).await;
        assert!(matches!(refused, Err(EgressError::Invalid(_))), "{request:?}: {refused:?}");
    }
}

#[tokio::test]
async fn time_and_size_of_an_answer_are_bounded() {
    let (silent, _served) = server("").await;
    let mut request = Request::new("GET", &format!("http://{silent}/"));
    request.timeout = Duration::from_millis(50);
    let late = inside(silent).send(&Hosts::Public, request).await;
    assert_eq!(late, Err(EgressError::Timeout(Duration::from_millis(50))));
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    ] {
        for (allowed, fits) in [(10, false), (11, true)] {
            let (address, _served) = server(answer).await;
            let mut request = Request::new("GET", &format!("http://{address}/"));
            request.response_bytes_max = allowed;
            let answer = inside(address).send(&Hosts::Public, request).await;
            assert_eq!(answer.is_ok(), fits, "{answer:?}");
            assert!(fits || answer == Err(EgressError::TooLarge(10)));
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_or_is_not_trusted_is_told() {
    let (address, _served) = server("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf").await;
    let broken = inside(address).send(&Hosts::Public, Request::new("GET", &format!("http://{address}/"))).await;
    assert!(matches!(broken, Err(EgressError::Connect(_))), "{broken:?}");
    let (address, _served) = server("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let not_tls = inside(address).send(&Hosts::Public, Request::new("GET", &format!("https://{address}/"))).await;
    assert!(matches!(not_tls, Err(EgressError::Tls(_))), "{not_tls:?}");
    // Whoever goes away before anything is said, as one who is started again does, may be there later.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { drop(listener.accept().await) });
    let gone = inside(address).send(&Hosts::Public, Request::new("GET", &format!("https://{address}/"))).await;
    assert!(matches!(gone, Err(EgressError::Connect(_))), "{gone:?}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = inside(closed).send(&Hosts::Public, Request::new("GET", &format!("http://{closed}/"))).await;
    assert!(matches!(refused, Err(EgressError::Connect(_))), "{refused:?}");
    assert!(refused.unwrap_err().is_temporary());
}
