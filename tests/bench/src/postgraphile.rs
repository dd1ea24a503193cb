//! PostGraphile on the same PostgreSQL: installed with npm from the lock file in this crate, served by Node, asked the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use cardine_tests::process::Process;
use serde_json::{Value as Json, json};
use tokio_postgres::Client;

use crate::questions::Question;

/// Installs it where it is not yet, makes the views that it serves, and starts it. `Err` tells why there is none.
pub async fn start(database: &Client, url: &str, logs: &Path) -> anyhow::Result<Process> {
    let folder = folder();
    install(&folder)?;
    database.batch_execute(include_str!("../postgraphile/views.sql")).await.context("its views cannot be made")?;
    let mut command = Command::new("node");
    command.arg(folder.join("serve.mjs")).arg(url).env("NODE_ENV", "production");
    Process::start(&mut command, &logs.join("postgraphile.log")).map_err(anyhow::Error::from)
}

fn folder() -> PathBuf {
    cardine_tests::repository::root().join("tests/bench/postgraphile")
}

fn install(folder: &Path) -> anyhow::Result<()> {
    // npm writes this file last.
    let installed = std::fs::metadata(folder.join("node_modules/.package-lock.json")).and_then(|file| file.modified());
    let locked = std::fs::metadata(folder.join("package-lock.json"))?.modified()?;
    if installed.is_ok_and(|installed| installed >= locked) {
        return Ok(());
    }
    println!("Installing PostGraphile with npm …");
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    let status = command.status().context("npm could not be run")?;
    ensure!(status.success(), "`npm ci` failed");
    Ok(())
}

/// Its operation for a question, whose answer has the same form as ours, but for [`answer`].
pub fn text(question: Question) -> &'static str {
    match question {
        Question::ById => {
            "query($id: UUID!) {
                organization: organizationByRowId(rowId: $id) {
                    id: rowId number name website phone email employees industry annualRevenue billingCity
                }
            }"
        }
        Question::List => {
            "query($stage: String!, $amount: BigFloat!) {
                opportunities: allOpportunities(
                    filter: {stage: {equalTo: $stage}, amount: {greaterThanOrEqualTo: $amount}}
                    orderBy: [CLOSE_DATE_DESC, PRIMARY_KEY_DESC], first: 50
                ) {
                    nodes {
                        id: rowId number name amount closeDate stage probability type leadSource productLine nextStep
                        convertedFromLead version createdAt updatedAt
                    }
                }
            }"
        }
        Question::Nested => {
            "query($from: Datetime!) {
                organizations: allOrganizations(
                    filter: {type: {equalTo: \"CUSTOMER\"}, createdAt: {greaterThanOrEqualTo: $from}}
                    orderBy: [CREATED_AT_ASC, PRIMARY_KEY_ASC], first: 20
                ) {
                    nodes {
                        id: rowId name
                        contacts(orderBy: [PRIMARY_KEY_ASC], first: 10) {
                            nodes { id: rowId firstName lastName owner { id: rowId name } }
                        }
                        opportunities(orderBy: [AMOUNT_DESC, PRIMARY_KEY_DESC], first: 10) {
                            nodes { id: rowId name amount stage owner { id: rowId name } }
                        }
                    }
                }
            }"
        }
        Question::Groups => {
            "query {
                opportunityGroups: allOpportunities {
                    groupedAggregates(groupBy: [STAGE]) { keys distinctCount { rowId } sum { amount } }
                }
            }"
        }
        Question::Thousand => {
            "query($from: Date!) {
                opportunities: allOpportunities(
                    filter: {closeDate: {greaterThanOrEqualTo: $from}}
                    orderBy: [CLOSE_DATE_ASC, PRIMARY_KEY_ASC], first: 1000
                ) {
                    nodes {
                        id: rowId version createdAt updatedAt ownerId deletedAt number name organizationId contactId
                        amount closeDate stage probability type leadSource campaignId productLine nextStep lostReason
                        convertedFromLead convertedToProject description region discount
                    }
                }
            }"
        }
    }
}

/// Its data in our form: groups are told apart by position, and counted by their ids.
pub fn answer(question: Question, mut data: Json) -> Json {
    if question == Question::Groups
        && let Some(groups) = data["opportunityGroups"]["groupedAggregates"].as_array()
    {
        let groups = groups.iter().map(|group| {
            json!({"key": {"stage": group["keys"][0]}, "count": group["distinctCount"]["rowId"], "sum": group["sum"]})
        });
        data = json!({"opportunityGroups": groups.collect::<Vec<_>>()});
    }
    data
}
