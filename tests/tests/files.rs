//! Files: what is taken and under which name, who may read them and how, and that nothing stays behind.

use std::path::Path;

use cardine_tests::{Answer, Client, Download, Launch, Server, eventually, on_both_databases};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::sync::watch;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const ELF: [u8; 64] = {
    let mut head = [0; 64];
    (head[0], head[1], head[2], head[3], head[4]) = (0x7f, b'E', b'L', b'F', 2);
    head
};
const PDF: &[u8] = b"%PDF-1.7\n1 0 obj <</S /JavaScript /JS (app.alert(1))>> endobj\n";
const NOBODYS: &str = "01890000-0000-7000-8000-000000000000";

/// A module that holds files, private, and a role that may do everything with it.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let definition = json!({"name": "Paper", "plural": "Papers", "fields": [
        {"name": "title", "type": "text", "unique": true},
        {"name": "scan", "type": "file"},
        {"name": "draft", "type": "file", "accept": ["application/pdf", "image/*"], "maxSize": 100},
        {"name": "photo", "type": "image"},
        {"name": "isPdf", "type": "formula", "rule": "scan.mimeType == \"application/pdf\"", "returns": "boolean"},
    ], "search": ["title"]});
    admin.create_module(definition).await.ok();
    admin.create_role("clerk", None).await;
    let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
    admin.set_access("clerk", "Paper", rights).await;
    server.create_user_with_role("clerk").await
}

async fn give(caller: &Client, paper: &str, data: Value) -> Answer {
    let text = "mutation($id: ID!, $data: PaperUpdate!) { updatePaper(id: $id, data: $data) { id } }";
    caller.query_with(text, json!({"id": paper, "data": data})).await
}

async fn make(caller: &Client, data: Value) -> Answer {
    caller.query_with("mutation($data: PaperCreate!) { createPaper(data: $data) { id } }", json!({"data": data})).await
}

/// The path and parameters of an address.
fn path_of(url: &Value) -> String {
    let url = url.as_str().expect("an address");
    let rest = url.split_once("://").expect("it is absolute").1;
    rest[rest.find('/').expect("it has a path")..].to_owned()
}

/// Sends a body as it stands under multipart/form-data with the boundary `b`.
async fn send_raw(caller: &Client, body: impl Into<Vec<u8>>) -> Answer {
    caller.post_raw("/files", "multipart/form-data; boundary=b", body.into()).await
}

fn part(disposition: &str, content: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n")
}

async fn nothing_is_left(server: &Server) {
    eventually("no content is left", || async {
        let (whole, unfinished) = server.contents();
        (whole.is_empty() && unfinished.is_empty()).then_some(())
    })
    .await;
}

on_both_databases! {
    async fn an_upload_is_told_what_it_is_and_comes_back_as_it_was(server: Server) {
        let clerk = prepare(&server).await;
        let answer = clerk.send_file("offer.txt", *b"hello").await;
        assert_eq!(answer.status, 201, "{answer}");
        let id = answer.body["id"].as_str().expect("an id").to_owned();
        assert_eq!(answer.body, json!({"id": id, "name": "offer.txt", "mimeType": "text/plain", "size": 5,
            "checksum": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}));
        let paper = clerk.create("Paper", json!({"title": "a", "scanId": id})).await;
        let found = clerk.download(&id).await;
        assert_eq!((found.status, found.content.as_slice()), (200, &b"hello"[..]));
        assert_eq!(found.header("content-disposition"), "attachment; filename=\"offer.txt\"; filename*=UTF-8''offer.txt");
        assert_eq!((found.header("x-content-type-options"), found.header("content-security-policy")), ("nosniff", "sandbox; default-src 'none'"));
        assert_eq!((found.header("cache-control"), found.header("content-type")), ("private, no-cache", "text/plain; charset=utf-8"));
        let text = "query($id: ID!) { paper(id: $id) { scanId scan { __typename id name mimeType size checksum } photo { id } photoId isPdf } }";
        let shown = clerk.query_with(text, json!({"id": paper})).await;
        assert_eq!(shown.ok()["paper"], json!({"scanId": id, "photo": null, "photoId": null, "isPdf": false, "scan": {"__typename": "File",
            "id": id, "name": "offer.txt", "mimeType": "text/plain", "size": 5, "checksum": answer.body["checksum"]}}));
    }

    async fn a_file_of_many_pieces_is_streamed_whole(server: Server) {
        let clerk = prepare(&server).await;
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let id = clerk.upload("numbers.bin", content.clone()).await;
        assert!(clerk.download(&id).await.content == content, "all of it came back");
    }

    async fn nobody_uploads_without_signing_in(server: Server) {
        let _ = prepare(&server).await;
        let answer = server.anonymous().send_file("a.txt", *b"x").await;
        assert_eq!((answer.status, answer.codes()), (401, vec!["UNAUTHENTICATED"]));
        let answer = server.anonymous().with_token("cat_wrong").send_file("a.txt", *b"x").await;
        assert_eq!(answer.status, 401);
        // Nor who could put it nowhere.
        server.admin().await.create_role("reader", None).await;
        let reader = server.create_user_with_role("reader").await;
        assert_eq!(reader.send_file("a.txt", *b"x").await.codes(), ["FORBIDDEN"]);
        nothing_is_left(&server).await;
    }

    async fn what_is_no_upload_is_refused_and_leaves_nothing(backend: Backend) {
        let server = Launch::new(backend).arguments(["--limit", "file-bytes=1000"]).start().await;
        let clerk = prepare(&server).await;
        let file = "name=\"file\"; filename=\"a.txt\"";
        let many: String = (0..10_000).map(|number| part(&format!("name=\"p{number}\""), "x")).collect();
        let files: String = (0..10_000).map(|_| part(file, "x")).collect();
        for (what, statuses, body) in [
            ("no part", &[400][..], "--b--\r\n".to_owned()),
            ("another part", &[400], part("name=\"upload\"; filename=\"a.txt\"", "x") + "--b--\r\n"),
            ("a part without a name", &[400], part("filename=\"a.txt\"", "x") + "--b--\r\n"),
            ("no file name", &[400], part("name=\"file\"", "x") + "--b--\r\n"),
            ("ten thousand parts", &[400, 413], many + "--b--\r\n"),
            ("ten thousand files", &[400, 413], files + "--b--\r\n"),
            ("two files", &[400], part(file, "x") + &part(file, "y") + "--b--\r\n"),
            ("no bytes", &[422], part(file, "") + "--b--\r\n"),
            ("no end", &[400], part(file, "x")),
            ("an endless header", &[400, 413], format!("--b\r\nX: {}", "x".repeat(300_000))),
            ("nothing", &[400], String::new()),
            ("too many bytes", &[413], part(file, &"x".repeat(1_001)) + "--b--\r\n"),
            ("far too many bytes", &[413], part(file, &"x".repeat(3_000_000)) + "--b--\r\n"),
        ] {
            let answer = send_raw(&clerk, body).await;
            let code = match answer.status {
                400 => "BAD_USER_INPUT",
                413 => "LIMIT_EXCEEDED",
                _ => "VALIDATION_FAILED",
            };
            assert!(statuses.contains(&answer.status) && answer.codes() == [code], "{what}: {answer}");
            assert!(answer.status != 413 || answer.text.contains("1000"), "it tells the limit: {answer}");
        }
        // JSON is never taken for a file, whatever path stands in it.
        let answer = clerk.post("/files", &json!({"file": {"filepath": "/etc/passwd", "filename": "x"}})).await;
        assert_eq!(answer.status, 415, "{answer}");
        assert_eq!(clerk.post_raw("/files", "multipart/form-data", "x").await.status, 415, "without a boundary");
        let fits = clerk.send_file("fits.txt", vec![b'x'; 1_000]).await;
        assert_eq!(fits.status, 201, "the limit itself fits: {fits}");
        eventually("one content is there and nothing else", || async {
            let (whole, unfinished) = server.contents();
            (whole.len() == 1 && unfinished.is_empty()).then_some(())
        }).await;
    }

    async fn an_upload_that_breaks_off_leaves_nothing(server: Server) {
        use tokio::io::AsyncWriteExt as _;
        let clerk = prepare(&server).await;
        let address = server.address().trim_start_matches("http://").to_owned();
        for _ in 0..10 {
            let mut stream = tokio::net::TcpStream::connect(&address).await.expect("the server listens");
            let head = format!(
                "POST /files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n",
                clerk.token().expect("a token"),
            );
            let sent = head + &part("name=\"file\"; filename=\"a.txt\"", &"x".repeat(200_000));
            stream.write_all(sent.as_bytes()).await.expect("the server reads");
            eventually("the upload has begun", || async { (!server.contents().1.is_empty()).then_some(()) }).await;
            drop(stream);
            nothing_is_left(&server).await;
        }
        assert!(clerk.send_file("a.txt", *b"x").await.status == 201, "it goes on");
    }

    async fn a_user_has_only_so_many_files_that_no_record_holds(backend: Backend) {
        let server = Launch::new(backend).arguments(["--limit", "uploads=2"]).start().await;
        let clerk = prepare(&server).await;
        let first = clerk.upload("1", *b"1").await;
        clerk.upload("2", *b"2").await;
        let answer = clerk.send_file("3", *b"3").await;
        assert_eq!(answer.codes(), ["LIMIT_EXCEEDED"], "{answer}");
        clerk.create("Paper", json!({"scanId": first})).await;
        assert_eq!(clerk.send_file("3", *b"3").await.status, 201, "what a record holds counts no longer");
    }

    async fn names_are_shown_and_never_used_as_paths(server: Server) {
        let clerk = prepare(&server).await;
        for (given, shown) in [
            ("../../../etc/passwd", "passwd"), ("..", "file"), ("%2e%2e%2fpasswd", "%2e%2e%2fpasswd"), ("/etc/passwd", "passwd"),
            ("D:\\windows\\system.ini", "system.ini"), ("‥/․․/x", "x"), ("．．", "．．"), (".htaccess", "htaccess"), ("shell.phar", "shell.phar"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"), ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ] {
            let answer = clerk.send_file(given, *b"x").await;
            assert_eq!((answer.status, &answer.body["name"]), (201, &json!(shown)), "{given}: {answer}");
            let found = clerk.download(answer.body["id"].as_str().expect("an id")).await;
            assert!(found.status == 200 && found.header("content-disposition").starts_with("attachment"), "{given}");
        }
        // A client that does not escape.
        for raw in ["a\0b.txt", "a\u{7f}b", "a\";x=\"b"] {
            let body = part(&format!("name=\"file\"; filename=\"{raw}\""), "x") + "--b--\r\n";
            let answer = send_raw(&clerk, body).await;
            assert!(answer.status == 201 || answer.status == 400, "{raw:?}: {answer}");
        }
        let long = clerk.send_file(&"n".repeat(300), *b"x").await;
        assert_eq!(long.body["name"].as_str().map(str::len), Some(255));
        let (whole, _) = server.contents();
        let is_id = |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| uuid::Uuid::try_parse(name).is_ok());
        assert!(whole.len() >= 12 && whole.iter().all(|path| is_id(path)), "{whole:?}");
        assert!(!server.data_directory().join("files/passwd").exists());
        for path in ["/files/..%2f..%2fcardine.db", "/files/%2e%2e%2fcardine.db", "/files/whole", "/files/x", "/files/%00"] {
            assert_eq!(clerk.get(path).await.status, 404, "{path}");
        }
    }

    async fn what_could_run_is_saved_as_bytes_whatever_it_says_it_is(server: Server) {
        let clerk = prepare(&server).await;
        for (content, sniffed, sent, how) in [
            (&b"<!DOCTYPE html><script>alert(1)</script>"[..], "text/html", "application/octet-stream", "attachment"),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml", "application/octet-stream", "attachment"),
            (b"<?xml version='1.0'?><x/>", "text/xml", "application/octet-stream", "attachment"),
            (&ELF, "application/x-executable", "application/octet-stream", "attachment"),
            (b"MZ\x90\0\x03\0\0\0", "application/vnd.microsoft.portable-executable", "application/octet-stream", "attachment"),
            (PDF, "application/pdf", "application/pdf", "attachment"),
            (PNG, "image/png", "image/png", "inline"),
        ] {
            // Neither the name nor the type that the client tells is believed.
            let part = Part::bytes(content.to_vec()).file_name("x.html").mime_str("image/png").expect("a media type");
            let answer = Answer::of(clerk.request(Method::POST, "/files").multipart(Form::new().part("file", part))).await;
            assert_eq!((answer.status, &answer.body["mimeType"]), (201, &json!(sniffed)), "{answer}");
            let found = clerk.download(answer.body["id"].as_str().expect("an id")).await;
            assert_eq!((found.header("content-type"), found.header("x-content-type-options")), (sent, "nosniff"));
            assert!(found.header("content-disposition").starts_with(how), "{}", found.header("content-disposition"));
            assert!(found.header("content-security-policy").contains("sandbox"));
        }
    }

    async fn a_file_is_read_by_who_may_read_a_record_that_holds_it(server: Server) {
        let clerk = prepare(&server).await;
        let admin = server.admin().await;
        let peer = server.create_user_with_role("clerk").await;
        admin.create_role("blind", None).await;
        admin.set_access("blind", "Paper", json!({"read": true, "fields": {"*": "READ", "scan": "NONE"}})).await;
        admin.create_role("reader", None).await;
        admin.set_access("reader", "Paper", json!({"read": true, "fields": {"*": "READ"}})).await;
        let (blind, reader) = (server.create_user_with_role("blind").await, server.create_user_with_role("reader").await);
        let file = clerk.upload("a.pdf", PDF).await;
        let unknown = clerk.download(NOBODYS).await;
        assert_eq!(unknown.status, 404);
        let refused = |found: Download| assert_eq!((found.status, found.content), (404, unknown.content.clone()), "as if there were none");
        // Before a record holds it, it is its uploader's alone.
        assert_eq!(clerk.download(&file).await.status, 200);
        for other in [&peer, &admin, &reader, &server.anonymous()] {
            refused(other.download(&file).await);
        }
        let paper = clerk.create("Paper", json!({"title": "a", "scanId": file})).await;
        assert_eq!((clerk.download(&file).await.status, admin.download(&file).await.status), (200, 200));
        for other in [&peer, &reader, &blind, &server.anonymous()] {
            refused(other.download(&file).await);
        }
        // One record is opened to all who may read the module; its field still is not to all of them.
        let share = "mutation($module: String!, $id: ID!, $role: String!) { shareRecord(module: $module, id: $id, with: {role: $role}, access: READ) { access } }";
        for role in ["reader", "blind"] {
            let shared = admin.admin_query_with(share, json!({"module": "Paper", "id": paper, "role": role})).await;
            assert!(shared.errors().is_empty(), "{shared}");
        }
        assert_eq!((reader.download(&file).await.status, blind.download(&file).await.status), (200, 404));
        // What is taken away is gone with the next request.
        admin.set_access("reader", "Paper", json!({"fields": {"*": "READ", "scan": "NONE"}})).await;
        refused(reader.download(&file).await);
        admin.set_access("reader", "Paper", json!({"fields": {"*": "READ"}})).await;
        assert_eq!(reader.download(&file).await.status, 200);
        // A deleted record shows its file to who may see deleted records, and to its uploader no more than to others.
        clerk.query_with("mutation($id: ID!) { deletePaper(id: $id) { id } }", json!({"id": paper})).await.ok();
        assert_eq!((clerk.download(&file).await.status, reader.download(&file).await.status), (200, 404));
        clerk.query_with("mutation($id: ID!) { restorePaper(id: $id) { id } }", json!({"id": paper})).await.ok();
        assert_eq!(reader.download(&file).await.status, 200);
        // The record passes to another owner: the uploader has no more right than anybody.
        let text = "query { users(filter: {role: {name: {eq: \"blind\"}}}) { nodes { id } } }";
        let owner = admin.query(text).await.ok()["users"]["nodes"][0]["id"].clone();
        give(&admin, &paper, json!({"ownerId": owner})).await.ok();
        refused(clerk.download(&file).await);
    }

    async fn who_may_not_read_a_file_cannot_put_it_into_a_record(server: Server) {
        let clerk = prepare(&server).await;
        let peer = server.create_user_with_role("clerk").await;
        let file = clerk.upload("a.pdf", PDF).await;
        let unknown = make(&peer, json!({"scanId": NOBODYS})).await;
        unknown.refused("VALIDATION_FAILED");
        assert_eq!(unknown.issues()[0]["path"], json!(["data", "scanId"]));
        let stolen = make(&peer, json!({"scanId": file})).await;
        assert_eq!(stolen.body, unknown.body, "as if there were none");
        let paper = clerk.create("Paper", json!({"title": "a", "scanId": file})).await;
        let own = peer.create("Paper", json!({"title": "b"})).await;
        assert_eq!(give(&peer, &own, json!({"scanId": file})).await.body, give(&peer, &own, json!({"scanId": NOBODYS})).await.body);
        assert_eq!(peer.download(&file).await.status, 404);
        let upsert = "mutation($id: ID!) { upsertPaper(match: {title: \"b\"}, data: {title: \"b\", scanId: $id}) { id } }";
        peer.query_with(upsert, json!({"id": file})).await.refused("VALIDATION_FAILED");
        // A record's id is no file's.
        make(&clerk, json!({"scanId": paper})).await.refused("VALIDATION_FAILED");
        // Who reads it through one record may put it into another.
        let again = clerk.create("Paper", json!({"title": "c", "scanId": file})).await;
        let text = "query($id: ID!) { paper(id: $id) { scan { name } } }";
        assert_eq!(clerk.query_with(text, json!({"id": again})).await.ok()["paper"]["scan"]["name"], "a.pdf");
    }

    async fn an_address_serves_a_while_its_user_and_its_file_alone(server: Server) {
        let clerk = prepare(&server).await;
        let admin = server.admin().await;
        let (file, other) = (clerk.upload("a.png", PNG).await, clerk.upload("b.txt", *b"b").await);
        let paper = clerk.create("Paper", json!({"title": "a", "scanId": file, "photoId": file})).await;
        let text = "query($id: ID!) { paper(id: $id) { scan { url } again: photo { url } } me { user { id } } }";
        let shown = clerk.query_with(text, json!({"id": paper})).await;
        let url = &shown.ok()["paper"]["scan"]["url"];
        assert!(url.as_str().is_some_and(|url| url.starts_with(&server.address())), "{url}");
        let path = path_of(url);
        let anonymous = server.anonymous();
        let get = |path: String| Download::of(anonymous.request(Method::GET, &path));
        let found = get(path.clone()).await;
        assert_eq!((found.status, found.content.as_slice(), found.header("content-type")), (200, PNG, "image/png"));
        let (before, parameters) = path.split_once('?').expect("it has parameters");
        let refused: Vec<String> = [
            path[..path.len() - 1].to_owned(),
            path.replace("until=1", "until=2"),
            format!("{before}?{}", parameters.split_once('&').expect("several").1),
            format!("/files/{other}?{parameters}"),
            format!("/files/{NOBODYS}?{parameters}"),
            format!("{before}?"),
            format!("{path}&user={NOBODYS}"),
        ].into();
        for path in refused {
            assert_eq!(get(path.clone()).await.status, 403, "{path}");
        }
        assert_eq!(get(before.to_owned()).await.status, 404, "without its parameters it is nobody's");
        // It gives no right that its user has lost.
        admin.set_access("clerk", "Paper", json!({"fields": {"*": "WRITE", "scan": "NONE", "photo": "NONE"}})).await;
        assert_eq!(get(path.clone()).await.status, 404);
        admin.set_access("clerk", "Paper", json!({"fields": {"*": "WRITE"}})).await;
        assert_eq!(get(path.clone()).await.status, 200);
        let user = shown.ok()["me"]["user"]["id"].clone();
        let text = "mutation($id: ID!) { setUserActive(user: $id, active: false) { id } }";
        let ended = admin.admin_query_with(text, json!({"id": user})).await;
        assert!(ended.errors().is_empty(), "{ended}");
        assert_eq!(get(path).await.status, 403);
    }

    async fn parts_of_a_file_are_sent_as_asked(server: Server) {
        let clerk = prepare(&server).await;
        let id = clerk.upload("digits.txt", *b"0123456789").await;
        let get = |method: Method, headers: &[(&'static str, String)]| {
            let mut request = clerk.request(method, &format!("/files/{id}"));
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            Download::of(request)
        };
        let whole = get(Method::GET, &[]).await;
        let tag = whole.header("etag").to_owned();
        assert!(tag.len() == 66 && whole.header("accept-ranges") == "bytes" && whole.header("content-length") == "10");
        for (range, status, content, place) in [
            ("bytes=0-0", 206, "0", "bytes 0-0/10"), ("bytes=3-5", 206, "345", "bytes 3-5/10"), ("bytes=8-", 206, "89", "bytes 8-9/10"),
            ("bytes=-3", 206, "789", "bytes 7-9/10"), ("bytes=5-99999999999999999999", 206, "56789", "bytes 5-9/10"),
            ("bytes=5-3", 200, "0123456789", ""), ("bytes=0-1,3-4", 200, "0123456789", ""), ("lines=1-2", 200, "0123456789", ""), ("bytes=x", 200, "0123456789", ""),
        ] {
            let part = get(Method::GET, &[("range", range.to_owned())]).await;
            assert_eq!((part.status, String::from_utf8_lossy(&part.content).as_ref(), part.header("content-range")), (status, content, place), "{range}");
            assert_eq!(part.header("content-length"), content.len().to_string());
        }
        for range in ["bytes=10-", "bytes=-0", "bytes=18446744073709551615-18446744073709551615"] {
            let none = get(Method::GET, &[("range", range.to_owned())]).await;
            assert_eq!((none.status, none.header("content-range")), (416, "bytes */10"), "{range}");
        }
        let head = get(Method::HEAD, &[]).await;
        assert_eq!((head.status, head.header("content-length"), head.content.len(), head.header("etag")), (200, "10", 0, tag.as_str()));
        let part = get(Method::HEAD, &[("range", "bytes=1-2".to_owned())]).await;
        assert_eq!((part.status, part.header("content-length")), (206, "2"));
        let same = get(Method::GET, &[("if-none-match", tag.clone())]).await;
        assert_eq!((same.status, same.content.len()), (304, 0));
        assert_eq!(get(Method::GET, &[("if-none-match", "\"other\"".to_owned())]).await.status, 200);
        let resumed = get(Method::GET, &[("if-range", tag), ("range", "bytes=8-".to_owned())]).await;
        let begun_anew = get(Method::GET, &[("if-range", "\"other\"".to_owned()), ("range", "bytes=8-".to_owned())]).await;
        assert_eq!((resumed.status, begun_anew.status), (206, 200));
        let stranger = server.anonymous();
        let head = Download::of(stranger.request(Method::HEAD, &format!("/files/{id}"))).await;
        assert_eq!((head.status, head.header("etag")), (404, ""), "nor is its size told");
    }

    async fn fields_take_the_files_that_they_say(server: Server) {
        let clerk = prepare(&server).await;
        let (pdf, png, text) = (clerk.upload("a.pdf", PDF).await, clerk.upload("a.png", PNG).await, clerk.upload("a.txt", *b"words").await);
        let svg = clerk.upload("a.svg", *b"<svg onload='x'/>").await;
        let long = clerk.upload("long.pdf", [PDF, &[b' '; 100]].concat()).await;
        let answer = clerk.query_with(
            "mutation($data: [PaperCreate!]!) { createPapers(data: $data) { id } }",
            json!({"data": [{"photoId": pdf}, {"draftId": text}, {"draftId": long, "photoId": svg}, {"draftId": svg}, {"scanId": svg, "draftId": png, "photoId": png}]}),
        ).await;
        answer.refused("VALIDATION_FAILED");
        let issues: Vec<(Value, Value)> = answer.issues().iter().map(|issue| (issue["path"].clone(), issue["rule"].clone())).collect();
        assert_eq!(issues, [
            (json!(["data", 0, "photoId"]), json!("accept")), (json!(["data", 1, "draftId"]), json!("accept")),
            (json!(["data", 2, "draftId"]), json!("maxSize")), (json!(["data", 2, "photoId"]), json!("accept")), (json!(["data", 3, "draftId"]), json!("accept")),
        ]);
        let paper = clerk.create("Paper", json!({"title": "good", "scanId": svg, "draftId": png, "photoId": png})).await;
        give(&clerk, &paper, json!({"draftId": pdf, "photoId": null})).await.ok();
        give(&clerk, &paper, json!({"draftId": pdf})).await.ok();
        give(&clerk, &paper, json!({"photoId": text})).await.refused("VALIDATION_FAILED");
        let text = "query($file: ID!) { papers(filter: {draftId: {eq: $file}}) { totalCount }
            named: papers(filter: {draft: {name: {startsWith: \"A.P\"}, size: {gt: 10}}, photoId: {isNull: true}}, orderBy: [{scan: {name: ASC}}]) { nodes { draft { name } photo { name } } }
            none: papers(filter: {scan: {mimeType: {eq: \"application/pdf\"}}}) { totalCount }
            paperGroups(groupBy: [{draft: {mimeType: true}}]) { key { draft { mimeType } } count } }";
        assert_eq!(clerk.query_with(text, json!({"file": pdf})).await.ok(), &json!({
            "papers": {"totalCount": 1}, "named": {"nodes": [{"draft": {"name": "a.pdf"}, "photo": null}]}, "none": {"totalCount": 0},
            "paperGroups": [{"key": {"draft": {"mimeType": "application/pdf"}}, "count": 1}],
        }));
    }

    async fn files_are_found_through_records_alone(server: Server) {
        let clerk = prepare(&server).await;
        let file = clerk.upload("a.pdf", PDF).await;
        clerk.create("Paper", json!({"scanId": file})).await;
        for text in [
            "{ files { totalCount } }", "{ file(id: \"x\") { id } }", "{ fileGroups(groupBy: [{name: true}]) { count } }", "{ duplicatesOfFile(id: \"x\") { id } }",
            "mutation { createFile(data: {name: \"x\"}) { id } }", "mutation { destroyFile(id: \"x\") }", "subscription { fileChanges { id } }",
            "{ papers { nodes { scan { createdBy { id } } } } }", "{ papers { nodes { scan { ownerId } } } }", "{ node(id: \"x\") { ... on File { name } } }",
            "mutation { createPaper(data: {scan: {create: {name: \"x\"}}}) { id } }", "mutation { createPaper(data: {scan: {connect: \"x\"}}) { id } }",
        ] {
            clerk.query(text).await.refused("BAD_USER_INPUT");
        }
        let answer = clerk.query_with("query($id: ID!) { node(id: $id) { id } nodes(ids: [$id]) { id } search(text: \"pdf\") { nodes { module } } me { modules { name } } }", json!({"id": file})).await;
        assert_eq!((&answer.ok()["node"], &answer.ok()["nodes"], &answer.ok()["search"]["nodes"]), (&Value::Null, &json!([null]), &json!([])));
        answer.never_says("\"File\"");
        // Who may read no field that holds files knows of none.
        let admin = server.admin().await;
        admin.create_role("blind", None).await;
        admin.set_access("blind", "Paper", json!({"create": true, "read": true, "fields": {"*": "WRITE", "scan": "NONE", "draft": "NONE", "photo": "NONE"}})).await;
        let blind = server.create_user_with_role("blind").await;
        let answer = blind.query("{ __type(name: \"File\") { name } all: __schema { types { name } } }").await;
        answer.never_says("File");
        for text in ["{ papers { nodes { scan { name } } } }", "{ papers(filter: {scanId: {isNull: true}}) { totalCount } }", "{ papers { nodes { isPdf } } }"] {
            blind.query(text).await.refused("BAD_USER_INPUT");
        }
    }

    async fn a_file_goes_when_no_record_holds_it_and_not_before(server: Server) {
        let clerk = prepare(&server).await;
        let mut files = Vec::new();
        for number in 0..4 {
            files.push(clerk.upload(&format!("{number}.txt"), format!("content {number}")).await);
        }
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|number: usize| files[number].clone());
        let paper = clerk.create("Paper", json!({"title": "a", "scanId": first})).await;
        let twin = clerk.create("Paper", json!({"title": "b", "scanId": first})).await;
        let gone = |file: String| {
            let path = server.data_directory().join("files/whole").join(file);
            async move { eventually("the content is gone", || async { (!path.exists()).then_some(()) }).await }
        };
        give(&clerk, &paper, json!({"scanId": second})).await.ok();
        give(&clerk, &paper, json!({"scanId": third})).await.ok();
        gone(second.clone()).await;
        assert_eq!(clerk.download(&second).await.status, 404);
        assert_eq!(clerk.download(&first).await.status, 200, "the other record holds it");
        for text in ["mutation($id: ID!) { deletePaper(id: $id) { id } }", "mutation($id: ID!) { restorePaper(id: $id) { id } }"] {
            clerk.query_with(text, json!({"id": twin})).await.ok();
            assert_eq!(clerk.download(&first).await.status, 200);
        }
        // Two become one: what the survivor takes over stays, and so does what the deleted one holds.
        let text = "mutation($id: ID!, $into: ID!, $file: ID!) { mergePapers(ids: [$id], into: $into, data: {draftId: $file}) { scanId } }";
        let draft = clerk.upload("d.pdf", PDF).await;
        clerk.query_with(text, json!({"id": twin, "into": paper, "file": draft})).await.ok();
        assert_eq!((clerk.download(&first).await.status, clerk.download(&third).await.status, clerk.download(&draft).await.status), (200, 200, 200));
        // A refused mutation frees nothing.
        let text = "mutation($id: ID!) { destroyPaper(id: $id) updatePaper(id: $id, data: {title: \"x\"}) { id } }";
        assert!(!clerk.query_with(text, json!({"id": paper})).await.errors().is_empty());
        assert_eq!(clerk.download(&third).await.status, 200);
        for id in [&paper, &twin] {
            clerk.query_with("mutation($id: ID!) { destroyPaper(id: $id) }", json!({"id": id})).await.ok();
        }
        for file in [first, third, draft] {
            gone(file).await;
        }
        assert_eq!(clerk.download(&fourth).await.status, 200, "one that nobody held waits for a record");
    }

    async fn uploads_at_once_do_not_mix_and_bad_requests_harm_nobody(server: Server) {
        let clerk = prepare(&server).await;
        let uploads = (0..40).map(|number: usize| {
            let clerk = clerk.clone();
            async move {
                let content = vec![u8::try_from(number).expect("small"); 10_000 + number];
                let id = clerk.upload(&format!("{number}.bin"), content.clone()).await;
                (id, content)
            }
        });
        let files = futures_util::future::join_all(uploads).await;
        let bad = (0..2_000).map(|number: usize| {
            let clerk = clerk.clone();
            let id = files[number % files.len()].0.clone();
            async move {
                match number % 4 {
                    0 => clerk.get(&format!("/files/{id}?user=x&until=y&code=z")).await.status,
                    1 => clerk.get(&format!("/files/{NOBODYS}")).await.status,
                    2 => Download::of(clerk.request(Method::HEAD, &format!("/files/{id}")).header("range", "bytes=9999999-")).await.status,
                    _ => send_raw(&clerk, part("name=\"file\"; filename=\"x\"", "x")).await.status,
                }
            }
        });
        let mut statuses: Vec<u16> = Vec::new();
        let mut bad = futures_util::StreamExt::buffer_unordered(futures_util::stream::iter(bad), 100);
        while let Some(status) = futures_util::StreamExt::next(&mut bad).await {
            statuses.push(status);
            if statuses.len().is_multiple_of(500) {
                assert_eq!(clerk.download(&files[0].0).await.content, files[0].1);
            }
        }
        assert!(statuses.iter().all(|status| (400..500).contains(status)));
        for (id, content) in &files {
            assert!(clerk.download(id).await.content == *content, "each has its own content");
        }
        eventually("nothing unfinished is left", || async { server.contents().1.is_empty().then_some(()) }).await;
    }
}

/// The `doctor`'s words.
fn doctor(server: &Server) -> String {
    let mut command = cardine_tests::binary::command(&server.data_directory());
    command.args(["doctor", "--data"]).arg(server.data_directory());
    if let Some(database) = server.postgres() {
        command.args(["--database", database.url()]);
    }
    let output = command.output().expect("the binary runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

on_both_databases! {
    async fn doctor_tells_of_rows_without_contents_and_contents_without_rows(mut server: Server) {
        let clerk = prepare(&server).await;
        let file = clerk.upload("a.txt", *b"a").await;
        clerk.create("Paper", json!({"scanId": file})).await;
        server.stop();
        assert!(doctor(&server).contains("1 files have their contents"), "{}", doctor(&server));
        let folder = server.data_directory().join("files/whole");
        std::fs::write(folder.join(NOBODYS), "x").expect("the folder can be written");
        assert!(doctor(&server).contains("1 contents of broken uploads"));
        std::fs::write(folder.join(&file), "longer").expect("the folder can be written");
        assert!(doctor(&server).contains(&format!("FAULT  the file {file}")));
        std::fs::remove_file(folder.join(&file)).expect("it is there");
        assert!(doctor(&server).contains(&format!("FAULT  the file {file}")));
    }

    async fn no_crash_leaves_a_record_without_its_file_or_a_content_without_a_row(mut server: Server) {
        let mut chance = cardine_tests::Chance::new(16);
        let clerk = prepare(&server).await;
        let mut held: Vec<(String, String, usize)> = Vec::new();
        for round in 0..12_usize {
            let (answers, mut answered) = watch::channel(0);
            let running = (0..6_usize).map(|number| tokio::spawn(work(clerk.clone(), round * 10 + number, answers.clone())));
            let running: Vec<_> = running.collect();
            // At any moment of it.
            let moment = chance.below(60);
            answered.wait_for(|answered| *answered >= moment).await.expect("the works go on");
            server.kill_hard();
            for work in running {
                held.extend(work.await.expect("it ends when the server does"));
            }
            server.restart().await;
        }
        // Every record that is there has its file whole, those of whose making no answer told included.
        let answer = clerk.query("{ papers(first: 1000) { nodes { title scanId scan { size checksum } } } }").await;
        let papers = answer.ok()["papers"]["nodes"].as_array().expect("a list").clone();
        assert!(!papers.is_empty(), "some were made before the kills");
        for paper in &papers {
            let found = clerk.download(paper["scanId"].as_str().expect("each has a file")).await;
            assert_eq!((found.status, json!(found.content.len())), (200, paper["scan"]["size"].clone()), "{paper}");
            assert_eq!(found.header("etag"), format!("\"{}\"", paper["scan"]["checksum"].as_str().expect("a checksum")));
            let number: usize = paper["title"].as_str().and_then(|title| title.split('-').next()?.parse().ok()).expect("a number");
            assert!(found.content.iter().all(|byte| *byte == content_of(number)[0]) && found.content.len() == content_of(number).len());
        }
        for (paper, file, _) in &held {
            assert!(papers.iter().any(|found| found["scanId"] == json!(file)), "an acknowledged record is lost: {paper}");
        }
        // What was broken off goes as soon as it is old enough.
        server.stop();
        server.age_contents();
        server.restart().await;
        eventually("no content is without a row", || async {
            let (_, unfinished) = server.contents();
            let said = doctor(&server);
            assert!(!said.contains("has no content"), "{said}");
            (unfinished.is_empty() && !said.contains("broken uploads")).then_some(())
        }).await;
    }
}

fn content_of(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).expect("small"); 50_000 + number]
}

/// Uploads, puts into records, replaces and destroys until the server is gone; gives the records that it was told of and kept.
async fn work(clerk: Client, number: usize, answers: watch::Sender<usize>) -> Vec<(String, String, usize)> {
    let mut held = Vec::new();
    for turn in 0.. {
        let part = Part::bytes(content_of(number)).file_name("x.bin");
        let upload = clerk.request(Method::POST, "/files").multipart(Form::new().part("file", part));
        let Some(file) = told(upload, &answers, |body| body["id"].as_str().map(str::to_owned)).await else {
            return held;
        };
        let operate = |text: &str, variables: Value| {
            clerk.request(Method::POST, "/graphql").json(&json!({"query": text, "variables": variables}))
        };
        let create = operate(
            "mutation($title: String, $file: ID) { createPaper(data: {title: $title, scanId: $file}) { id } }",
            json!({"title": format!("{number}-{turn}"), "file": file}),
        );
        let Some(paper) =
            told(create, &answers, |body| body["data"]["createPaper"]["id"].as_str().map(str::to_owned)).await
        else {
            return held;
        };
        if turn % 2 == 0 {
            held.push((paper, file, number));
            continue;
        }
        let destroy = operate("mutation($id: ID!) { destroyPaper(id: $id) }", json!({"id": paper}));
        if told(destroy, &answers, |body| body["data"]["destroyPaper"].as_str().map(str::to_owned)).await.is_none() {
            return held;
        }
    }
    held
}

/// What the answer says; `None` if there is none any more.
async fn told(
    request: reqwest::RequestBuilder,
    answers: &watch::Sender<usize>,
    read: impl Fn(&Value) -> Option<String>,
) -> Option<String> {
    let body: Value = request.send().await.ok()?.json().await.ok()?;
    answers.send_modify(|count| *count += 1);
    Some(read(&body).unwrap_or_else(|| panic!("the server lives and refuses: {body}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_open_each_others_addresses() {
    if !cardine_tests::Backend::Postgres.is_available() {
        return;
    }
    let shared = tempfile::tempdir().expect("a folder");
    let files = format!("fs://{}", shared.path().display());
    let server = Launch::new(cardine_tests::Backend::Postgres).arguments(["--files", &files]).start().await;
    let clerk = prepare(&server).await;
    let other = server.another().await;
    let file = clerk.upload("a.txt", *b"shared").await;
    let paper = clerk.create("Paper", json!({"scanId": file})).await;
    let text = "query($id: ID!) { paper(id: $id) { scan { url } } }";
    let path = path_of(&clerk.query_with(text, json!({"id": paper})).await.ok()["paper"]["scan"]["url"]);
    let found = Download::of(other.anonymous().request(Method::GET, &path)).await;
    assert_eq!((found.status, found.content.as_slice()), (200, &b"shared"[..]));
}
