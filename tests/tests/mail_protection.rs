//! What protects a mail on its way to the mail server: TLS, or nothing is sent.

use cardine_tests::{Backend, Certificate, Launch, MailServer, Server, eventually, on_both_databases};
use serde_json::json;

const EMAIL: &str = "ann@example.org";
const USER: &str = "crm";
const PASSWORD: &str = "hunter2hunter2";

/// A server that sends by `url` and believes the authority of `trusted`, after somebody forgot their password.
async fn asked(backend: Backend, url: &str, trusted: &Certificate) -> Server {
    let authority = trusted.authority();
    let launch = Launch::new(backend)
        .arguments(["--smtp-url", url, "--mail-from", "crm@example.org", "--public-url", "https://crm.example.org/"])
        .variable("SSL_CERT_FILE", authority.to_str().expect("a path in UTF-8"));
    let server = launch.start().await;
    server.admin().await.create_user(EMAIL, "Ann likes long passwords", "sales-person").await;
    let answer = server.anonymous().post("/auth/forgot-password", &json!({"email": EMAIL})).await;
    assert_eq!(answer.status, 202, "{answer}");
    server
}

/// The mail was tried, did not go, and waits; of what it says nothing went to `mail`.
async fn nothing_went(server: &Server, mail: &MailServer) {
    eventually("the mail could not be sent", || async {
        server.log().contains("a mail could not be sent; it is tried again").then_some(())
    })
    .await;
    assert!(mail.mails().is_empty(), "{:?}", mail.mails());
    let heard = mail.heard_in_clear().join("\n");
    for word in ["AUTH", "MAIL", "RCPT", "DATA", EMAIL, PASSWORD, "token="] {
        assert!(!heard.to_uppercase().contains(&word.to_uppercase()), "{word} was sent in clear:\n{heard}");
    }
    assert!(!server.log().contains(PASSWORD), "{}", server.log());
}

on_both_databases! {
    async fn a_mail_goes_by_starttls_and_the_password_behind_it(backend: Backend) {
        let certificate = Certificate::of("127.0.0.1");
        let mail = MailServer::start_with_starttls(&certificate).await;
        mail.ask_for(USER, PASSWORD);
        let _server = asked(backend, &format!("smtp://{USER}:{PASSWORD}@{}?tls=required", mail.address()), &certificate).await;
        let received = mail.mail(1).await;
        assert!(received.protected && received.text().contains("token=cpr_"), "{received:?}");
        let heard = mail.heard_in_clear();
        assert!(heard.len() == 2 && heard[0].starts_with("EHLO") && heard[1] == "STARTTLS", "{heard:?}");
    }

    async fn a_mail_goes_by_tls_from_the_first_byte(backend: Backend) {
        let certificate = Certificate::of("127.0.0.1");
        let mail = MailServer::start_with_tls(&certificate).await;
        mail.ask_for(USER, PASSWORD);
        let _server = asked(backend, &format!("smtps://{USER}:{PASSWORD}@{}", mail.address()), &certificate).await;
        let received = mail.mail(1).await;
        assert!(received.protected && mail.heard_in_clear().is_empty(), "{received:?}");
    }

    async fn nothing_is_sent_where_starttls_is_not_offered(backend: Backend) {
        let mail = MailServer::start().await;
        mail.ask_for(USER, PASSWORD);
        let url = format!("smtp://{USER}:{PASSWORD}@{}?tls=required", mail.address());
        let server = asked(backend, &url, &Certificate::of("127.0.0.1")).await;
        nothing_went(&server, &mail).await;
        assert!(mail.heard_in_clear()[0].starts_with("EHLO"), "it was reached");
    }

    async fn nothing_is_sent_to_a_server_of_another_name(backend: Backend) {
        let certificate = Certificate::of("mail.example.net");
        let mail = MailServer::start_with_starttls(&certificate).await;
        let server = asked(backend, &format!("smtp://{}?tls=required", mail.address()), &certificate).await;
        nothing_went(&server, &mail).await;
        assert!(mail.heard_in_clear().contains(&"STARTTLS".to_owned()));
    }

    async fn nothing_is_sent_to_a_server_that_nobody_known_vouches_for(backend: Backend) {
        let mail = MailServer::start_with_starttls(&Certificate::of("127.0.0.1")).await;
        let another = Certificate::of("127.0.0.1");
        let server = asked(backend, &format!("smtp://{}?tls=required", mail.address()), &another).await;
        nothing_went(&server, &mail).await;
        let mail = MailServer::start_with_tls(&Certificate::of("127.0.0.1")).await;
        let server = asked(backend, &format!("smtps://{}", mail.address()), &another).await;
        nothing_went(&server, &mail).await;
    }
}
