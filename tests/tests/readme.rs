//! The README and the pages under `docs/`: their commands and requests run as printed, and answer what is printed.

use std::collections::BTreeSet;
use std::process::Command;

use cardine_tests::document::{Block, blocks_of};
use cardine_tests::{Backend, Client, Server, repository};
use serde_json::{Map, Value, json};

fn parse(document: &str, block: &Block) -> Value {
    serde_json::from_str(&block.text).unwrap_or_else(|error| panic!("{document}:{}: {error}", block.line))
}

/// The block behind `position`, if its words are these.
fn next<'a>(blocks: &'a [Block], position: usize, info: &str) -> Option<&'a Block> {
    blocks.get(position + 1).filter(|block| block.info == info)
}

/// Runs the shell blocks of a document in one shell, so that variables last; gives what each wrote.
fn run_in_shell(blocks: &[&Block], address: &str) -> Vec<String> {
    const END: &str = "=== end of block ===";
    let folder = tempfile::tempdir().expect("a folder");
    let script: String = blocks
        .iter()
        .map(|block| format!("{}\necho; echo '{END}'\n", block.text.replace("http://127.0.0.1:8000", address)))
        .collect();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(folder.path())
        .output()
        .expect("bash is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut parts: Vec<String> = said.split(END).map(|part| part.trim().to_owned()).collect();
    parts.pop();
    parts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readme_answers_what_it_prints() {
    let server = Server::start(Backend::Sqlite).await;
    let blocks = blocks_of("README.md");
    let shell: Vec<(usize, &Block)> =
        blocks.iter().enumerate().filter(|(_, block)| block.info == "bash curl").collect();
    assert!(shell.len() >= 4, "the README shows a first query and a first module");
    let texts: Vec<Block> = shell.iter().map(|(_, block)| (*block).clone()).collect();
    let address = server.address();
    let said = tokio::task::spawn_blocking(move || run_in_shell(&texts.iter().collect::<Vec<_>>(), &address))
        .await
        .expect("the shell ends");
    for ((position, block), said) in shell.iter().zip(said) {
        let printed = next(&blocks, *position, "json answer")
            .unwrap_or_else(|| panic!("README.md:{}: no answer is printed", block.line));
        let found: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("README.md:{}: {error}: {said}", block.line));
        assert_eq!(found, parse("README.md", printed), "README.md:{}", block.line);
    }
}

/// Runs the `graphql query`, `graphql admin` and `graphql anonymous` blocks of a page in their order, on a fresh server.
async fn run_page(document: &str, backend: Backend) {
    let server = Server::start(backend).await;
    let admin = server.admin().await;
    let blocks = blocks_of(document);
    let mut told = Map::new();
    let mut requests = 0;
    for (position, block) in blocks.iter().enumerate() {
        let place = format!("{document}:{}", block.line);
        if block.info == "bash upload" {
            let printed =
                next(&blocks, position, "json answer").unwrap_or_else(|| panic!("{place}: no answer is printed"));
            let token = admin.token().expect("the administrator is signed in");
            let text = Block { text: block.text.replace("$TOKEN", token), ..block.clone() };
            let address = server.address();
            let said =
                tokio::task::spawn_blocking(move || run_in_shell(&[&text], &address)).await.expect("the shell ends");
            let found: Value =
                serde_json::from_str(&said[0]).unwrap_or_else(|error| panic!("{place}: {error}: {}", said[0]));
            compare(&found, &parse(document, printed), &place, &mut told);
            continue;
        }
        let Some(kind) = block.info.strip_prefix("graphql ") else {
            continue;
        };
        requests += 1;
        let mut variables: Map<String, Value> = told
            .iter()
            .filter(|(name, _)| block.text.contains(&format!("${name}:")))
            .map(|(name, value): (&String, &Value)| (name.clone(), value.clone()))
            .collect();
        let mut following = position;
        if let Some(printed) = next(&blocks, following, "json variables") {
            following += 1;
            let printed = parse(document, printed);
            variables.extend(printed.as_object().expect("variables are an object").clone());
        }
        let variables = Value::Object(variables);
        let answer = match kind {
            "query" => admin.query_with(&block.text, variables).await,
            "admin" => admin.admin_query_with(&block.text, variables).await,
            "anonymous" => server.anonymous().query_with(&block.text, variables).await,
            other => panic!("{place}: nobody is called {other}"),
        };
        if let Some(printed) = next(&blocks, following, "json errors") {
            assert_eq!(json!(answer.errors()), parse(document, printed), "{place}");
        } else if let Some(printed) = next(&blocks, following, "json answer") {
            compare(answer.ok(), &parse(document, printed), &place, &mut told);
        } else {
            answer.ok();
        }
    }
    assert!(requests > 0, "{document} has requests");
}

/// Compares with a printed answer in which `<name>` stands for a text that is kept under that name.
fn compare(found: &Value, printed: &Value, place: &str, told: &mut Map<String, Value>) {
    let placeholder = printed.as_str().and_then(|text| text.strip_prefix('<')?.strip_suffix('>'));
    match (found, printed) {
        (Value::String(_), _) if placeholder.is_some() => {
            let name = placeholder.expect("it was asked").to_owned();
            let known = told.entry(name).or_insert_with(|| found.clone());
            assert_eq!(found, known, "{place}");
        }
        (Value::Object(found), Value::Object(printed)) => {
            let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(found), names(printed), "{place}");
            for (name, value) in found {
                compare(value, &printed[name], &format!("{place} {name}"), told);
            }
        }
        (Value::Array(found), Value::Array(printed)) if found.len() == printed.len() => {
            for (one, other) in found.iter().zip(printed) {
                compare(one, other, place, told);
            }
        }
        (found, printed) => assert_eq!(found, printed, "{place}"),
    }
}

cardine_tests::on_both_databases! {
    async fn the_page_on_the_api_answers_what_it_prints(backend: Backend) {
        run_page("docs/api.md", backend).await;
    }

    async fn the_page_on_definitions_shows_modules_that_are_accepted(server: Server) {
        let admin: Client = server.admin().await;
        let document = "docs/definitions.md";
        let mut accepted = 0;
        for block in blocks_of(document) {
            match block.info.as_str() {
                "json module" => {
                    admin.create_module(parse(document, &block)).await.ok();
                    accepted += 1;
                }
                "json refused" => {
                    let answer = admin.create_module(parse(document, &block)).await;
                    answer.refused("VALIDATION_FAILED");
                }
                _ => {}
            }
        }
        assert!(accepted > 0, "the page shows modules");
    }
}

#[test]
fn links_of_the_documents_lead_to_files_that_are_there() {
    let documents = repository::text_files()
        .into_iter()
        .filter(|(path, _)| path.ends_with(".md") && !path.contains("/assets/") && !path.contains("target/"));
    let mut broken = BTreeSet::new();
    for (path, text) in documents {
        let folder = repository::root().join(&path);
        let folder = folder.parent().expect("a file is in a folder");
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !elsewhere && !target.contains(' ') && !folder.join(target).exists() {
                broken.insert(format!("{path}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
