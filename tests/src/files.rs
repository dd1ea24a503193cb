//! What cases do with files: upload, download, and look into the folder where the server keeps the contents.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};

use crate::{Answer, Client, Server};

/// What came back for a file.
#[derive(Debug, Clone)]
pub struct Download {
    /// The HTTP status.
    pub status: u16,
    /// The HTTP headers.
    pub headers: HeaderMap,
    /// The body.
    pub content: Vec<u8>,
}

impl Download {
    /// Sends a request.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn of(request: RequestBuilder) -> Download {
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer from the server: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let content = response.bytes().await.unwrap_or_else(|error| panic!("the answer broke off: {error:?}")).to_vec();
        Download { status, headers, content }
    }

    /// The text of a header; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    /// Sends a file; the answer is not checked.
    pub async fn send_file(&self, name: &str, content: impl Into<Vec<u8>>) -> Answer {
        let part = Part::bytes(content.into()).file_name(name.to_owned());
        Answer::of(self.request(Method::POST, "/files").multipart(Form::new().part("file", part))).await
    }

    /// Uploads a file; gives its id.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn upload(&self, name: &str, content: impl Into<Vec<u8>>) -> String {
        let answer = self.send_file(name, content).await;
        assert_eq!(answer.status, 201, "{answer}");
        answer.body["id"].as_str().expect("a file has an id").to_owned()
    }

    /// Gets a file by its id.
    pub async fn download(&self, id: &str) -> Download {
        Download::of(self.request(Method::GET, &format!("/files/{id}"))).await
    }
}

impl Server {
    /// The contents that the server has: whole ones, and those of uploads that have not ended.
    ///
    /// # Panics
    /// If the folder cannot be read.
    #[must_use]
    pub fn contents(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let list = |name: &str| {
            let folder = self.data_directory().join("files").join(name);
            let entries = std::fs::read_dir(folder).expect("the server has made the folder");
            let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
            paths.sort();
            paths
        };
        (list("whole"), list("unfinished"))
    }

    /// Makes all contents look as if they had been written a day ago.
    ///
    /// # Panics
    /// If a file cannot be changed.
    pub fn age_contents(&self) {
        let (whole, unfinished) = self.contents();
        for path in whole.into_iter().chain(unfinished) {
            let file = std::fs::File::options().write(true).open(path).expect("the content can be opened");
            let yesterday = SystemTime::now() - Duration::from_secs(24 * 3_600);
            file.set_modified(yesterday).expect("the content's time can be set");
        }
    }
}
