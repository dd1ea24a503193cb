//! Sessions: seen and ended by their user, and what else ends them, on every process of the database.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::server::ADMIN_PASSWORD;
use cardine_tests::{Answer, Backend, Client, Launch, Server, eventually, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

const PASSWORD: &str = "Ann likes long passwords";
const SESSIONS: &str = "{ sessions { id createdAt lastUsedAt expiresAt userAgent network current } }";
const WHO: &str = "{ me { role } }";

/// A user named Ann.
async fn ann(server: &Server) {
    server.admin().await.create_user("ann@example.org", PASSWORD, "sales-person").await;
}

/// The tokens of a sign-in with this `User-Agent`.
async fn tokens(server: &Server, agent: &str) -> Value {
    let request = server.anonymous().request(Method::POST, "/auth/sign-in").header("user-agent", agent);
    let answer = Answer::of(request.json(&json!({"email": "ann@example.org", "password": PASSWORD}))).await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.body
}

fn with(server: &Server, tokens: &Value) -> Client {
    server.anonymous().with_token(tokens["accessToken"].as_str().unwrap())
}

async fn is_good(client: &Client) -> bool {
    let answer = client.query(WHO).await;
    assert!(matches!(answer.status, 200 | 401), "{answer}");
    answer.status == 200
}

async fn refreshed(server: &Server, tokens: &Value) -> Answer {
    server.anonymous().post("/auth/refresh", &json!({"refreshToken": tokens["refreshToken"]})).await
}

async fn attempt(server: &Server, email: &str, password: &str) -> u16 {
    server.anonymous().post("/auth/sign-in", &json!({"email": email, "password": password})).await.status
}

async fn eventually_refused(client: &Client) {
    eventually("the other process refuses the token", || async { (!is_good(client).await).then_some(()) }).await;
}

on_both_databases! {
    async fn sessions_are_listed_with_what_people_recognise_them_by(server: Server) {
        ann(&server).await;
        let (phone, laptop) = (tokens(&server, "Phone/1.0").await, tokens(&server, "Laptop/2.0").await);
        // A refresh makes no other session.
        let phone = refreshed(&server, &phone).await.body;
        let answer = with(&server, &laptop).admin_query(SESSIONS).await;
        let sessions = answer.ok()["sessions"].as_array().unwrap();
        assert_eq!(sessions.len(), 2, "{answer}");
        for session in sessions {
            let is_laptop = session["userAgent"] == "Laptop/2.0";
            assert_eq!(session["current"], is_laptop, "{answer}");
            assert_eq!(session["network"], "127.0.0.1");
            assert!(session["createdAt"].as_str() <= session["lastUsedAt"].as_str());
            assert!(session["createdAt"].as_str() < session["expiresAt"].as_str());
        }
        for tokens in [&phone, &laptop] {
            for token in ["accessToken", "refreshToken"] {
                answer.never_says(tokens[token].as_str().unwrap());
            }
        }
    }

    async fn an_ended_session_is_refused_at_once_here_and_within_a_second_elsewhere(server: Server) {
        ann(&server).await;
        let (stolen, own) = (tokens(&server, "Stolen/1.0").await, tokens(&server, "Own/1.0").await);
        let (thief, owner) = (with(&server, &stolen), with(&server, &own));
        let other = match server.backend() {
            Backend::Postgres => Some(server.another().await),
            Backend::Sqlite => None,
        };
        let elsewhere = other.as_ref().map(|other| with(other, &stolen));
        let mut sockets = vec![thief.websocket().await];
        if let Some(elsewhere) = &elsewhere {
            sockets.push(elsewhere.websocket().await);
            assert!(is_good(elsewhere).await);
        }
        let listed = owner.admin_query(SESSIONS).await;
        let sessions = listed.ok()["sessions"].as_array().unwrap();
        let id = &sessions.iter().find(|session| session["userAgent"] == "Stolen/1.0").unwrap()["id"];
        assert!(is_good(&thief).await);
        owner.admin_query_with("mutation($id: ID!) { revokeSession(id: $id) }", json!({"id": id})).await.ok();
        assert!(!is_good(&thief).await);
        assert_eq!(refreshed(&server, &stolen).await.status, 401);
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, 4403);
        }
        if let Some(elsewhere) = &elsewhere {
            eventually_refused(elsewhere).await;
        }
        assert!(is_good(&owner).await);
        let again = owner.admin_query_with("mutation($id: ID!) { revokeSession(id: $id) }", json!({"id": id})).await;
        again.refused("NOT_FOUND");
    }

    async fn all_others_end_together_and_this_one_if_it_is_meant(server: Server) {
        ann(&server).await;
        let (first, second, own) = (tokens(&server, "A").await, tokens(&server, "B").await, tokens(&server, "C").await);
        let owner = with(&server, &own);
        owner.admin_query("mutation { revokeAllSessions }").await.ok();
        assert!(!is_good(&with(&server, &first)).await && !is_good(&with(&server, &second)).await && is_good(&owner).await);
        owner.admin_query("mutation { revokeAllSessions(thisToo: true) }").await.ok();
        assert!(!is_good(&owner).await);
        assert_eq!(refreshed(&server, &own).await.status, 401);
        assert!(is_good(&server.admin().await).await, "others' sessions go on");
    }

    async fn nobody_sees_or_ends_anothers_session_but_administrators(server: Server) {
        ann(&server).await;
        let (admin, bob) = (server.admin().await, server.create_user_with_role("sales-person").await);
        let anns = with(&server, &tokens(&server, "A").await);
        let id = anns.admin_query(SESSIONS).await.ok()["sessions"][0]["id"].clone();
        let user = json!({"user": anns.own_id().await});
        let (list, end) = ("query($user: ID!) { sessions(user: $user) { id } }", "mutation($id: ID!) { revokeSession(id: $id) }");
        bob.admin_query_with(list, user.clone()).await.refused("FORBIDDEN");
        bob.admin_query_with("mutation($user: ID!) { revokeAllSessions(user: $user) }", user.clone()).await.refused("FORBIDDEN");
        bob.admin_query_with(end, json!({"id": id})).await.refused("NOT_FOUND");
        bob.admin_query("{ users { email } }").await.refused("FORBIDDEN").never_says("ann@");
        server.anonymous().admin_query(SESSIONS).await.refused("UNAUTHENTICATED");
        assert!(is_good(&anns).await);
        assert_eq!(admin.admin_query_with(list, user.clone()).await.ok()["sessions"], json!([{"id": id}]));
        admin.admin_query_with("mutation($user: ID!) { revokeAllSessions(user: $user) }", user).await.ok();
        assert!(!is_good(&anns).await);
    }

    async fn a_password_is_changed_by_who_knows_it_and_ends_the_other_sessions(server: Server) {
        ann(&server).await;
        let (other, own) = (tokens(&server, "A").await, tokens(&server, "B").await);
        let owner = with(&server, &own);
        let change = "mutation($current: String!, $new: String!) { changePassword(current: $current, new: $new) }";
        let refused = owner.admin_query_with(change, json!({"current": "not this one", "new": "quite another one"})).await;
        assert_eq!(refused.refused("FORBIDDEN").issues()[0]["path"], json!(["current"]), "{refused}");
        for unfit in ["short", &"x".repeat(257)] {
            owner.admin_query_with(change, json!({"current": PASSWORD, "new": unfit})).await.refused("VALIDATION_FAILED");
        }
        assert!(is_good(&with(&server, &other)).await);
        owner.admin_query_with(change, json!({"current": PASSWORD, "new": "quite another one"})).await.ok();
        assert!(is_good(&owner).await && !is_good(&with(&server, &other)).await);
        assert_eq!(refreshed(&server, &other).await.status, 401);
        assert_eq!(attempt(&server, "ann@example.org", PASSWORD).await, 401);
        assert_eq!(attempt(&server, "ann@example.org", "quite another one").await, 200);
    }

    async fn a_stolen_token_is_no_way_to_guess_the_password_faster(server: Server) {
        ann(&server).await;
        let owner = with(&server, &tokens(&server, "A").await);
        let guesses: String =
            (0..20).map(|n| format!("g{n}: changePassword(current: \"guess {n}\", new: \"long enough\") ")).collect();
        // Each stands for itself, in an operation of its own or with others.
        let answer = owner.admin_query(&format!("mutation {{ {guesses} }}")).await;
        assert!(!answer.errors().is_empty(), "{answer}");
        for number in 0..20 {
            let guess = json!({"guess": format!("another guess {number}")});
            owner.admin_query_with("mutation($guess: String!) { changePassword(current: $guess, new: \"long enough\") }", guess).await;
        }
        let known = json!({"current": PASSWORD});
        let change = "mutation($current: String!) { changePassword(current: $current, new: \"long enough\") }";
        owner.admin_query_with(change, known).await.refused("LIMIT_EXCEEDED");
        assert_eq!(attempt(&server, "ann@example.org", PASSWORD).await, 429, "it is the same account");
    }

    async fn an_administrator_sets_a_password_that_ends_all_sessions(server: Server) {
        ann(&server).await;
        let admin = server.admin().await;
        let owner = with(&server, &tokens(&server, "A").await);
        let set = "mutation($user: ID!) { setPassword(user: $user, password: \"given by the administrator\") { email } }";
        let user = json!({"user": owner.own_id().await});
        owner.admin_query_with(set, user.clone()).await.refused("FORBIDDEN");
        admin.admin_query_with(set, user).await.ok();
        assert!(!is_good(&owner).await);
        assert_eq!(attempt(&server, "ann@example.org", "given by the administrator").await, 200);
    }

    async fn who_may_not_sign_in_any_more_is_nobody_by_every_token(server: Server) {
        ann(&server).await;
        let admin = server.admin().await;
        let own = tokens(&server, "A").await;
        let owner = with(&server, &own);
        let key = owner.with_api_key(None).await;
        let id = owner.own_id().await;
        let mut sockets = [owner.websocket().await, key.websocket().await];
        let other = match server.backend() {
            Backend::Postgres => Some(server.another().await),
            Backend::Sqlite => None,
        };
        let elsewhere: Vec<Client> = other.iter().flat_map(|other| {
            [with(other, &own), other.anonymous().with_token(key.token().unwrap())]
        }).collect();
        for client in &elsewhere {
            assert!(is_good(client).await);
        }
        admin.set_user_active(&id, false).await;
        assert!(!is_good(&owner).await && !is_good(&key).await);
        assert_eq!(refreshed(&server, &own).await.status, 401);
        assert_eq!(attempt(&server, "ann@example.org", PASSWORD).await, 401);
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, 4403);
        }
        for client in &elsewhere {
            eventually_refused(client).await;
        }
        admin.set_user_active(&id, true).await;
        assert!(!is_good(&owner).await, "a session that ended stays ended");
    }

    async fn another_address_ends_the_sessions_and_is_one_account_in_any_spelling(server: Server) {
        ann(&server).await;
        let admin = server.admin().await;
        let owner = with(&server, &tokens(&server, "A").await);
        let update = "mutation($user: ID!, $email: String, $name: String, $locale: String, $timeZone: String) { \
             updateUser(user: $user, email: $email, name: $name, locale: $locale, timeZone: $timeZone) { name email locale timeZone } }";
        let id = owner.own_id().await;
        let named = admin.admin_query_with(update, json!({"user": id, "name": "Ann", "locale": "it", "timeZone": "Europe/Rome"})).await;
        let expected = json!({"name": "Ann", "email": "ann@example.org", "locale": "it", "timeZone": "Europe/Rome"});
        assert_eq!(named.ok()["updateUser"], expected);
        assert!(is_good(&owner).await, "a name ends nothing");
        for faulty in [json!({"timeZone": "Rome"}), json!({"locale": "<it>"}), json!({"email": "ann"}), json!({"name": "a\nb"})] {
            let mut variables = faulty.clone();
            variables["user"] = json!(id);
            admin.admin_query_with(update, variables).await.refused("VALIDATION_FAILED");
        }
        admin.admin_query_with(update, json!({"user": id, "email": " ADMIN@example.org"})).await.refused("CONFLICT");
        admin.admin_query_with(update, json!({"user": id, "email": "Ａnn.Rossi@Exámple.org"})).await.ok();
        assert!(!is_good(&owner).await);
        assert_eq!(attempt(&server, "ann.rossi@exámple.org", PASSWORD).await, 200);
        assert_eq!(attempt(&server, "ANN.ROSSI@EXA\u{301}MPLE.ORG", PASSWORD).await, 200);
        assert_eq!(attempt(&server, "ann.rossi@example.org", PASSWORD).await, 401, "a look-alike is somebody else");
        assert_eq!(attempt(&server, "ann@example.org", PASSWORD).await, 401);
        // What nobody may set of themselves is no argument, nor a field to write.
        owner.query("mutation($id: ID!) { updateUser(id: $id, data: {roleId: $id}) { id } }").await;
        let mutations = admin.query("{ __type(name: \"Mutation\") { fields { name } } }").await;
        mutations.never_says("updateUser\"").never_says("createUser\"").never_says("createSession");
    }

    async fn all_processes_count_the_same_failures(backend: Backend) {
        let server = Server::start(backend).await;
        ann(&server).await;
        let other = match backend {
            Backend::Postgres => Some(server.another().await),
            Backend::Sqlite => None,
        };
        let servers = [&server, other.as_ref().unwrap_or(&server)];
        // In different spellings, by different servers, with other claims of where they come from.
        for (number, email) in ["ann@example.org", "ANN@example.org", " ann@Example.org ", "Ann@example.org", "ａnn@example.org"].into_iter().enumerate() {
            let request = servers[number % 2].anonymous().request(Method::POST, "/auth/sign-in");
            let request = request.header("x-forwarded-for", format!("192.0.2.{number}")).header("forwarded", format!("for=192.0.2.{number}"));
            let answer = Answer::of(request.json(&json!({"email": email, "password": "a guess"}))).await;
            assert_eq!(answer.status, 401, "{email}: {answer}");
        }
        for server in servers {
            let answer = server.anonymous().post("/auth/sign-in", &json!({"email": "ann@example.org", "password": PASSWORD})).await;
            assert_eq!(answer.status, 429, "{answer}");
            assert!(answer.headers.contains_key("retry-after"));
        }
        assert!(is_good(&server.admin().await).await, "another account of the same network");
    }

    async fn a_trusted_proxy_tells_the_network(backend: Backend) {
        let server = Launch::new(backend).arguments(["--trusted-proxy", "127.0.0.1"]).start().await;
        ann(&server).await;
        let signed_in = |claimed: &'static str| {
            let request = server.anonymous().request(Method::POST, "/auth/sign-in").header("x-forwarded-for", claimed);
            Answer::of(request.json(&json!({"email": "ann@example.org", "password": PASSWORD})))
        };
        let answer = signed_in("203.0.113.9, 198.51.100.7").await;
        let client = with(&server, &answer.body);
        let listed = client.admin_query(SESSIONS).await;
        assert_eq!(listed.ok()["sessions"][0]["network"], "198.51.100.7", "what stands before is the client's own word");
    }

    async fn what_a_sign_in_does_not_know_is_refused(server: Server) {
        let (email, password) = ("admin@example.org", ADMIN_PASSWORD);
        for body in [
            json!({"email": email, "password": password, "role": "administrator"}),
            json!({"email": email}),
            json!({"email": [email], "password": password}),
            json!({"email": email, "password": null}),
            json!({"email": {"eq": email}, "password": password}),
        ] {
            let answer = server.anonymous().post("/auth/sign-in", &body).await;
            assert_eq!(answer.status, 400, "{answer}");
            answer.never_says(password);
        }
    }
}
