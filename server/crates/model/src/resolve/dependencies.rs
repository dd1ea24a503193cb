//! Which fields formulas and rollups read, theirs included: the inputs that decide who may read them, and the refusal of cycles.

use rustc_hash::{FxHashMap, FxHashSet};

use super::draft::{Draft, Issues, UNKNOWN_RELATION, position_of};
use crate::catalog::{FieldKind, FieldPath};
use crate::rule::TypedRule;
use crate::{FieldId, ModuleId, path};

/// A field of a module.
type Node = (ModuleId, FieldId);

/// What each formula and rollup reads.
pub(super) type Inputs = FxHashMap<Node, Vec<Node>>;

/// Most formulas and rollups over one another, as each is written out in the statement of the one above it.
const LEVELS_MAX: usize = 32;

/// The inputs of every formula and rollup; tells cycles and chains that are too long.
pub(super) fn trace(draft: &Draft<'_>, issues: &mut Issues) -> Inputs {
    let direct = direct_inputs(draft);
    let sorted = sort(&direct);
    for cycle in cycles(&direct, &sorted) {
        report_cycle(draft, &cycle, issues);
    }
    check_levels(draft, &direct, &sorted, issues);
    collect(draft, direct, &sorted)
}

/// What every sound formula and rollup reads itself.
fn direct_inputs(draft: &Draft<'_>) -> FxHashMap<Node, Vec<Node>> {
    let mut direct = FxHashMap::default();
    for module in &draft.modules {
        for field in module.fields.iter().filter(|field| field.is_derived() && !draft.is_faulty(module.id, field.id)) {
            let mut inputs = Vec::new();
            match &field.kind {
                FieldKind::Formula(formula) => add_rule(module.id, &formula.rule, &mut inputs),
                FieldKind::Computed(computed) => {
                    inputs.extend(computed.inputs.iter().map(|(_, field)| (module.id, *field)));
                }
                FieldKind::Rollup(rollup) if rollup.relation != UNKNOWN_RELATION => {
                    let relation = module.relation(rollup.relation);
                    inputs.push((relation.module, relation.field));
                    inputs.extend(rollup.field.map(|field| (relation.module, field)));
                    if let Some(filter) = &rollup.filter {
                        add_rule(relation.module, filter, &mut inputs);
                    }
                }
                _ => {}
            }
            // What is kept of the version before may read what has moved since: it is resolved anew then, and this comes to nothing.
            inputs.retain(|(module, field)| (field.0 as usize) < draft.module_at(*module).fields.len());
            inputs.sort();
            inputs.dedup();
            direct.insert((module.id, field.id), inputs);
        }
    }
    direct
}

fn add_rule(module: ModuleId, rule: &TypedRule, inputs: &mut Vec<Node>) {
    for (_, FieldPath { hops, field }) in rule.inputs() {
        let mut reached = module;
        for hop in hops {
            inputs.push((reached, hop.field));
            reached = hop.target;
        }
        inputs.push((reached, field));
    }
}

/// Formulas and rollups, each after those that it reads; without those in cycles and those that read them (Kahn 1962).
fn sort(direct: &FxHashMap<Node, Vec<Node>>) -> Vec<Node> {
    let mut readers: FxHashMap<Node, Vec<Node>> = FxHashMap::default();
    let mut waiting: FxHashMap<Node, usize> = FxHashMap::default();
    let mut ready: Vec<Node> = Vec::new();
    for (node, inputs) in direct {
        let derived: Vec<&Node> = inputs.iter().filter(|input| direct.contains_key(*input)).collect();
        for input in &derived {
            readers.entry(**input).or_default().push(*node);
        }
        if derived.is_empty() {
            ready.push(*node);
        } else {
            waiting.insert(*node, derived.len());
        }
    }
    let mut sorted = Vec::with_capacity(direct.len());
    while let Some(node) = ready.pop() {
        sorted.push(node);
        for reader in readers.remove(&node).unwrap_or_default() {
            if let Some(count) = waiting.get_mut(&reader) {
                *count -= 1;
                if *count == 0 {
                    ready.push(reader);
                }
            }
        }
    }
    sorted
}

/// The cycles that keep fields from being sorted: one for each knot, as a list of fields that read one another in turn.
fn cycles(direct: &FxHashMap<Node, Vec<Node>>, sorted: &[Node]) -> Vec<Vec<Node>> {
    let sorted: FxHashSet<Node> = sorted.iter().copied().collect();
    let mut knotted: Vec<Node> = direct.keys().filter(|node| !sorted.contains(*node)).copied().collect();
    knotted.sort();

    let mut cycles = Vec::new();
    let mut walked: FxHashSet<Node> = FxHashSet::default();
    for start in knotted {
        // Every knotted field reads another one; following the first leads into a cycle, or to where a walk was before.
        let mut walk: Vec<Node> = Vec::new();
        let mut positions: FxHashMap<Node, usize> = FxHashMap::default();
        let mut node = start;
        while walked.insert(node) {
            positions.insert(node, walk.len());
            walk.push(node);
            let next = direct[&node].iter().find(|input| direct.contains_key(*input) && !sorted.contains(*input));
            node = *next.expect("a field without a knotted input would have been sorted");
        }
        if let Some(position) = positions.get(&node) {
            cycles.push(walk.split_off(*position));
        }
    }
    cycles
}

/// Tells a cycle at its field in the latest document, where it was probably closed, with the whole way round.
fn report_cycle(draft: &Draft<'_>, cycle: &[Node], issues: &mut Issues) {
    let place_of = |node: &Node| draft.documents.iter().position(|document| document.id == node.0);
    let start = (0..cycle.len()).max_by_key(|position| (place_of(&cycle[*position]), cycle[*position].1)).unwrap_or(0);
    let (module, field) = cycle[start];
    let mut way: Vec<String> = Vec::with_capacity(cycle.len() + 1);
    for (module, field) in cycle[start..].iter().chain(&cycle[..=start]) {
        let module = draft.module_at(*module);
        way.push(format!("{}.{}", module.name, module.field(*field).name));
    }
    let message = format!("the field reads itself: {}", shortened(&way));
    let key = match draft.module_at(module).field(field).kind {
        FieldKind::Formula(_) => "rule",
        _ => "relation",
    };
    issues.add_in(&draft.module_at(module).name, path!["fields", position_of(field), key], "cycle", message);
}

/// The way with arrows; the middle of a very long one is left out.
fn shortened(way: &[String]) -> String {
    const SHOWN_MAX: usize = 20;
    if way.len() <= SHOWN_MAX {
        return way.join(" → ");
    }
    let (start, end) = (&way[..SHOWN_MAX / 2], &way[way.len() - SHOWN_MAX / 2..]);
    format!("{} → … → {}", start.join(" → "), end.join(" → "))
}

fn check_levels(draft: &Draft<'_>, direct: &FxHashMap<Node, Vec<Node>>, sorted: &[Node], issues: &mut Issues) {
    let mut levels: FxHashMap<Node, usize> = FxHashMap::default();
    for node in sorted {
        let below = direct[node].iter().filter_map(|input| levels.get(input)).max().copied().unwrap_or(0);
        levels.insert(*node, below + 1);
        // Only the first one over the limit: those above it follow.
        if below == LEVELS_MAX {
            let module = draft.module_at(node.0);
            let message = format!(
                "`{}.{}` stands on more than {LEVELS_MAX} formulas and rollups that read one another; leave some out between",
                module.name,
                module.field(node.1).name
            );
            issues.add_in(&module.name, path!["fields", position_of(node.1)], "limit", message);
        }
    }
}

/// All inputs of every sorted field. A published field stands for itself: who may not read its inputs may read it.
fn collect(draft: &Draft<'_>, direct: FxHashMap<Node, Vec<Node>>, sorted: &[Node]) -> FxHashMap<Node, Vec<Node>> {
    let mut all: FxHashMap<Node, Vec<Node>> = FxHashMap::default();
    for node in sorted {
        let mut inputs = direct[node].clone();
        for input in &direct[node] {
            if !is_published(draft, *input)
                && let Some(further) = all.get(input)
            {
                inputs.extend_from_slice(further);
            }
        }
        inputs.sort();
        inputs.dedup();
        all.insert(*node, inputs);
    }
    all
}

fn is_published(draft: &Draft<'_>, (module, field): Node) -> bool {
    match &draft.module_at(module).field(field).kind {
        FieldKind::Formula(formula) => formula.published,
        FieldKind::Rollup(rollup) => rollup.published,
        _ => false,
    }
}
