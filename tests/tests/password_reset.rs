//! Forgotten passwords: the mail, its link, and that nobody learns or gains anything by asking.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod hand;

use cardine_tests::{Answer, Backend, Client, Launch, MailServer, Server, eventually, on_both_databases};
use hand::{count, everything, run};
use reqwest::Method;
use serde_json::{Value, json};

const EMAIL: &str = "ann@example.org";
const PASSWORD: &str = "Ann likes long passwords";
const NEW: &str = "quite another pass phrase";

fn launch(backend: Backend, mail: &MailServer) -> Launch {
    let from = "Our CRM <crm@example.org>";
    let url = "https://crm.example.org/base";
    Launch::new(backend).arguments(["--smtp-url", &mail.url(), "--mail-from", from, "--public-url", url])
}

/// A server that sends mail, with a user named Ann.
async fn site(backend: Backend) -> (Server, MailServer) {
    let mail = MailServer::start().await;
    let server = launch(backend, &mail).start().await;
    server.admin().await.create_user(EMAIL, PASSWORD, "sales-person").await;
    (server, mail)
}

async fn forget(server: &Server, email: &str) -> Answer {
    server.anonymous().post("/auth/forgot-password", &json!({"email": email})).await
}

async fn reset(server: &Server, token: &Value, password: &str) -> Answer {
    server.anonymous().post("/auth/reset-password", &json!({"token": token, "password": password})).await
}

async fn sign_in(server: &Server, password: &str) -> Result<Client, Answer> {
    server.anonymous().sign_in(EMAIL, password).await
}

/// The token of the next mail, after so many that came before.
async fn mailed(server: &Server, mail: &MailServer) -> Value {
    let before = mail.mails().len();
    assert_eq!(forget(server, EMAIL).await.status, 202);
    json!(mail.mail(before + 1).await.token())
}

/// Waits until all requests were looked at, by one of somebody else that is answered by a mail.
async fn settled(server: &Server, mail: &MailServer) {
    let email = format!("{}@example.org", uuid::Uuid::new_v4().simple());
    server.admin().await.create_user(&email, PASSWORD, "sales-person").await;
    assert_eq!(forget(server, &email).await.status, 202);
    let arrived = || async { mail.mails().iter().any(|mail| mail.to[0].contains(&email)).then_some(()) };
    eventually("the mail of the last request comes", arrived).await;
}

on_both_databases! {
    async fn who_forgot_the_password_sets_another_by_the_mailed_link(backend: Backend) {
        let (server, mail) = site(backend).await;
        let (client, key) = {
            let client = sign_in(&server, PASSWORD).await.unwrap();
            let key = client.with_api_key(None).await;
            (client, key)
        };
        let mut socket = client.websocket().await;
        let answer = forget(&server, " ANN@Example.org ").await;
        assert_eq!((answer.status, &answer.body), (202, &json!({"requested": true})));
        let received = mail.mail(1).await;
        assert!(received.to.iter().all(|to| to.trim_matches(['<', '>']) == EMAIL) && received.to.len() == 1, "{received:?}");
        assert_eq!(received.from.trim_matches(['<', '>']), "crm@example.org");
        assert_eq!(received.header("subject"), "Set a new password");
        assert!(received.header("message-id").ends_with("@cardine>"), "{received:?}");
        assert!(received.text().contains("https://crm.example.org/base/reset?token=cpr_"), "{received:?}");
        let token = json!(received.token());
        assert_eq!(reset(&server, &token, NEW).await.status, 200);
        assert!(sign_in(&server, PASSWORD).await.is_err());
        sign_in(&server, NEW).await.unwrap();
        assert_eq!(client.query("{ me { role } }").await.status, 401, "all sessions end");
        assert_eq!(socket.closed().await, 4403);
        key.query("{ me { role } }").await.ok();
        assert_eq!(reset(&server, &token, "once more with it").await.status, 401);
    }

    async fn the_page_of_the_link_sets_the_password_too(backend: Backend) {
        let (server, mail) = site(backend).await;
        let token = mailed(&server, &mail).await;
        let anonymous = server.anonymous();
        let address = format!("/reset?token={}", token.as_str().unwrap());
        // Looking at it, as mail servers do, uses nothing up.
        for _ in 0..2 {
            let page = anonymous.get(&address).await;
            assert!(page.status == 200 && page.text.contains("type=\"password\""), "{page}");
            assert_eq!(page.headers["referrer-policy"], "no-referrer");
        }
        let form = |password: &str, repeated: &str| {
            format!("token={}&password={password}&repeated={repeated}", token.as_str().unwrap())
        };
        let post = |body: String| {
            let anonymous = server.anonymous();
            async move { anonymous.post_raw("/reset", "application/x-www-form-urlencoded", body).await }
        };
        assert_eq!(post(form("another+phrase", "another+phrasf")).await.status, 422);
        assert_eq!(post(form("short", "short")).await.status, 422);
        let foreign = anonymous.request(Method::POST, "/reset").header("sec-fetch-site", "cross-site");
        let foreign = foreign.header("content-type", "application/x-www-form-urlencoded").body(form("another+phrase", "another+phrase"));
        assert_eq!(Answer::of(foreign).await.status, 403);
        assert_eq!(post(form("another+phrase", "another+phrase")).await.status, 200);
        sign_in(&server, "another phrase").await.unwrap();
        assert_eq!(anonymous.get(&address).await.status, 404);
        assert_eq!(post(form("once+more+it", "once+more+it")).await.status, 404);
        let page = anonymous.get("/reset?token=%3Cscript%3E").await;
        assert_eq!(page.status, 404);
        page.never_says("<script");
    }

    async fn a_link_works_once_even_for_fifty_at_once(backend: Backend) {
        let (server, mail) = site(backend).await;
        let token = mailed(&server, &mail).await;
        let passwords: Vec<String> = (0..50).map(|number| format!("password number {number}")).collect();
        let answers = futures_util::future::join_all(passwords.iter().map(|password| reset(&server, &token, password))).await;
        let set: Vec<&String> =
            answers.iter().zip(&passwords).filter(|(answer, _)| answer.status == 200).map(|(_, password)| password).collect();
        assert_eq!(set.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)));
        sign_in(&server, set[0]).await.unwrap();
    }

    async fn asking_tells_nothing_of_who_is_there(backend: Backend) {
        let (server, mail) = site(backend).await;
        let mut answers = Vec::new();
        for email in [EMAIL, "nobody@example.org", "not an address", "", "ann@example.org\r\nBcc: eve@example.org", "ann@exàmple.org"] {
            let answer = forget(&server, email).await;
            let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
            headers.sort();
            answers.push((answer.status, answer.text, headers));
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
        settled(&server, &mail).await;
        let to: Vec<String> = mail.mails().iter().flat_map(|mail| mail.to.clone()).collect();
        assert_eq!(to.len(), 2, "the one, and the one that was waited for: {to:?}");
        for body in [json!({}), json!({"email": null}), json!({"email": [EMAIL]}), json!({"email": EMAIL, "link": "https://evil.example"})] {
            assert_eq!(server.anonymous().post("/auth/forgot-password", &body).await.status, 400, "{body}");
        }
    }

    async fn no_header_moves_the_link(backend: Backend) {
        let (server, mail) = site(backend).await;
        let request = server.anonymous().request(Method::POST, "/auth/forgot-password");
        let request = request
            .header("host", "evil.example")
            .header("origin", "https://evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "gopher")
            .header("forwarded", "host=evil.example");
        assert_eq!(Answer::of(request.json(&json!({"email": EMAIL}))).await.status, 202);
        let received = mail.mail(1).await;
        assert!(!received.content.contains("evil") && !received.content.contains("gopher"), "{received:?}");
        assert!(received.text().contains("https://crm.example.org/base/reset?token="));
    }

    async fn what_is_no_good_token_resets_nothing(backend: Backend) {
        let (server, mail) = site(backend).await;
        let good = mailed(&server, &mail).await;
        let text = good.as_str().unwrap();
        let mut twisted = text.to_owned();
        let last = if twisted.pop() == Some('A') { 'E' } else { 'A' };
        twisted.push(last);
        let (access, key) = {
            let client = sign_in(&server, PASSWORD).await.unwrap();
            (client.token().unwrap().to_owned(), client.with_api_key(None).await.token().unwrap().to_owned())
        };
        for token in [Value::Null, json!(""), json!([]), json!({}), json!([text]), json!({"eq": text}), json!(true), json!(0)] {
            let answer = reset(&server, &token, NEW).await;
            assert!([400, 401].contains(&answer.status), "{token}: {answer}");
        }
        for token in [&twisted, &text[..text.len() - 1], &format!("{text}="), &format!(" {text}"), &access, &key, "%"] {
            let answer = reset(&server, &json!(token), NEW).await;
            assert_eq!(answer.status, 401, "{token}: {answer}");
            answer.never_says(text);
        }
        // A faulty password does not use the link up.
        let answer = reset(&server, &good, "short").await;
        assert_eq!((answer.status, &answer.issues()[0]["path"]), (422, &json!(["password"])));
        assert_eq!(reset(&server, &good, NEW).await.status, 200);
    }

    async fn a_link_is_of_no_use_after_any_change_of_the_account(backend: Backend) {
        let (server, mail) = site(backend).await;
        let admin = server.admin().await;
        let ann = sign_in(&server, PASSWORD).await.unwrap();
        let id = ann.own_id().await;
        // The user's own change.
        let token = mailed(&server, &mail).await;
        ann.admin_query_with("mutation($old: String!) { changePassword(current: $old, new: \"changed by herself\") }", json!({"old": PASSWORD})).await.ok();
        assert_eq!(reset(&server, &token, NEW).await.status, 401);
        // An administrator's, and with a second link the use of the first.
        let (first, second) = (mailed(&server, &mail).await, mailed(&server, &mail).await);
        assert_eq!(reset(&server, &second, NEW).await.status, 200);
        assert_eq!(reset(&server, &first, "with the older link").await.status, 401);
        sign_in(&server, NEW).await.unwrap();
        assert_eq!(mail.mails().len(), 3, "as many as there are in an hour");
        // Of another user: switched off, or with another address.
        let mut tokens = Vec::new();
        for (email, change) in [
            ("bob@example.org", "setUserActive(user: $user, active: false)"),
            ("eve@example.org", "updateUser(user: $user, email: \"eva@example.org\")"),
            ("joe@example.org", "setPassword(user: $user, password: \"by the administrator\")"),
        ] {
            admin.create_user(email, PASSWORD, "sales-person").await;
            let user = server.sign_in(email, PASSWORD).await.own_id().await;
            let before = mail.mails().len();
            assert_eq!(forget(&server, email).await.status, 202);
            tokens.push(mail.mail(before + 1).await.token());
            let mutation = format!("mutation($user: ID!) {{ {change} {{ id }} }}");
            admin.admin_query_with(&mutation, json!({"user": user})).await.ok();
        }
        for token in &tokens {
            assert_eq!(reset(&server, &json!(token), NEW).await.status, 401);
        }
        // An address that another user gets later gives nothing to who had it before.
        admin.create_user("eve@example.org", PASSWORD, "administrator").await;
        assert_eq!(reset(&server, &json!(tokens[1]), NEW).await.status, 401);
        assert!(server.anonymous().sign_in("eve@example.org", NEW).await.is_err());
        // Who may not sign in gets no mail.
        admin.set_user_active(&id, false).await;
        let before = mail.mails().len();
        forget(&server, EMAIL).await;
        settled(&server, &mail).await;
        assert_eq!(mail.mails().len(), before + 1, "that of the one who was waited for");
    }

    async fn nobody_is_flooded_with_mail(backend: Backend) {
        let (server, mail) = site(backend).await;
        for _ in 0..10 {
            assert_eq!(forget(&server, EMAIL).await.status, 202);
        }
        settled(&server, &mail).await;
        assert_eq!(mail.mails().iter().filter(|mail| mail.to[0].contains(EMAIL)).count(), 3);
        // 11 were asked for; the network has 20 an hour, whoever is asked for and however the address is written.
        for number in 0..9 {
            assert_eq!(forget(&server, &format!("nobody{number}@example.org")).await.status, 202, "{number}");
        }
        let request = server.anonymous().request(Method::POST, "/auth/forgot-password").header("x-forwarded-for", "192.0.2.9");
        let answer = Answer::of(request.json(&json!({"email": "fresh@example.org"}))).await;
        assert_eq!(answer.status, 429, "{answer}");
        assert!(answer.headers.contains_key("retry-after"));
    }

    async fn requests_at_once_are_counted_one_by_one(backend: Backend) {
        let (server, mail) = site(backend).await;
        let other = match backend {
            Backend::Postgres => Some(server.another().await),
            Backend::Sqlite => None,
        };
        let asked = (0..60).map(|number| {
            let server = if number % 2 == 0 { &server } else { other.as_ref().unwrap_or(&server) };
            forget(server, EMAIL)
        });
        let answers = futures_util::future::join_all(asked).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 202).count(), 20);
        assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 40);
        mail.mail(3).await;
        // The limits of requests are reached, so the wait is for what is in the database.
        eventually("all requests were looked at", || async {
            (count(&server, "SELECT count(*) FROM password_reset WHERE prepared_at IS NULL").await == 0).then_some(())
        }).await;
        assert_eq!(count(&server, "SELECT count(*) FROM mail_outbox").await, 3);
    }

    async fn a_mail_that_is_refused_for_now_is_sent_later_and_one_for_good_is_given_up(backend: Backend) {
        let (server, mail) = site(backend).await;
        mail.refuse(1, 451);
        let token = mailed(&server, &mail).await;
        assert_eq!(mail.refused(), 1);
        mail.refuse(1, 550);
        assert_eq!(forget(&server, EMAIL).await.status, 202);
        eventually("the mail is given up", || async {
            (count(&server, "SELECT count(*) FROM mail_outbox WHERE failed_at IS NOT NULL").await == 1).then_some(())
        }).await;
        assert_eq!(mail.mails().len(), 1);
        assert_eq!(reset(&server, &token, NEW).await.status, 200);
    }

    async fn a_mail_server_without_encryption_gets_nothing_where_it_is_asked_for(backend: Backend) {
        let mail = MailServer::start().await;
        let url = format!("{}?tls=required", mail.url_with_credentials("crm", "not in clear"));
        let server = Launch::new(backend).arguments(["--smtp-url", &url, "--mail-from", "crm@example.org"]).start().await;
        server.admin().await.create_user(EMAIL, PASSWORD, "sales-person").await;
        assert_eq!(forget(&server, EMAIL).await.status, 202);
        eventually("it is noted what is wrong", || async {
            (count(&server, "SELECT count(*) FROM mail_outbox WHERE error IS NOT NULL AND failed_at IS NULL").await == 1).then_some(())
        }).await;
        assert!(mail.mails().is_empty());
        assert!(!everything(&server).await.contains("not in clear"));
    }

    async fn a_crash_loses_no_mail_and_a_second_one_is_seen_to_be_the_same(backend: Backend) {
        let (mut server, mail) = site(backend).await;
        // The mail server has it and never says so; the process dies while it waits.
        mail.keep_silent(true);
        assert_eq!(forget(&server, EMAIL).await.status, 202);
        let first = mail.mail(1).await;
        server.kill_hard();
        mail.keep_silent(false);
        server.restart().await;
        end_leases(&server).await;
        let second = mail.mail(2).await;
        assert_eq!(first.header("message-id"), second.header("message-id"));
        assert_eq!(first.header("date"), second.header("date"));
        eventually("the mail is noted as sent", || async {
            (count(&server, "SELECT count(*) FROM mail_outbox WHERE sent_at IS NOT NULL").await == 1).then_some(())
        }).await;
        assert_eq!(mail.mails().len(), 2);
        // Whichever of the two is read, its link is good, once.
        assert_eq!(reset(&server, &json!(first.token()), NEW).await.status, 200);
        assert_eq!(reset(&server, &json!(second.token()), "with the other one").await.status, 401);
    }

    async fn a_request_that_was_answered_is_not_lost_by_a_crash(backend: Backend) {
        let mail = MailServer::start().await;
        let mut server = launch(backend, &mail).start().await;
        server.admin().await.create_user(EMAIL, PASSWORD, "sales-person").await;
        assert_eq!(forget(&server, EMAIL).await.status, 202);
        server.kill_hard();
        server.restart().await;
        end_leases(&server).await;
        let received = mail.mail(1).await;
        assert_eq!(reset(&server, &json!(received.token()), NEW).await.status, 200);
    }

    async fn no_token_and_no_password_stands_in_the_database_or_the_log(backend: Backend) {
        let mail = MailServer::start().await;
        let smtp = mail.url_with_credentials("crm", "canary-of-the-mail-server");
        let launch = Launch::new(backend).arguments(["--smtp-url", &smtp, "--mail-from", "crm@example.org", "--log", "debug"]);
        let server = launch.start().await;
        let admin = server.admin().await;
        admin.create_user(EMAIL, "canary of the first password", "sales-person").await;
        let signed_in = server.anonymous().post("/auth/sign-in", &json!({"email": EMAIL, "password": "canary of the first password"})).await;
        let client = server.anonymous().with_token(signed_in.body["accessToken"].as_str().unwrap());
        let key = client.with_api_key(Some(&["records:read"])).await;
        key.query("{ me { role } }").await.ok();
        let console = json!({"email": EMAIL, "password": "canary of the first password", "cookie": true});
        let console = server.anonymous().post("/auth/sign-in", &console).await;
        let cookie = console.headers["set-cookie"].to_str().unwrap().split(['=', ';']).nth(1).unwrap().to_owned();
        server.anonymous().post("/auth/sign-in", &json!({"email": EMAIL, "password": "canary of a wrong password"})).await;
        server.anonymous().post("/auth/sign-in", &json!({"email": "canary typed into the wrong field", "password": "x"})).await;
        let token = mailed(&server, &mail).await;
        server.anonymous().get(&format!("/reset?token={}", token.as_str().unwrap())).await;
        assert_eq!(reset(&server, &token, "canary of the second password").await.status, 200);
        let mut secrets: Vec<String> = ["canary-of-the-mail-server", "canary of the", "canary of a wrong", "canary typed", &cookie]
            .map(str::to_owned).into();
        for token in [&signed_in.body["accessToken"], &signed_in.body["refreshToken"], &console.body["csrfToken"], &token] {
            secrets.push(token.as_str().unwrap().to_owned());
        }
        secrets.push(key.token().unwrap().to_owned());
        let (log, stored) = (server.log(), everything(&server).await);
        assert!(log.len() > 1_000 && stored.contains(EMAIL), "there is something to look through");
        for secret in &secrets {
            assert!(secret.len() > 10, "{secret}");
            assert!(!log.contains(secret.as_str()), "in the log: {secret}");
            assert!(!stored.contains(secret.as_str()), "in the database: {secret}");
        }
    }

    async fn without_a_mail_server_it_is_said_to_everybody_alike(server: Server) {
        for email in [EMAIL, "nobody@example.org"] {
            let answer = forget(&server, email).await;
            assert_eq!((answer.status, answer.codes()), (503, vec!["UNAVAILABLE"]));
        }
    }

    async fn a_mail_is_in_the_language_of_its_user(backend: Backend) {
        let (server, mail) = site(backend).await;
        let id = sign_in(&server, PASSWORD).await.unwrap().own_id().await;
        let update = "mutation($user: ID!, $name: String!) { updateUser(user: $user, locale: \"it-IT\", name: $name) { id } }";
        server.admin().await.admin_query_with(update, json!({"user": id, "name": "<b>Ann</b>"})).await.ok();
        forget(&server, EMAIL).await;
        let received = mail.mail(1).await;
        assert_eq!(received.header("subject"), "Imposta una nuova password");
        let html = received.text().split("text/html").nth(1).unwrap().to_owned();
        assert!(html.contains("&lt;b&gt;Ann&lt;") && !html.contains("<b>"), "{html}");
    }
}

/// Ends the leases of a process that was killed, as time does.
async fn end_leases(server: &Server) {
    run(server, "UPDATE mail_outbox SET lease_until = NULL").await;
}
