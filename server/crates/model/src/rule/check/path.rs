//! Names and paths: fields of the record, of the record before the change, and of the records that it refers to.

use cel::common::ast::Expr as Syntax;
use cel::parser::Expression;

use super::{Checked, Checker, Typed};
use crate::catalog::{FieldPath, Hop, ModuleId};
use crate::rule::mentions::Mention;
use crate::rule::parse::Name;
use crate::rule::{Expr, Root, RuleType};
use crate::suggest::did_you_mean;

/// One name of a path, and where it stands.
struct Segment {
    name: String,
    position: usize,
}

fn names(segments: &[Segment]) -> Vec<&str> {
    segments.iter().map(|segment| segment.name.as_str()).collect()
}

impl Checker<'_> {
    pub(super) fn path(&mut self, node: &Expression) -> Checked {
        let segments = self.segments(node)?;
        let (first, rest) = segments.split_first().expect("a path has a first name");
        // A field of the same name wins where the word stands alone.
        match (first.name.as_str(), rest) {
            ("actor", [_, ..]) => self.actor(rest),
            ("old", [_, ..]) if self.context.allow_old => self.field(Root::Old, rest),
            ("old", [_, ..]) => {
                self.fail(first.position, "`old` is not known here: there is no record before a change")
            }
            ("record", [_, ..]) if !self.has_field("record") => self.field(Root::Record, rest),
            ("actor", []) if !self.has_field("actor") => {
                self.fail(first.position, "`actor` is the user who acts; name its id, as in `ownerId == actor.id`")
            }
            ("old" | "record", []) if !self.has_field(&first.name) => {
                let message = format!("`{0}` is a record; name one of its fields, as in `{0}.name`", first.name);
                self.fail(first.position, message)
            }
            _ if self.is_outside(&segments) => self.outside(&segments, None),
            _ => self.field(Root::Record, &segments),
        }
    }

    fn is_outside(&self, segments: &[Segment]) -> bool {
        !self.has_field(&segments[0].name) && self.schema.outside(&names(segments)).is_some()
    }

    /// `number(x)` and its like, of a value from outside whose type the checker does not know; `None` if `node` is no such path.
    pub(super) fn taken_for(&mut self, ty: RuleType, node: &Expression) -> Option<Checked> {
        if !matches!(node.expr, Syntax::Ident(_) | Syntax::Select(_)) || self.parsed.atom(node).is_some() {
            return None;
        }
        let segments = self.segments(node)?;
        self.is_outside(&segments).then(|| self.outside(&segments, Some(ty)))
    }

    fn outside(&mut self, segments: &[Segment], taken_for: Option<RuleType>) -> Checked {
        let position = segments[0].position;
        let outside = match self.schema.outside(&names(segments)) {
            Some(Ok(outside)) => outside,
            Some(Err(message)) => return self.fail(position, message),
            None => return self.fail(position, format!("there is no `{}`", segments[0].name)),
        };
        if let Some((segment, module, field)) = outside.field
            && let Some(Segment { name, position }) = segments.get(segment)
        {
            self.mentions.push(Mention { position: *position, length: name.len(), module, field });
        }
        let Some(ty) = outside.ty.or(taken_for) else {
            let message = "its type is not known here: say what it is, as in `number(x)`, `text(x)`, `boolean(x)`, `date(x)` or `datetime(x)`";
            return self.fail(position, message);
        };
        let path = segments.iter().map(|segment| segment.name.clone()).collect();
        self.typed(Expr::Outside(path, ty), ty, position)
    }

    fn actor(&mut self, rest: &[Segment]) -> Checked {
        match rest {
            [id] if id.name == "id" => self.typed(Expr::ActorId, RuleType::Id, id.position),
            _ => self.fail(rest[0].position, "only the id of the acting user is known: `actor.id`"),
        }
    }

    fn field(&mut self, root: Root, segments: &[Segment]) -> Checked {
        let mut module = self.context.module;
        let mut hops = Vec::new();
        let segments = &self.joined(module, segments);
        for (index, segment) in segments.iter().enumerate() {
            let Some(field) = self.schema.field(module, &segment.name) else {
                return self.unknown_field(module, segment);
            };
            let length = segment.name.find('.').unwrap_or(segment.name.len());
            self.mentions.push(Mention { position: segment.position, length, module, field: field.id });
            if index + 1 == segments.len() {
                let expr = Expr::Field(root, FieldPath { hops, field: field.id });
                return Some(Typed { expr, ty: field.ty, options: field.options, position: segments[0].position });
            }
            let next = &segments[index + 1];
            let name = &segment.name;
            match field.targets.as_slice() {
                [] => {
                    let message = format!("`{name}` is {}, so it has no field `{}`", field.ty, next.name);
                    return self.fail(next.position, message);
                }
                _ if !self.context.allow_relations => {
                    let message = format!("this rule may read the record's own fields only, not those of its `{name}`");
                    return self.fail(next.position, message);
                }
                [target] => {
                    hops.push(Hop { field: field.id, target: *target });
                    module = *target;
                }
                _ => {
                    let message = format!(
                        "`{name}` may point to records of several modules, so their fields cannot be read here; only `{name} == null` and its id"
                    );
                    return self.fail(next.position, message);
                }
            }
        }
        unreachable!("the last name of a path returns")
    }

    /// The names, with those of a field and of its part put together: `account.billingAddress.city` has two.
    fn joined(&self, mut module: ModuleId, segments: &[Segment]) -> Vec<Segment> {
        let mut joined: Vec<Segment> = Vec::with_capacity(segments.len());
        let mut rest = segments.iter().peekable();
        while let Some(Segment { name, position }) = rest.next() {
            let part = rest.peek().map(|part| format!("{name}.{}", part.name));
            match part.filter(|part| self.schema.field(module, part).is_some()) {
                Some(part) => {
                    rest.next();
                    joined.push(Segment { name: part, position: *position });
                }
                None => joined.push(Segment { name: name.clone(), position: *position }),
            }
            let last = joined.last().and_then(|last| self.schema.field(module, &last.name));
            if let Some([target]) = last.as_ref().map(|field| field.targets.as_slice()) {
                module = *target;
            }
        }
        joined
    }

    fn unknown_field(&mut self, module: ModuleId, segment: &Segment) -> Checked {
        let names = self.schema.field_names(module);
        let parts: Vec<&str> =
            names.iter().filter_map(|name| name.strip_prefix(&segment.name)?.strip_prefix('.')).collect();
        if let Some(first) = parts.first() {
            let message = format!(
                "`{0}` has several values, so one of its parts must be named, as in `{0}.{first}`; they are {1}",
                segment.name,
                parts.join(", ")
            );
            return self.fail(segment.position, message);
        }
        if names.contains(&segment.name) {
            let message =
                format!("`{}` cannot be read by a rule: its value is JSON, or a plugin computes it", segment.name);
            return self.fail(segment.position, message);
        }
        let hint = did_you_mean(&segment.name, names.iter().map(String::as_str));
        self.fail(segment.position, format!("there is no field `{}`{hint}", segment.name))
    }

    fn has_field(&self, name: &str) -> bool {
        self.schema.field(self.context.module, name).is_some()
    }

    /// The names from the first to the last; told and `None` if this is no path.
    fn segments(&mut self, node: &Expression) -> Option<Vec<Segment>> {
        let mut segments = Vec::new();
        let mut node = node;
        loop {
            let position = self.parsed.position(node);
            match &node.expr {
                Syntax::Select(select) if select.test => {
                    self.fail(
                        self.parsed.name_before(position),
                        "`has(…)` is not part of the rule language; write `x != null`",
                    );
                    return None;
                }
                Syntax::Select(select) => {
                    let position = self.parsed.name_after(position);
                    segments.push(self.segment(&select.field, position)?);
                    node = &select.operand;
                }
                Syntax::Ident(name) => {
                    segments.push(self.segment(name, position)?);
                    segments.reverse();
                    return Some(segments);
                }
                _ => {
                    self.expression(node);
                    self.fail(position, "only references have fields");
                    return None;
                }
            }
        }
    }

    fn segment(&mut self, name: &str, position: usize) -> Option<Segment> {
        let name = match self.parsed.atom_at(position) {
            Some(Name::Reserved(name)) => name.clone(),
            Some(Name::Literal(_)) => {
                self.fail(position, "only references have fields");
                return None;
            }
            None => name.to_owned(),
        };
        Some(Segment { name, position })
    }
}
