//! Subscriptions: what both worlds tell of the same change of a seen record, after others changed what is not seen.

use std::time::Duration;

use cardine_tests::{Chance, EventStream};
use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::base::{change, lower_first};
use super::diverge::Twins;
use super::modules::{MODULES, hideable, value};
use super::moments::Moments;
use super::operation::{Given, Operation, Selection};
use super::pair::{Difference, Pair};
use super::run::Found;

/// How often something changes while a subscription is followed.
const CHANGES: usize = 3;
/// Until a change is told, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// Follows a module on both, by several subscriptions at once. Everything that is not seen is changed before the seen record is, so that
/// whatever is told of it comes first.
///
/// A change's position is an opaque text that stands for its number among all changes, unseen ones too: it is left out.
pub async fn round(
    pair: &Pair,
    operations: &[Operation],
    twins: &Twins,
    chance: &mut Chance,
    moments: &mut Moments,
) -> Option<Found> {
    let root = &operations.first()?.roots[0];
    let module =
        MODULES.iter().map(|(name, _)| *name).find(|name| root.name == format!("{}Changes", lower_first(name)))?;
    let seen = twins.ids.seen.get(module).filter(|ids| !ids.is_empty())?;
    let id = chance.item(seen).clone();
    // The caller may have deleted it, or given it away.
    let text = format!("query($id: ID!) {{ it: {}(id: $id) {{ id }} }}", lower_first(module));
    if pair.callers[0].query_with(&text, json!({"id": id})).await.data()["it"].is_null() {
        return None;
    }
    let operations: Vec<Operation> = operations.iter().map(|operation| telling(operation, &id)).collect();
    let begun = operations.iter().map(|operation| async move {
        let (text, variables) = operation.request();
        let [a, b] = &pair.callers;
        let (a, b) = tokio::join!(a.events(&text, variables.clone()), b.events(&text, variables));
        (operation, [a, b])
    });
    let mut followed = join_all(begun).await;
    for number in 0..CHANGES {
        change_unseen(pair, twins, module, chance, moments).await;
        let (name, moment) = (if module == "Note" { "text" } else { "name" }, moments.next());
        let mark = format!("mark {number} {moment}");
        let mut data = [json!({name: mark}), json!({name: mark})];
        if let [(first, of_first), .., (last, of_last)] = twins.hidden.get(module).map_or(&[][..], Vec::as_slice) {
            // Of two hidden fields one changes in either world.
            data[0][*first] = value(chance, of_first);
            data[1][*last] = value(chance, of_last);
        }
        let [one, other] = data;
        tokio::join!(
            change(&pair.admins[0], module, &id, one, Some(&moment)),
            change(&pair.admins[1], module, &id, other, Some(&moment))
        );
        let (id, mark) = (&id, &mark);
        let told = followed.iter_mut().map(|(operation, [a, b])| async move {
            let both = async { tokio::join!(until(a, id), until(b, id)) };
            let Ok((of_a, of_b)) = tokio::time::timeout(PATIENCE, both).await else {
                panic!("after {} s the change {mark:?} of {id} was not told to {operation}", PATIENCE.as_secs())
            };
            if of_a == of_b {
                return None;
            }
            let difference = Box::new(Difference { a: of_a.join("\n    "), b: of_b.join("\n    ") });
            Some(Found { operation: operation.to_string(), difference })
        });
        if let Some(found) = join_all(told).await.into_iter().flatten().next() {
            return Some(found);
        }
    }
    None
}

/// The same subscription, with the record's changes told whatever else the filter asks for.
fn telling(operation: &Operation, id: &str) -> Operation {
    let mut operation = operation.clone();
    let root = &mut operation.roots[0];
    root.arguments.retain(|argument| argument.name != "after");
    root.inner.retain(|one| !["position", "id", "kind", "changedFields"].contains(&one.name.as_str()));
    root.inner.extend(["id", "kind", "changedFields"].map(Selection::leaf));
    let this = Given::Object(vec![("id".to_owned(), Given::Object(vec![("eq".to_owned(), Given::Json(json!(id)))]))]);
    for argument in &mut root.arguments {
        argument.by_variable = false;
        match argument.name.as_str() {
            "filter" => {
                let either = Given::List(vec![argument.value.clone(), this.clone()]);
                argument.value = Given::Object(vec![("or".to_owned(), either)]);
            }
            _ => {
                let Given::List(kinds) = &mut argument.value else { continue };
                kinds.push(Given::Enum("UPDATED".to_owned()));
            }
        }
    }
    operation
}

/// Unseen records, in the one world more than in the other.
async fn change_unseen(pair: &Pair, twins: &Twins, module: &str, chance: &mut Chance, moments: &mut Moments) {
    for world in [0, 1] {
        for _ in 0..1 + chance.below(2) {
            let id = chance.item(&twins.ids.unseen).clone();
            let decides = ["trade", "stage", "amount"];
            let fields: Vec<_> = hideable(module).iter().filter(|(name, _)| !decides.contains(name)).collect();
            let (name, kind) = *chance.item(&fields);
            let text = format!(
                "mutation($id: ID!, $data: {module}Update!) {{ update{module}(id: $id, data: $data) {{ id }} }}"
            );
            let data = json!({*name: value(chance, kind)});
            let request = pair.admins[world].request(reqwest::Method::POST, "/graphql");
            let request = request.header("cardine-test-moment", moments.next());
            // It may be of another module, or of the other world alone.
            let _ = request.json(&json!({"query": text, "variables": {"id": id, "data": data}})).send().await;
        }
    }
}

/// What is told up to the change of this record, or to the end.
async fn until(stream: &mut EventStream, id: &str) -> Vec<String> {
    let mut told = Vec::new();
    while let Some((name, payload)) = stream.next().await {
        let changes: Vec<&Json> = payload["data"].as_object().into_iter().flat_map(|data| data.values()).collect();
        let is_it = changes.iter().any(|change| change["id"] == id);
        told.push(format!("{name} {payload}"));
        if is_it {
            break;
        }
    }
    told
}
