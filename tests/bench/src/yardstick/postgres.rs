//! The statements for PostgreSQL, which builds the JSON: one for each question, prepared on each connection of a pool.
//!
//! Values keep the form that PostgreSQL gives them in JSON, as any other costs it more: a decimal is a number, an instant ends in `+00:00`.
//! A reference to a record that is deleted, or that a manager does not see, reads as null, as in Cardine.

use std::error::Error;
use std::sync::Mutex;

use anyhow::Context as _;
use serde_json::Value as Json;
use tokio::sync::Semaphore;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Statement};
use uuid::Uuid;

use crate::questions::{Question, View};

/// As many as Cardine's own pool has.
const CONNECTIONS: usize = 16;

/// As Cardine's for lists: a plan is made for the values at hand. What `auto` would give here was not measured.
const SETTINGS: &str = "-c TimeZone=UTC -c plan_cache_mode=force_custom_plan -c jit=off";

/// Connections that are lent to one request each.
pub struct Pool {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
    owners: Vec<Uuid>,
}

struct Connection {
    client: Client,
    statements: Vec<(Question, View, Statement)>,
}

impl Pool {
    /// Connects, and prepares everything.
    pub async fn open(url: &str, owners: Vec<Uuid>) -> anyhow::Result<Self> {
        let mut config: Config = url.parse()?;
        config.options(SETTINGS);
        let mut idle = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(connection);
            let mut statements = Vec::new();
            for question in Question::ALL {
                for view in [View::All, View::Team] {
                    let prepared = client.prepare(&statement(question, view)).await;
                    let prepared = prepared.with_context(|| format!("{} is no statement", question.slug()))?;
                    statements.push((question, view, prepared));
                }
            }
            idle.push(Connection { client, statements });
        }
        Ok(Self { idle: Mutex::new(idle), free: Semaphore::new(CONNECTIONS), owners })
    }

    /// Appends the answer's JSON.
    pub async fn answer(
        &self,
        question: Question,
        view: View,
        variables: &Json,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let _permit = self.free.acquire().await?;
        let taken = self.idle.lock().expect("nobody panics while holding it").pop();
        let connection = taken.context("there is a connection for each permit")?;
        let answered = self.run(&connection, question, view, variables, out).await;
        self.idle.lock().expect("nobody panics while holding it").push(connection);
        answered
    }

    async fn run(
        &self,
        connection: &Connection,
        question: Question,
        view: View,
        variables: &Json,
        out: &mut Vec<u8>,
    ) -> anyhow::Result<()> {
        let mut statements = connection.statements.iter();
        let prepared = statements.find(|(of, seen, _)| (*of, *seen) == (question, view));
        let (_, _, statement) = prepared.context("everything is prepared")?;
        let given = parameters(question, variables)?;
        let mut parameters: Vec<&(dyn ToSql + Sync)> = given.iter().map(|value| &**value as _).collect();
        if view == View::Team {
            parameters.push(&self.owners);
        }
        let row = connection.client.query_opt(statement, &parameters).await?;
        match row.as_ref().map(|row| row.try_get::<_, Option<Text>>(0)).transpose()?.flatten() {
            Some(Text(json)) => out.extend_from_slice(json),
            None => out.extend_from_slice(b"null"),
        }
        Ok(())
    }
}

fn parameters(question: Question, variables: &Json) -> anyhow::Result<Vec<Box<dyn ToSql + Sync + Send>>> {
    let text = |name: &str| variables[name].as_str().with_context(|| format!("no {name}"));
    Ok(match question {
        Question::ById => vec![Box::new(text("id")?.parse::<Uuid>()?)],
        Question::List => vec![Box::new(text("stage")?.to_owned()), Box::new(text("amount")?.to_owned())],
        Question::Nested => vec![Box::new(text("from")?.to_owned())],
        Question::Groups => Vec::new(),
        Question::Thousand => vec![Box::new(text("from")?.to_owned())],
    })
}

/// JSON as PostgreSQL sent it.
struct Text<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Text<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSON
    }
}

fn statement(question: Question, view: View) -> String {
    // The manager's owners are the last parameter.
    let visible = |alias: &str, position: u32| match view {
        View::All => String::new(),
        View::Team => format!("AND {alias}.owner_id = ANY(${position}::uuid[])"),
    };
    match question {
        Question::ById => format!(
            r#"SELECT row_to_json(r) FROM (
                 SELECT o.id, o.number, o.name, o.website, o.phone, o.email, o.employees, o.industry,
                   o.annual_revenue AS "annualRevenue", o.billing_city AS "billingCity"
                 FROM organization o WHERE o.id = $1 AND o.deleted_at IS NULL {}
               ) r"#,
            visible("o", 2)
        ),
        Question::List => format!(
            r#"SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(r)), '[]')) FROM (
                 SELECT o.id, o.number, o.name, o.amount, o.close_date AS "closeDate", o.stage, o.probability, o.type,
                   o.lead_source AS "leadSource", o.product_line AS "productLine", o.next_step AS "nextStep",
                   o.converted_from_lead AS "convertedFromLead", o.version, o.created_at AS "createdAt",
                   o.updated_at AS "updatedAt"
                 FROM opportunity o
                 WHERE o.stage = $1 AND o.amount >= $2::text::numeric AND o.deleted_at IS NULL {}
                 ORDER BY o.close_date DESC, o.id DESC LIMIT 50
               ) r"#,
            visible("o", 3)
        ),
        Question::Nested => {
            let owner = |alias: &str| {
                format!(
                    r#"(SELECT row_to_json(u) FROM (SELECT u.id, u.name FROM "user" u
                        WHERE u.id = {alias}.owner_id AND u.deleted_at IS NULL) u) AS owner"#
                )
            };
            format!(
                r#"SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(r)), '[]')) FROM (
                     SELECT o.id, o.name,
                       (SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(c)), '[]')) FROM (
                          SELECT c.id, c.first_name AS "firstName", c.last_name AS "lastName", {}
                          FROM contact c
                          WHERE c.organization_id = o.id AND c.deleted_at IS NULL {}
                          ORDER BY c.id LIMIT 10
                        ) c) AS contacts,
                       (SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(p)), '[]')) FROM (
                          SELECT p.id, p.name, p.amount, p.stage, {}
                          FROM opportunity p
                          WHERE p.organization_id = o.id AND p.deleted_at IS NULL {}
                          ORDER BY p.amount DESC, p.id DESC LIMIT 10
                        ) p) AS opportunities
                     FROM organization o
                     WHERE o.type = 'CUSTOMER' AND o.created_at >= $1::text::timestamptz
                       AND o.deleted_at IS NULL {}
                     ORDER BY o.created_at, o.id LIMIT 20
                   ) r"#,
                owner("c"),
                visible("c", 2),
                owner("p"),
                visible("p", 2),
                visible("o", 2)
            )
        }
        Question::Groups => format!(
            r#"SELECT coalesce(json_agg(row_to_json(r)), '[]') FROM (
                 SELECT json_build_object('stage', o.stage) AS key, count(*) AS count,
                   json_build_object('amount', sum(o.amount)) AS sum
                 FROM opportunity o WHERE o.deleted_at IS NULL {}
                 GROUP BY o.stage
               ) r"#,
            visible("o", 1)
        ),
        Question::Thousand => format!(
            r#"SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(r)), '[]')) FROM (
                 SELECT o.id, o.version, o.created_at AS "createdAt", o.updated_at AS "updatedAt",
                   coalesce((SELECT u.id FROM "user" u WHERE u.id = o.owner_id AND u.deleted_at IS NULL),
                     (SELECT g.id FROM "group" g WHERE g.id = o.owner_id AND g.deleted_at IS NULL)) AS "ownerId",
                   o.deleted_at AS "deletedAt", o.number, o.name,
                   (SELECT x.id FROM organization x
                     WHERE x.id = o.organization_id AND x.deleted_at IS NULL {}) AS "organizationId",
                   (SELECT c.id FROM contact c
                     WHERE c.id = o.contact_id AND c.deleted_at IS NULL {}) AS "contactId",
                   o.amount, o.close_date AS "closeDate", o.stage, o.probability, o.type,
                   o.lead_source AS "leadSource",
                   (SELECT a.id FROM campaign a
                     WHERE a.id = o.campaign_id AND a.deleted_at IS NULL {}) AS "campaignId",
                   o.product_line AS "productLine", o.next_step AS "nextStep", o.lost_reason AS "lostReason",
                   o.converted_from_lead AS "convertedFromLead", o.converted_to_project AS "convertedToProject",
                   o.description, o.region, o.discount
                 FROM opportunity o
                 WHERE o.close_date >= $1::text::date AND o.deleted_at IS NULL {}
                 ORDER BY o.close_date, o.id LIMIT 1000
               ) r"#,
            visible("x", 2),
            visible("c", 2),
            visible("a", 2),
            visible("o", 2)
        ),
    }
}
