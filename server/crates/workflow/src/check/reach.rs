//! Workflows that would start themselves for ever: refused when they are saved, as far as it can be seen.

use cardine_model::catalog::{Catalog, FieldId, Module};
use cardine_model::rule::Root;
use cardine_model::{Issue, path};

use super::steps::constant;
use crate::program::{Act, Action, Given, Node, Start, Workflow};
use crate::template::Template;

/// Steps that are done in every run and cause the event that starts the next one.
pub(super) fn endless(workflow: &Workflow, catalog: &Catalog) -> Vec<Issue> {
    if matches!(workflow.start, Start::Call(_)) {
        return calls_itself(workflow);
    }
    let Start::Change { on, changed, relinked } = &workflow.start else { return Vec::new() };
    let is_conditional = workflow.when.as_ref().is_some_and(|when| constant(when) != Some(true));
    if is_conditional {
        return Vec::new();
    }
    let starts_on = |kind: &str| on.iter().any(|one| one == kind);
    let any_change = changed.is_empty() && relinked.is_empty();
    let mut issues = Vec::new();
    for node in always_done(workflow) {
        let again = match &node.act {
            Act::Do(Action::Create { module, .. }) => starts_on("CREATED") && Some(*module) == workflow.module,
            Act::Do(Action::Update { module, record: None, set }) => {
                let moves =
                    |(field, given): &(FieldId, Given)| (any_change || changed.contains(field)) && reads(given, *field);
                starts_on("UPDATED") && Some(*module) == workflow.module && set.iter().any(moves)
            }
            _ => false,
        };
        if again {
            let module = workflow.module.map_or("", |module| catalog.module(module).name.as_str());
            let message = format!(
                "the step `{}` starts this workflow again, without end: say in `trigger.when` of which {module} it is meant",
                node.id
            );
            issues.push(Issue::new(path!["definition", "steps"], "endless", message));
        }
    }
    issues
}

/// One that other workflows start, and that starts itself in every run.
fn calls_itself(workflow: &Workflow) -> Vec<Issue> {
    let is_itself =
        |node: &&Node| matches!(&node.act, Act::Do(Action::Start(start)) if start.workflow == workflow.name);
    let steps = always_done(workflow);
    let again = steps.iter().find(|node| is_itself(node));
    let issue = again.map(|node| {
        let message = format!("the step `{}` starts this workflow again, without end: give it a `when`", node.id);
        Issue::new(path!["definition", "steps"], "endless", message)
    });
    issue.into_iter().collect()
}

/// Outside of branches and loops, and without a condition.
fn always_done(workflow: &Workflow) -> Vec<&Node> {
    let mut done = Vec::new();
    let mut place = 0;
    while let Some(node) = workflow.steps.get(place) {
        if node.when.is_none() && matches!(node.act, Act::Do(_)) {
            done.push(node);
        }
        place = node.after(place);
    }
    done
}

/// Whether a value is made of what the record's field holds, so that it is another one each time.
fn reads(given: &Given, field: FieldId) -> bool {
    let Given::Template(template) = given else { return true };
    // The field's value alone changes nothing.
    let is_itself = |template: &Template| {
        matches!(template, Template::Value(crate::template::Hole::Rule(rule))
            if matches!(&rule.expr, cardine_model::rule::Expr::Field(Root::Record, _)))
    };
    let inputs = template.rules().into_iter().flat_map(|rule| rule.inputs());
    !is_itself(template)
        && inputs.into_iter().any(|(root, path)| root == Root::Record && path.field == field && field != Module::ID)
}
