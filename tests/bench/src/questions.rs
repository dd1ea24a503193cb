//! The questions that are measured: a GraphQL text, the variables of each request, and what must come back.

use serde_json::{Value as Json, json};

use crate::company::{Company, STAGES};

/// Requests of one question that differ in their variables, so that no answer is one that was just given.
pub const VARIANTS: u64 = 400;

/// One question.
pub struct Question {
    /// For the report.
    pub name: &'static str,
    /// The operation.
    pub text: &'static str,
    /// The n-th request's variables.
    pub variables: fn(&Company, u64) -> Json,
    /// How many records the answer's data hold, counted at every level.
    pub records: usize,
}

/// All questions.
pub const QUESTIONS: [Question; 3] = [
    Question {
        name: "one record of 10 fields by id",
        text: "query($id: ID!) {
            organization(id: $id) {
                id number name website phone email employees industry annualRevenue billingCity
            }
        }",
        variables: |company, n| {
            let place = n * 7_919 % u64::from(company.organizations);
            json!({"id": company.organization_id(place as u32).to_string()})
        },
        records: 1,
    },
    Question {
        name: "list of 50 × 15, two filters, ordered",
        text: "query($stage: OpportunityStage!, $amount: Decimal!) {
            opportunities(
                filter: {stage: {eq: $stage}, amount: {gte: $amount}}, orderBy: [{closeDate: DESC}], first: 50
            ) {
                nodes {
                    id number name amount closeDate stage probability type leadSource productLine nextStep
                    convertedFromLead version createdAt updatedAt
                }
            }
        }",
        variables: |_, n| {
            let stage = STAGES[(n % STAGES.len() as u64) as usize];
            json!({"stage": stage, "amount": format!("{}.00", 50_000 + n * 100)})
        },
        records: 50,
    },
    Question {
        name: "nested 20 → 10 → 10",
        text: "query($offset: Int!) {
            organizations(filter: {type: {eq: CUSTOMER}}, orderBy: [{name: ASC}], first: 20, offset: $offset) {
                nodes {
                    id name
                    contacts(first: 10) {
                        nodes {
                            id firstName lastName
                            opportunities(first: 10) { nodes { id name amount stage } }
                        }
                    }
                }
            }
        }",
        variables: |company, n| json!({"offset": 1 + n % u64::from(company.customers() - 21)}),
        records: 20 + 20 * 10 + 20 * 10 * 10,
    },
];
