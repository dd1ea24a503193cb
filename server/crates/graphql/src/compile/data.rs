//! What a mutation is given for a record: its values, and the records that stand inside them.

#![allow(clippy::wrong_self_convention, reason = "to-one and to-many are the words for relations, not conversions")]

use cardine_engine::{Data, LinkChange, ToMany, ToOne};
use cardine_model::catalog::{Catalog, ModuleId, RelationId};
use cardine_model::{Issue, PathSegment, Value};

use crate::coerce::Input;
use crate::error::Error;
use crate::limits::Limits;
use crate::schema::InputTarget;

/// Reads the data of one mutation and counts what stands inside.
pub(super) struct DataReader<'a> {
    catalog: &'a Catalog,
    limits: &'a Limits,
    nested: usize,
    level: usize,
}

impl<'a> DataReader<'a> {
    pub fn new(catalog: &'a Catalog, limits: &'a Limits) -> Self {
        Self { catalog, limits, nested: 0, level: 0 }
    }

    /// The data of a record of `module` that stand at `path`.
    pub fn read(&mut self, module: ModuleId, data: &Input, path: Vec<PathSegment>) -> Result<Data, Error> {
        let mut read = Data::default();
        for (field, value) in data.fields() {
            match field.target {
                Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)) => {
                    read.values.push((id, value.to_value()));
                }
                // An address or place by its parts, those that were left out excepted.
                Some(InputTarget::Group(id)) => {
                    let group = self.catalog.field(module, id).group();
                    for (name, part) in group.into_iter().flat_map(|group| group.shape.parts().iter().zip(&group.parts))
                    {
                        let given = value.fields().iter().find(|(field, _)| field.name == *name);
                        if let Some((_, value)) = given {
                            read.values.push((*part, value.to_value()));
                        } else if *value == Input::Null {
                            read.values.push((*part, Value::Null));
                        }
                    }
                }
                Some(InputTarget::Reference(id)) => {
                    let definition = self.catalog.field(module, id);
                    let target = definition.reference().and_then(|reference| reference.targets.first()).copied();
                    let path = below(&path, &[&field.name]);
                    match (value.fields().first(), target) {
                        (Some((_, data @ Input::Object(_))), Some(target)) => {
                            let data = self.inside(target, data, below(&path, &["create"]))?;
                            read.to_one.push((id, ToOne::Create(data)));
                        }
                        (Some((_, connected)), _) => {
                            let ids = connected.ids();
                            read.to_one.extend(ids.first().map(|connected| (id, ToOne::Connect(*connected))));
                        }
                        // Null clears.
                        (None, _) => read.values.push((id, Value::Null)),
                    }
                }
                Some(InputTarget::Relation(id)) => {
                    let target = self.catalog.module(module).relation(id).module;
                    let list = self.to_many(target, value, &below(&path, &[&field.name]))?;
                    if list != ToMany::default() {
                        read.to_many.push((id, list));
                    }
                }
                Some(InputTarget::Links(id)) => {
                    let change = self.links(module, id, value)?;
                    read.links.push(change);
                }
                Some(InputTarget::Union(_) | InputTarget::Target(_) | InputTarget::Logic) | None => {}
            }
        }
        self.check_given_once(module, &read, &path)?;
        Ok(read)
    }

    fn inside(&mut self, module: ModuleId, data: &Input, path: Vec<PathSegment>) -> Result<Data, Error> {
        self.count(1)?;
        self.level += 1;
        if self.level > self.limits.relation_levels {
            return Err(Error::limit("levels of relations", self.limits.relation_levels, self.level));
        }
        let data = self.read(module, data, path);
        self.level -= 1;
        data
    }

    fn to_many(&mut self, module: ModuleId, list: &Input, path: &[PathSegment]) -> Result<ToMany, Error> {
        let mut read = ToMany::default();
        for (field, value) in list.fields().iter().filter(|(_, value)| *value != Input::Null) {
            if field.name == "create" {
                for (position, data) in value.items().iter().enumerate() {
                    let mut path = below(path, &["create"]);
                    path.push(position.into());
                    read.create.push(self.inside(module, data, path)?);
                }
                continue;
            }
            let ids = value.ids();
            self.count(ids.len())?;
            match field.name.as_str() {
                "connect" => read.connect = ids,
                "disconnect" => read.disconnect = ids,
                _ => read.set = Some(ids),
            }
        }
        Ok(read)
    }

    /// What becomes of a relation's links.
    fn links(&mut self, module: ModuleId, relation: RelationId, list: &Input) -> Result<LinkChange, Error> {
        let links = self.catalog.module(module).relation(relation).module;
        let mut change = LinkChange::new(relation);
        for (field, value) in list.fields().iter().filter(|(_, value)| *value != Input::Null) {
            self.count(value.items().len())?;
            match field.name.as_str() {
                "connect" => change.connect = value.ids(),
                "disconnect" => change.disconnect = value.ids(),
                "set" => change.set = Some(value.ids()),
                _ => {
                    for link in value.items() {
                        let id = link.fields().iter().find(|(field, _)| field.target.is_none());
                        let id = id.and_then(|(_, id)| id.ids().first().copied()).unwrap_or_default();
                        change.link.push((id, self.read(links, link, Vec::new())?.values));
                    }
                }
            }
        }
        Ok(change)
    }

    fn count(&mut self, more: usize) -> Result<(), Error> {
        self.nested += more;
        let most = self.limits.nested_records;
        if self.nested > most {
            let found = format!("more than {most}");
            return Err(Error::limit("records that a mutation writes within others", most, found));
        }
        Ok(())
    }

    /// A reference is given by its id or by its record, not by both.
    fn check_given_once(&self, module: ModuleId, data: &Data, path: &[PathSegment]) -> Result<(), Error> {
        let twice = |id| data.values.iter().filter(|(given, _)| *given == id).count();
        let mut fields = data.to_one.iter().map(|(id, _)| (*id, 1)).chain(data.values.iter().map(|(id, _)| (*id, 0)));
        let Some((field, _)) = fields.find(|(id, given)| twice(*id) + given > 1) else { return Ok(()) };
        let name = &self.catalog.field(module, field).name;
        let message = format!("Give either `{name}` or `{name}Id`, not both.");
        let issue = Issue::new(below(path, &[name]), "oneOf", message.as_str());
        Err(Error { issues: vec![issue], ..Error::input(message) })
    }
}

fn below(path: &[PathSegment], names: &[&str]) -> Vec<PathSegment> {
    path.iter().cloned().chain(names.iter().map(|name| PathSegment::from(*name))).collect()
}
