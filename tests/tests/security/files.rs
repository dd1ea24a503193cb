//! Files: what comes with an operation is a part of its form, every way to a content asks who asks, and no content can run.

use std::os::unix::fs::PermissionsExt as _;

use cardine_tests::{Answer, Client, Download, Server, on_both_databases};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const INSTALL: &str = "mutation($file: Upload!, $grant: JSON) { installPlugin(file: $file, grant: $grant) { name } }";

async fn send(client: &Client, operations: &str, map: &str, preflight: bool) -> Answer {
    let form = Form::new().text("operations", operations.to_owned()).text("map", map.to_owned());
    let form = form.part("0", Part::bytes(b"no package".to_vec()).file_name("plugin.cardine"));
    let request = client.request(Method::POST, "/admin/graphql").multipart(form);
    Answer::of(if preflight { request.header("graphql-preflight", "1") } else { request }).await
}

/// It was refused by a word, and the server lives.
async fn refused(server: &Server, answer: &Answer, what: &str) {
    assert!(answer.status < 500, "{what}: {answer}");
    let codes = answer.codes();
    assert!(matches!(codes[..], ["BAD_USER_INPUT"] | ["VALIDATION_FAILED"]), "{what}: {answer}");
    answer.never_says("root:").never_says("panick");
    let plugins = server.admin().await.admin_query("{ plugins { name } }").await;
    assert_eq!(plugins.ok()["plugins"], json!([]), "{what}");
}

/// A paper with a scan, that its clerk alone sees.
async fn prepare(server: &Server) -> (Client, Client, String) {
    let admin = server.admin().await;
    let paper = json!({"name": "Paper", "plural": "Papers", "fields": [{"name": "title", "type": "text"}, {"name": "scan", "type": "file"}]});
    admin.create_module(paper).await.ok();
    admin.create_role("clerk", None).await;
    let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
    admin.set_access("clerk", "Paper", rights).await;
    let (clerk, peer) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
    let file = clerk.upload("a.txt", *b"the content").await;
    clerk.create("Paper", json!({"title": "p", "scanId": file})).await;
    (clerk, peer, file)
}

on_both_databases! {
    async fn a_file_of_an_operation_is_a_part_of_its_form_and_nothing_else(server: Server) {
        let admin = server.admin().await;
        // In place of a file: a path, what other servers take for one, and what the library makes of one.
        for file in [
            json!("/etc/passwd"), json!("file:///etc/passwd"), json!({"filepath": "/etc/passwd", "filename": "x", "mimetype": "x"}),
            json!("#__graphql_file__:0"), json!("#__graphql_file__:18446744073709551615"), json!("#__graphql_file__:-1"), json!(0), json!(["/etc/passwd"]), Value::Null,
        ] {
            let answer = admin.admin_query_with(INSTALL, json!({"file": file})).await;
            refused(&server, &answer, &file.to_string()).await;
        }
        for file in ["\"/etc/passwd\"", "\"#__graphql_file__:0\"", "{filepath: \"/etc/passwd\"}"] {
            let answer = admin.admin_query(&format!("mutation {{ installPlugin(file: {file}) {{ name }} }}")).await;
            refused(&server, &answer, file).await;
        }
        // A map that leads elsewhere, twice, nowhere, or is none.
        let operations = json!({"query": INSTALL, "variables": {"file": null, "grant": {"a": [null]}}}).to_string();
        for map in [
            json!({"0": ["variables.grant"]}), json!({"0": ["variables.grant.a.0"]}), json!({"0": ["query"]}), json!({"0": ["variables"]}), json!({"0": []}),
            json!({"0": ["variables.file.x"]}), json!({"0": [""]}), json!({"1": ["variables.file"]}), json!({"0": "variables.file"}), json!([]), json!(null), json!({"0": ["variables.file", "variables.grant"]}),
        ] {
            refused(&server, &send(&admin, &operations, &map.to_string(), true).await, &map.to_string()).await;
        }
        let map = json!({"0": ["variables.file"]}).to_string();
        for operations in ["", "[]", "{", "null", "{\"query\": null}", "[{\"query\": \"{ __typename }\"}, {\"query\": \"{ __typename }\"}]"] {
            refused(&server, &send(&admin, operations, &map, true).await, operations).await;
        }
        // A page of another origin could send such a form, without the header.
        refused(&server, &send(&admin, &operations, &map, false).await, "without a preflight").await;
        // The form that is right reaches the check of packages.
        let answer = send(&admin, &json!({"query": INSTALL, "variables": {"file": null}}).to_string(), &map, true).await;
        assert!(answer.to_string().contains("package"), "{answer}");
    }

    async fn every_way_to_a_content_asks_who_asks(server: Server) {
        let (clerk, peer, file) = prepare(&server).await;
        let content = || std::fs::read(server.data_directory().join("files/whole").join(&file)).expect("it is there");
        let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
        // Neither the file, nor parts, copies and pictures of it, nor ways to go on with an upload or to replace it.
        let paths = ["", "/", "/content", "/thumbnail", "/preview", "/text", "?width=10", "?download", "/parts/1", "?partNumber=1&uploadId=x", "/replace"];
        for caller in [&server.anonymous(), &peer] {
            for method in &methods {
                for path in paths {
                    let path = format!("/files/{file}{path}");
                    let request = caller.request(method.clone(), &path).header("content-type", "application/offset+octet-stream").body("stolen");
                    let found = Download::of(request).await;
                    assert!((400..500).contains(&found.status) || *method == Method::OPTIONS, "{method} {path}: {}", found.status);
                    assert!(!found.content.starts_with(b"the content"), "{method} {path}");
                }
            }
            assert_eq!(content(), b"the content");
        }
        // Nor has its owner a way to change what others may have read and checked.
        for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
            let status = Download::of(clerk.request(method, &format!("/files/{file}")).body("changed")).await.status;
            assert!((400..500).contains(&status), "{status}");
        }
        assert_eq!(clerk.download(&file).await.content, b"the content");
    }

    async fn no_content_can_run_where_it_is_kept(server: Server) {
        let (clerk, ..) = prepare(&server).await;
        for (name, content) in [("shell.phar", "<?php system($_GET['x']);"), ("run.sh", "#!/bin/sh\ntouch ran"), ("plugin.cardine", "PK\u{3}\u{4}"), ("page.html", "<script>")] {
            clerk.upload(name, content).await;
        }
        let (whole, _) = server.contents();
        assert_eq!(whole.len(), 5);
        for path in whole {
            let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o111, 0, "{}: {mode:o}", path.display());
            assert!(path.extension().is_none(), "no name makes it a program: {}", path.display());
        }
        let plugins = server.admin().await.admin_query("{ plugins { name } }").await;
        assert_eq!(plugins.ok()["plugins"], json!([]), "nothing of it was loaded");
    }
}
