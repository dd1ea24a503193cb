//! The questions that are measured: a GraphQL text each, and the variables of each request.

use serde_json::{Value as Json, json};

use crate::company::{Company, STAGES, day};

/// Requests of one question that differ in their variables, so that no answer is one that was just given.
pub const VARIANTS: u64 = 400;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Question {
    /// One record by id.
    ById,
    /// A filtered and ordered page.
    List,
    /// A tree of lists.
    Nested,
    /// Numbers by group.
    Groups,
    /// A large page.
    Thousand,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// An administrator, who sees everything.
    All,
    /// A manager, who sees the records of their team and not every field.
    Team,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ById, Self::List, Self::Nested, Self::Groups, Self::Thousand];

    /// For the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::ById => "one record by id, 10 fields",
            Self::List => "50 of 100,000, two filters, ordered, 15 fields",
            Self::Nested => "20 → 10 + 10 → owner",
            Self::Groups => "count and sum by stage",
            Self::Thousand => "1,000 records × 25 fields",
        }
    }

    /// Its part of a URL.
    pub fn slug(self) -> &'static str {
        match self {
            Self::ById => "by-id",
            Self::List => "list",
            Self::Nested => "nested",
            Self::Groups => "groups",
            Self::Thousand => "thousand",
        }
    }

    /// The root field that answers it.
    pub fn root(self) -> &'static str {
        match self {
            Self::ById => "organization",
            Self::List | Self::Thousand => "opportunities",
            Self::Nested => "organizations",
            Self::Groups => "opportunityGroups",
        }
    }

    /// The operation.
    pub fn text(self) -> &'static str {
        match self {
            Self::ById => {
                "query($id: ID!) {
                    organization(id: $id) {
                        id number name website phone email employees industry annualRevenue billingCity
                    }
                }"
            }
            Self::List => {
                "query($stage: OpportunityStage!, $amount: Decimal!) {
                    opportunities(
                        filter: {stage: {eq: $stage}, amount: {gte: $amount}}, orderBy: [{closeDate: DESC}], first: 50
                    ) {
                        nodes {
                            id number name amount closeDate stage probability type leadSource productLine nextStep
                            convertedFromLead version createdAt updatedAt
                        }
                    }
                }"
            }
            Self::Nested => {
                "query($from: DateTime!) {
                    organizations(
                        filter: {type: {eq: CUSTOMER}, createdAt: {gte: $from}}, orderBy: [{createdAt: ASC}], first: 20
                    ) {
                        nodes {
                            id name
                            contacts(first: 10) {
                                nodes { id firstName lastName owner { ... on User { id name } } }
                            }
                            opportunities(orderBy: [{amount: DESC}], first: 10) {
                                nodes { id name amount stage owner { ... on User { id name } } }
                            }
                        }
                    }
                }"
            }
            Self::Groups => {
                "query { opportunityGroups(groupBy: [{stage: true}]) { key { stage } count sum { amount } } }"
            }
            Self::Thousand => {
                "query($from: Date!) {
                    opportunities(filter: {closeDate: {gte: $from}}, orderBy: [{closeDate: ASC}], first: 1000) {
                        nodes {
                            id version createdAt updatedAt ownerId deletedAt number name organizationId contactId amount
                            closeDate stage probability type leadSource campaignId productLine nextStep lostReason
                            convertedFromLead convertedToProject description region discount
                        }
                    }
                }"
            }
        }
    }

    /// The n-th request's variables.
    pub fn variables(self, company: &Company, view: View, n: u64) -> Json {
        match self {
            Self::ById => {
                let place = n * 7_919;
                let organization = match view {
                    View::All => (place % u64::from(company.organizations)) as u32,
                    View::Team => {
                        let organizations = company.of_team();
                        organizations[place as usize % organizations.len()]
                    }
                };
                json!({"id": company.organization_id(organization).to_string()})
            }
            Self::List => {
                let stage = STAGES[(n % STAGES.len() as u64) as usize];
                json!({"stage": stage, "amount": format!("{}.00", 50_000 + n * 100)})
            }
            // From a day of the first half of those on which organizations were entered. Not by `offset`: whoever makes nested lists in one statement may make those of skipped records too.
            Self::Nested => json!({"from": format!("{}T00:00:00.000Z", day(n as i64 % 250 - 315))}),
            Self::Groups => json!({}),
            Self::Thousand => json!({"from": day(n as i64 * 2 - 740).to_string()}),
        }
    }

    /// How many records an administrator's answer holds, counted at every level; of groups, how many there are.
    pub fn records(self) -> usize {
        match self {
            Self::ById => 1,
            Self::List => 50,
            // Each contact and opportunity with its owner.
            Self::Nested => 20 + 20 * 2 * (10 + 10),
            Self::Groups => STAGES.len(),
            Self::Thousand => 1_000,
        }
    }

    /// What is to be reached on PostgreSQL: requests per second against the hand-written statement, and against PostGraphile.
    pub fn aims(self) -> (f64, f64) {
        match self {
            Self::ById => (0.75, 5.0),
            Self::List => (1.1, 8.0),
            Self::Nested => (1.0, 6.0),
            Self::Groups => (0.95, 5.0),
            Self::Thousand => (1.8, 12.0),
        }
    }
}

impl View {
    /// Its part of a URL.
    pub fn slug(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Team => "team",
        }
    }
}
