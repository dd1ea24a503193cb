//! Mails that workflows send: to a real mail server, once, with what the author may read, and nothing in them is more than text.

use cardine_tests::{Backend, Client, Launch, MailServer, Server, eventually, on_both_databases};
use serde_json::{Value, json};

async fn site(backend: Backend) -> (Server, MailServer) {
    let mail = MailServer::start().await;
    let arguments =
        ["--smtp-url", &mail.url(), "--mail-from", "CRM <crm@example.org>", "--public-url", "https://crm.example.org/"];
    let server = Launch::new(backend).arguments(arguments).start().await;
    (server, mail)
}

async fn save(admin: &Client, mail: Value) -> cardine_tests::Answer {
    admin
        .save_workflow(json!({"name": "greet", "module": "Contact", "trigger": {"on": ["CREATED"]}, "steps": [{"id": "greet", "sendEmail": mail}]}))
        .await
}

/// The newest run once it has ended.
async fn ended(admin: &Client) -> Value {
    eventually("the run ends", || async {
        let answer = admin.admin_query("{ runs(first: 1) { status error steps { input output error } } }").await;
        let run = answer.ok()["runs"][0].clone();
        ["DONE", "FAILED"].contains(&run["status"].as_str().unwrap_or_default()).then_some(run)
    })
    .await
}

on_both_databases! {
    async fn each_recipient_gets_the_mail_once(backend: Backend) {
        let (server, mail) = site(backend).await;
        let admin = server.admin().await;
        save(&admin, json!({"to": ["{{ email }}", "sales@example.org"], "cc": "boss@example.org", "bcc": "archive@example.org", "replyTo": "sales@example.org",
            "subject": "Hello {{ lastName }}", "text": "Dear {{ lastName }} & co", "html": "<p>Dear {{ lastName }}</p>"})).await.ok();
        // The first attempts fail, as mail servers do.
        mail.refuse(2, 451);
        admin.create("Contact", json!({"lastName": "<b>Rossi</b>\r\nBcc: eve@example.org", "email": "rossi@example.org"})).await;
        let run = ended(&admin).await;
        assert_eq!((&run["status"], &run["steps"][0]["output"]), (&json!("DONE"), &json!({"recipients": 4})), "{run:#}");
        let taken = eventually("all have theirs", || async { (mail.mails().len() == 4).then(|| mail.mails()) }).await;
        let mut recipients: Vec<String> = taken.iter().flat_map(|mail| mail.to.clone()).map(|to| to.trim_matches(['<', '>']).to_owned()).collect();
        recipients.sort_unstable();
        assert_eq!(recipients, ["archive@example.org", "boss@example.org", "rossi@example.org", "sales@example.org"]);
        for mail in &taken {
            let head = ["To", "Cc", "Bcc", "Reply-To"].map(|name| mail.header(name));
            assert_eq!(head, ["rossi@example.org, sales@example.org", "boss@example.org", "", "sales@example.org"], "{}", mail.content);
            assert!(mail.header("Subject").starts_with("Hello"), "{}", mail.content);
            assert!(mail.text().contains("<p>Dear &lt;b&gt;Rossi&lt;/b&gt;"), "{}", mail.content);
            assert!(mail.text().contains("Dear <b>Rossi</b>") && mail.text().contains("& co"), "{}", mail.content);
        }
    }

    async fn what_the_author_may_not_read_is_in_no_mail(backend: Backend) {
        let (server, mail) = site(backend).await;
        let admin = server.admin().await;
        let role = |fields: Value| json!({"create": true, "read": true, "update": true, "fields": fields});
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Contact", role(json!({"*": "WRITE"}))).await;
        let document = json!({"name": "greet", "module": "Contact", "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"]},
            "steps": [{"id": "greet", "sendEmail": {"to": "sales@example.org", "subject": "New", "text": "{{ lastName }} {{ email }}"}}]});
        admin.save_workflow(document).await.ok();
        admin.create("Contact", json!({"lastName": "Rossi", "email": "rossi@example.org"})).await;
        assert!(mail.mail(1).await.text().contains("Rossi rossi@example.org"));
        admin.set_access("clerk", "Contact", role(json!({"*": "WRITE", "email": "NONE"}))).await;
        admin.create("Contact", json!({"lastName": "Bianchi", "email": "bianchi@example.org"})).await;
        let failed = eventually("its run fails", || async {
            let run = ended(&admin).await;
            (run["status"] == "FAILED").then_some(run)
        }).await;
        assert!(failed["error"].as_str().is_some_and(|error| error.starts_with("FORBIDDEN")), "{failed:#}");
        assert_eq!(mail.mails().len(), 1);
    }

    async fn files_of_records_go_with_a_mail_as_far_as_they_may_be_read(backend: Backend) {
        let (server, mail) = site(backend).await;
        let admin = server.admin().await;
        for name in ["contract", "secret"] {
            admin.add_field("Contact", json!({"name": name, "type": "file"})).await.ok();
        }
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Contact", json!({"read": true, "fields": {"*": "READ", "secret": "NONE"}})).await;
        admin.change("updateModule", json!({"name": "Contact", "patch": {"sharing": "PUBLIC_READ"}})).await.ok();
        let with = |attachments: Value| {
            let step = json!({"id": "greet", "sendEmail": {"to": "sales@example.org", "subject": "New", "text": "See below.", "attachments": attachments}});
            json!({"name": "greet", "module": "Contact", "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"]}, "steps": [step]})
        };
        let content = b"\xff\0A contract\r\nBcc: eve@example.org\r\n";
        let contract = admin.upload("Contratto è.bin", content.as_slice()).await;
        let secret = admin.upload("secret.txt", "hidden").await;
        admin.save_workflow(with(json!(["{{ contractId }}", "{{ contractId }}"]))).await.ok();
        admin.create("Contact", json!({"lastName": "Rossi", "contractId": contract, "secretId": secret})).await;
        let taken = mail.mail(1).await;
        assert_eq!(ended(&admin).await["steps"][0]["input"]["attachments"][0]["id"], json!(contract));
        let encoded = "/wBBIGNvbnRyYWN0DQpCY2M6IGV2ZUBleGFtcGxlLm9yZw0K";
        let plain: String = taken.content.split_whitespace().collect();
        assert!(plain.contains(encoded) && taken.content.contains("Content-Disposition: attachment"), "{}", taken.content);
        assert_eq!((taken.content.matches("Content-Disposition: attachment").count(), taken.header("Bcc").as_str()), (1, ""));
        // What may not be read goes with no mail, whoever names it; nor does what is no file, or too much.
        for (attachments, error) in [
            (json!("{{ secretId }}"), "FORBIDDEN"),
            (json!(secret), "NOT_FOUND"),
            (json!("{{ record.id }}"), "NOT_FOUND"),
        ] {
            let before = admin.admin_query("{ runs { id } }").await.ok()["runs"].as_array().map(Vec::len);
            admin.save_workflow(with(attachments)).await.ok();
            admin.create("Contact", json!({"lastName": "Rossi", "contractId": contract, "secretId": secret})).await;
            let run = eventually("its run fails", || async {
                let count = admin.admin_query("{ runs { id } }").await.ok()["runs"].as_array().map(Vec::len);
                let run = ended(&admin).await;
                (count > before && run["status"] == "FAILED").then_some(run)
            }).await;
            assert!(run["error"].as_str().is_some_and(|told| told.starts_with(error)), "{error}: {run:#}");
        }
        let large = admin.upload("large.txt", "x".repeat((10 << 20) + 1)).await;
        admin.save_workflow(with(json!("{{ contractId }}"))).await.ok();
        admin.create("Contact", json!({"lastName": "Rossi", "contractId": large})).await;
        eventually("it is too much", || async {
            ended(&admin).await["error"].as_str().is_some_and(|told| told.starts_with("LIMIT_EXCEEDED")).then_some(())
        }).await;
        let answer = admin.save_workflow(with(json!("{{ lastName }}"))).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(answer.issues()[0]["path"], json!(["definition", "steps", 0, "sendEmail", "attachments"]));
        assert_eq!(mail.mails().len(), 1);
    }

    async fn the_manuals_example_is_saved(backend: Backend) {
        let (server, _mail) = site(backend).await;
        let admin = server.admin().await;
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json outside").expect("the manual has such a block");
        let steps: Value = serde_json::from_str(&block.text).expect("JSON");
        admin.save_workflow(json!({"name": "tell", "module": "Opportunity", "trigger": {"on": ["UPDATED"], "when": "stage == \"CLOSED_WON\""}, "steps": steps})).await.ok();
    }

    async fn what_is_no_address_is_refused(backend: Backend) {
        let (server, mail) = site(backend).await;
        let admin = server.admin().await;
        let answer = save(&admin, json!({"to": ["sales@example.org", "Sales <sales@example.org>"], "subject": "x", "text": "x"})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(answer.issues()[0]["path"], json!(["definition", "steps", 0, "sendEmail", "to", 1]));
        save(&admin, json!({"to": "sales@example.org", "subject": "x"})).await.refused("VALIDATION_FAILED");
        save(&admin, json!({"to": "{{ lastName }}", "subject": "x", "text": "x"})).await.ok();
        admin.create("Contact", json!({"lastName": "a@example.org, b@example.org"})).await;
        let run = ended(&admin).await;
        assert_eq!((&run["status"], &run["error"]), (&json!("FAILED"), &json!("`to` gave what is no address")));
        assert_eq!(mail.mails().len(), 0);
    }
}
