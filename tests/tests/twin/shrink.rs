//! Cuts an operation that was answered differently down to what is needed for it.

use super::moments::Moments;
use super::operation::{Given, Operation, Selection};
use super::pair::{Difference, Pair};
use super::run::{Found, Run};

/// How often a smaller one is tried.
const TRIES_MAX: usize = 400;
/// The same for one that writes, each time on worlds of its own.
const WORLDS_MAX: usize = 25;

/// A question may be asked again as it is.
pub async fn question(pair: &Pair, mut operation: Operation, moment: &str, mut difference: Box<Difference>) -> Found {
    let mut tries = 0;
    'smaller: loop {
        for candidate in smaller(&operation) {
            tries += 1;
            if tries > TRIES_MAX {
                break 'smaller;
            }
            if let Err(found) = pair.ask(&candidate, moment).await {
                (operation, difference) = (candidate, found);
                continue 'smaller;
            }
        }
        break;
    }
    Found { operation: operation.to_string(), difference }
}

/// What writes is tried on worlds in which the same was written before.
pub async fn write(
    run: &Run,
    written: &[Operation],
    mut operation: Operation,
    mut difference: Box<Difference>,
) -> Found {
    let mut before = written;
    if let Err(found) = alone(run, &[], &operation).await {
        (before, difference) = (&[], found);
    }
    let mut tries = 0;
    'smaller: loop {
        for candidate in smaller(&operation) {
            tries += 1;
            if tries > WORLDS_MAX {
                break 'smaller;
            }
            if let Err(found) = alone(run, before, &candidate).await {
                (operation, difference) = (candidate, found);
                continue 'smaller;
            }
        }
        break;
    }
    let after = if before.is_empty() { String::new() } else { format!(" (after {} others)", before.len()) };
    Found { operation: format!("{operation}{after}"), difference }
}

async fn alone(run: &Run, before: &[Operation], operation: &Operation) -> Result<(), Box<Difference>> {
    let pair = Pair::start(&run.twins, run.profile, &run.points).await;
    let asked = asked_alone(&pair, before, operation).await;
    pair.end().await;
    asked
}

async fn asked_alone(pair: &Pair, before: &[Operation], operation: &Operation) -> Result<(), Box<Difference>> {
    let mut moments = Moments::after(24);
    for earlier in before {
        pair.ask(earlier, &moments.next()).await?;
    }
    pair.ask(operation, &moments.next()).await.map(|_| ())
}

/// The operation with one thing less, the largest things first.
fn smaller(operation: &Operation) -> Vec<Operation> {
    let with = |roots| Operation { roots, ..operation.clone() };
    let mut found = Vec::new();
    for position in 0..operation.roots.len() {
        if operation.roots.len() > 1 {
            found.push(with(without(&operation.roots, position)));
        }
        for root in smaller_selections(&operation.roots[position]) {
            found.push(with(replaced(&operation.roots, position, root)));
        }
    }
    found
}

fn smaller_selections(selection: &Selection) -> Vec<Selection> {
    let mut found = Vec::new();
    for position in 0..selection.inner.len() {
        if selection.inner.len() > 1 {
            found.push(Selection { inner: without(&selection.inner, position), ..selection.clone() });
        }
    }
    for position in 0..selection.arguments.len() {
        found.push(Selection { arguments: without(&selection.arguments, position), ..selection.clone() });
        let argument = &selection.arguments[position];
        if argument.by_variable {
            let plain = super::operation::Argument { by_variable: false, ..argument.clone() };
            found.push(Selection { arguments: replaced(&selection.arguments, position, plain), ..selection.clone() });
        }
        for value in smaller_values(&argument.value) {
            let argument = super::operation::Argument { value, ..argument.clone() };
            let arguments = replaced(&selection.arguments, position, argument);
            found.push(Selection { arguments, ..selection.clone() });
        }
    }
    for position in 0..selection.inner.len() {
        for inner in smaller_selections(&selection.inner[position]) {
            found.push(Selection { inner: replaced(&selection.inner, position, inner), ..selection.clone() });
        }
    }
    found
}

fn smaller_values(value: &Given) -> Vec<Given> {
    match value {
        Given::List(items) => {
            let less = (0..items.len()).map(|position| Given::List(without(items, position)));
            let inside = items.iter().enumerate().flat_map(|(position, item)| {
                smaller_values(item).into_iter().map(move |item| Given::List(replaced(items, position, item)))
            });
            less.chain(inside).collect()
        }
        Given::Object(entries) => {
            let less = (0..entries.len()).map(|position| Given::Object(without(entries, position)));
            let inside = entries.iter().enumerate().flat_map(|(position, (name, value))| {
                let entry = move |value| (name.clone(), value);
                smaller_values(value)
                    .into_iter()
                    .map(move |value| Given::Object(replaced(entries, position, entry(value))))
            });
            less.chain(inside).collect()
        }
        Given::Json(_) | Given::Enum(_) => Vec::new(),
    }
}

fn without<T: Clone>(items: &[T], position: usize) -> Vec<T> {
    let mut items = items.to_vec();
    items.remove(position);
    items
}

fn replaced<T: Clone>(items: &[T], position: usize, item: T) -> Vec<T> {
    let mut items = items.to_vec();
    items[position] = item;
    items
}
