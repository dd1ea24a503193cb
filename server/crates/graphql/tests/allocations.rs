//! A request whose plan is known is neither parsed nor validated, and no SQL is made for it: that shows in the memory that it asks
//! for, which does not grow with its text, its fields or its records.

#![allow(unsafe_code, reason = "to count what is allocated, one has to be the allocator")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "../benches/plans/asking.rs"]
mod asking;
#[path = "../benches/plans/counting.rs"]
mod counting;

use cardine_graphql::Front;
use cardine_store::DatabaseUrl;
use serde_json::{Value as Json, json};

use asking::{Asker, new_front, request};
use counting::allocated;

/// Most allocations of a point read with its plan: the request, its variables and context, the statement's parameters, the rows, the
/// answer; on PostgreSQL also the message, its row, and what waits for it.
const HIT_MAX: [u64; 2] = [30, 45];
/// What may be more for an answer that is longer: its memory grows by doubling.
const GROWTH: u64 = 16;
/// Of each record beyond the first, what the driver of PostgreSQL keeps.
const DRIVER_OF_RECORD: [u64; 2] = [0, 2];

const SHORT: &str = "query($id: ID!) { organization(id: $id) { id } }";
const LONG: &str = "# A text that is long, and that a parser would take some time for.
    query One($id: ID!, $shown: Boolean = true) { organization(id: $id) { ...First ...Second more: name again: website } }
    fragment First on Organization { id number name website phone email @include(if: $shown) employees ...Third }
    fragment Second on Organization { industry annualRevenue billingCity billingCountry ... on Organization { version createdAt } }
    fragment Third on Organization { updatedAt ownerId number name website phone }";
const LIST: &str = "query($first: Int!) { organizations(orderBy: [{name: ASC}], first: $first) { nodes {
    id number name website phone email employees industry annualRevenue billingCity version createdAt updatedAt } } }";

/// The fewest allocations of several equal requests: a task of the engine may run between two of them.
async fn count(asker: &Asker, text: &str, variables: &Json, known: Option<&Front>) -> u64 {
    let mut fewest = u64::MAX;
    for _ in 0..12 {
        let fresh = new_front();
        let request = request(text, variables);
        let before = allocated().0;
        let answer = asker.ask(known.unwrap_or(&fresh), &request).await;
        fewest = fewest.min(allocated().0 - before);
        assert!(answer.starts_with(b"{\"data\":{\"organization"), "{}", String::from_utf8_lossy(&answer));
    }
    fewest
}

async fn check(url: &DatabaseUrl, which: usize) {
    let asker = Asker::new(url).await;
    let dialect = asker.engine.store().dialect();
    let id = asker.fill(50).await;
    let (front, one) = (new_front(), json!({"id": id}));
    let short = count(&asker, SHORT, &one, Some(&front)).await;
    let long = count(&asker, LONG, &one, Some(&front)).await;
    let missed = count(&asker, LONG, &one, None).await;
    println!("{dialect:?}: {short} allocations for one field, {long} for fifteen, {missed} without a plan");
    assert!(short <= HIT_MAX[which], "{short} allocations");
    assert!(long <= short + GROWTH, "{long} allocations for a long text, {short} for a short one");
    assert!(missed > 10 * long, "{missed} allocations without a plan, {long} with it: there is nothing to be seen");

    let few = count(&asker, LIST, &json!({"first": 2}), Some(&front)).await;
    let many = count(&asker, LIST, &json!({"first": 50}), Some(&front)).await;
    println!("{dialect:?}: {few} allocations for 2 records, {many} for 50");
    assert!(many <= few + GROWTH + 48 * DRIVER_OF_RECORD[which], "{many} allocations for 50 records, {few} for 2");
    asker.engine.store().shutdown().await;
}

// The only test of this program: another one would allocate beside it.
#[tokio::test]
async fn a_known_plan_costs_no_memory_for_its_text() {
    let directory = tempfile::tempdir().unwrap();
    check(&DatabaseUrl::Sqlite(directory.path().join("test.db")), 0).await;
    if let Some(postgres) = cardine_test_postgres::database() {
        check(&postgres.url().parse().unwrap(), 1).await;
    }
}
