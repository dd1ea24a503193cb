//! Labels, helps and options are told in the caller's language, by introspection, in the SDL and in messages.

use cardine_tests::{Answer, Client, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

async fn prepare(admin: &Client) {
    let words = |en: &str, it: &str| json!({"en": en, "it": it});
    let boxes = json!({"name": "Box", "plural": "Boxes", "label": words("Box", "Scatola"), "pluralLabel": words("Boxes", "Scatole"), "fields": [
        {"name": "weight", "type": "integer", "label": words("Weight", "Peso"), "help": words("In grams.", "In grammi.")},
        {"name": "state", "type": "choice", "label": {"it": "Stato"}, "options": [
            {"value": "OPEN", "label": words("Open", "Aperta")}, {"value": "SHUT", "label": "Zu", "active": false}]},
        {"name": "outer", "type": "reference", "to": "Box", "inverse": "inner", "label": words("Stands in", "Sta in")},
        {"name": "secret", "type": "text", "label": words("Secret", "Segreto")},
    ], "validations": [{"rule": "weight < 1000", "message": words("Too heavy.", "Troppo pesante."), "fields": ["weight"]}]});
    admin.create_module(boxes).await.ok();
}

async fn ask(client: &Client, language: Option<&str>, text: &str) -> Answer {
    let mut request = client.request(Method::POST, "/graphql").json(&json!({"query": text}));
    if let Some(language) = language {
        request = request.header("accept-language", language);
    }
    Answer::of(request).await
}

const TYPES: &str = "{ box: __type(name: \"Box\") { description fields { name description } } \
    create: __type(name: \"BoxCreate\") { inputFields { name description } } \
    state: __type(name: \"BoxState\") { enumValues(includeDeprecated: true) { name description } } }";

fn described<'a>(answer: &'a Answer, list: &str, name: &str) -> &'a Value {
    let members = answer.ok().pointer(list).and_then(Value::as_array).expect("a list");
    &members.iter().find(|member| member["name"] == name).expect("a member")["description"]
}

on_both_databases! {
    async fn the_schema_speaks_the_language_of_its_reader(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        // The same text, again and again: no answer is that of another language.
        for _ in 0..2 {
            for (language, name, weight, outer, inner, open) in [
                (None, "Box", "Weight\n\nIn grams.", "Stands in", "Boxes", "Open"),
                (Some("it"), "Scatola", "Peso\n\nIn grammi.", "Sta in", "Scatole", "Aperta"),
                (Some("it-CH, en;q=0.5"), "Scatola", "Peso\n\nIn grammi.", "Sta in", "Scatole", "Aperta"),
                (Some("en;q=0.4, it;q=0.6"), "Scatola", "Peso\n\nIn grammi.", "Sta in", "Scatole", "Aperta"),
                (Some("fr, it"), "Scatola", "Peso\n\nIn grammi.", "Sta in", "Scatole", "Aperta"),
                (Some("en;q=0.7, fr-CH, fr;q=0.9, it;q=0.8"), "Scatola", "Peso\n\nIn grammi.", "Sta in", "Scatole", "Aperta"),
                (Some("fr, en;q=0.8, it;q=0.7"), "Box", "Weight\n\nIn grams.", "Stands in", "Boxes", "Open"),
                (Some("fr"), "Box", "Weight\n\nIn grams.", "Stands in", "Boxes", "Open"),
                (Some("*, <it>;q=x"), "Box", "Weight\n\nIn grams.", "Stands in", "Boxes", "Open"),
            ] {
                let answer = ask(&admin, language, TYPES).await;
                assert_eq!(answer.ok()["box"]["description"], name, "{language:?}");
                for list in ["/box/fields", "/create/inputFields"] {
                    assert_eq!(described(&answer, list, "weight"), weight, "{language:?}");
                    assert_eq!(described(&answer, list, "state"), "Stato", "{language:?}");
                }
                assert_eq!(described(&answer, "/box/fields", "outer"), outer, "{language:?}");
                assert_eq!(described(&answer, "/create/inputFields", "outerId"), outer, "{language:?}");
                assert_eq!(described(&answer, "/box/fields", "inner"), inner, "{language:?}");
                assert_eq!(described(&answer, "/state/enumValues", "OPEN"), open, "{language:?}");
                assert_eq!(described(&answer, "/state/enumValues", "SHUT"), "Zu", "{language:?}");
            }
        }
        // As text, and in what is refused.
        let sdl = |language: &'static str| {
            Answer::of(admin.request(Method::GET, "/graphql/schema.graphql").header("accept-language", language))
        };
        let (english, italian) = (sdl("en").await.text, sdl("it-IT").await.text);
        assert!(english.contains("In grams.") && !english.contains("In grammi."));
        assert!(italian.contains("In grammi.") && !italian.contains("In grams."));
        let heavy = "mutation { createBox(data: {weight: 1000}) { id } }";
        assert!(ask(&admin, Some("it-IT"), heavy).await.refused("VALIDATION_FAILED").text.contains("Troppo pesante."));
        assert!(ask(&admin, Some("fr, it;q=0.1"), heavy).await.refused("VALIDATION_FAILED").text.contains("Troppo pesante."));
        assert!(ask(&admin, Some("fr"), heavy).await.refused("VALIDATION_FAILED").text.contains("Too heavy."));
    }

    async fn a_setting_comes_before_the_header_and_no_language_tells_more(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Box", json!({"read": true, "fields": {"*": "READ", "secret": "NONE"}})).await;
        let clerk = server.create_user_with_role("clerk").await;
        let label = async |client: &Client| {
            let answer = ask(client, Some("en"), "{ __type(name: \"Box\") { fields { name description } } }").await;
            assert_eq!(answer.text.contains("Secret"), client.token() == admin.token(), "{answer}");
            answer.never_says("Segreto");
            described(&answer, "/__type/fields", "outer").clone()
        };
        assert_eq!((label(&clerk).await, label(&admin).await), (json!("Stands in"), json!("Stands in")));
        let id = clerk.query("{ me { user { id } } }").await.ok()["me"]["user"]["id"].clone();
        let update = "mutation($user: ID!) { updateUser(user: $user, locale: \"it-IT\") { id } }";
        admin.admin_query_with(update, json!({"user": id})).await.ok();
        assert_eq!((label(&clerk).await, label(&admin).await), (json!("Sta in"), json!("Stands in")));
        assert_eq!(ask(&clerk, Some("en"), "{ me { locale } }").await.ok()["me"]["locale"], "it-IT");
    }
}
