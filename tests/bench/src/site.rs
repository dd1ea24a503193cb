//! A server with the company in its database: users, roles and fields are made through its API, the many records past it.

pub mod load;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use cardine_store::DatabaseUrl;
use cardine_tests::{Backend, Client, Launch, Server};
use serde_json::json;
use uuid::Uuid;

use crate::company::{Company, OWNERS, REGIONS, TEAM};
use crate::processor_time;
use crate::questions::View;

const MANAGER_EMAIL: &str = "manager@example.org";
const MANAGER_PASSWORD: &str = "managers like long passwords";

/// Fields that the manager's role must not read.
const HIDDEN: [(&str, &str); 3] =
    [("Organization", "tickerSymbol"), ("Contact", "birthday"), ("Opportunity", "weightedAmount")];

/// A running server on a database of its own.
pub struct Site {
    pub server: Server,
    pub company: Company,
    /// Whose records the manager sees.
    pub team: Vec<Uuid>,
    /// In which opportunities were loaded.
    pub opportunity_columns: Vec<String>,
    /// On SQLite: a copy of the file, as the server has its own to itself.
    copy: Option<PathBuf>,
}

impl Site {
    /// Starts a server, fills its database, and starts it again.
    pub async fn start(backend: Backend, organizations: u32) -> anyhow::Result<Self> {
        let mut server = Launch::new(backend).start().await;
        let admin = server.admin().await;
        add_fields(&admin).await;
        let (manager, owners) = add_people(&admin).await?;
        ensure!(server.stop().success(), "the server did not end well:\n{}", server.log());

        let team: Vec<Uuid> = std::iter::once(manager).chain(owners[..TEAM as usize].iter().copied()).collect();
        let company = Company::new(organizations, owners);
        let loading = Instant::now();
        let opportunity_columns = load::load(&load::database_url(&server)?, &company).await?;
        println!(
            "{backend:?}: loaded {} organizations, {} contacts, {} opportunities and {} tasks in {:.1} s",
            company.organizations,
            company.contacts(),
            company.opportunities(),
            company.tasks(),
            loading.elapsed().as_secs_f64()
        );
        let copy = match backend {
            Backend::Postgres => None,
            Backend::Sqlite => {
                let (original, copy) = (sqlite_file(&server), server.data_directory().join("copy.db"));
                std::fs::copy(&original, &copy)?;
                Some(copy)
            }
        };
        let starting = Instant::now();
        server.restart().await;
        println!("{backend:?}: started on them in {:.2} s", starting.elapsed().as_secs_f64());
        Ok(Self { server, company, team, opportunity_columns, copy })
    }

    /// A new token of whoever has this view: tokens do not live as long as a bench may take.
    pub async fn token(&self, view: View) -> anyhow::Result<String> {
        let client = match view {
            View::All => self.server.admin().await,
            View::Team => self.server.sign_in(MANAGER_EMAIL, MANAGER_PASSWORD).await,
        };
        Ok(client.token().context("who signed in has a token")?.to_owned())
    }

    /// The database for whoever goes past the server.
    pub fn past_the_server(&self) -> DatabaseUrl {
        match (&self.copy, self.server.postgres()) {
            (Some(copy), _) => DatabaseUrl::Sqlite(copy.clone()),
            (None, Some(database)) => DatabaseUrl::Postgres(database.url().to_owned()),
            (None, None) => unreachable!("a server has one of the two"),
        }
    }

    /// The head of PostgreSQL's processes, if they run on this machine.
    pub async fn postmaster(&self) -> anyhow::Result<Option<u32>> {
        let Some(database) = self.server.postgres() else { return Ok(None) };
        let backend: i32 = database.connect().await.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        Ok(processor_time::postmaster(u32::try_from(backend)?))
    }

    /// Whether the root field is there; one that is newer than this bench's other questions may be missing.
    pub async fn knows(&self, kind: &str, root_field: &str) -> bool {
        let text = "query($type: String!) { __type(name: $type) { fields { name } } }";
        let answer = self.server.admin().await.query_with(text, json!({"type": kind})).await;
        let fields = answer.ok()["__type"]["fields"].as_array();
        let known = fields.into_iter().flatten().any(|field| field["name"] == root_field);
        if !known {
            println!("  SKIPPED on {:?}: this server does not know `{root_field}`", self.server.backend());
        }
        known
    }
}

fn sqlite_file(server: &Server) -> PathBuf {
    server.data_directory().join("cardine.db")
}

/// With these an opportunity has 28 columns.
async fn add_fields(admin: &Client) {
    let options: Vec<_> = REGIONS.iter().map(|value| json!({"value": value})).collect();
    let _ = admin.add_field("Opportunity", json!({"name": "region", "type": "choice", "options": options})).await.ok();
    let _ = admin.add_field("Opportunity", json!({"name": "discount", "type": "percent"})).await.ok();
}

/// A manager, and the owners: the first of them below the manager, the others elsewhere.
async fn add_people(admin: &Client) -> anyhow::Result<(Uuid, Vec<Uuid>)> {
    admin.create_role("bench-manager", None).await;
    admin.create_role("bench-seller", Some("bench-manager")).await;
    admin.create_role("bench-other", None).await;
    for module in ["Organization", "Contact", "Opportunity", "Task", "Campaign"] {
        let mut fields = json!({"*": "READ"});
        for (_, field) in HIDDEN.iter().filter(|(of, _)| *of == module) {
            fields[*field] = json!("NONE");
        }
        admin.set_access("bench-manager", module, json!({"read": true, "fields": fields})).await;
    }
    let manager = add_user(admin, MANAGER_EMAIL, Some(MANAGER_PASSWORD), "bench-manager").await?;
    let mut owners = Vec::new();
    for n in 0..OWNERS {
        let role = if n < TEAM { "bench-seller" } else { "bench-other" };
        owners.push(add_user(admin, &format!("owner{n}@example.org"), None, role).await?);
    }
    Ok((manager, owners))
}

/// A user, who can sign in if there is a password.
pub async fn add_user(admin: &Client, email: &str, password: Option<&str>, role: &str) -> anyhow::Result<Uuid> {
    let text = "mutation($email: String!, $password: String, $name: String, $role: String!) {
        createUser(email: $email, password: $password, name: $name, role: $role) { id }
    }";
    let name = email.split('@').next();
    let variables = json!({"email": email, "password": password, "name": name, "role": role});
    let answer = admin.admin_query_with(text, variables).await;
    let id = answer.ok()["createUser"]["id"].as_str().context("a user has an id")?;
    Ok(id.parse()?)
}
