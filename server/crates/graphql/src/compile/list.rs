//! A list in the making: each wanted value once, and the records that are joined for it.

use async_graphql_parser::Pos;
use cardine_model::catalog::{FieldPath, Hop, Module, ModuleId};
use cardine_query::{Deleted, Filter, List, OrderKey, Page};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::Error;
use crate::limits::Limits;

pub(super) struct ListBuilder<'a> {
    pub list: List,
    /// Most rows that the whole list may give, all parents together.
    pub rows: u64,
    /// The way from each of its rows to the record that is meant: over the link where the list holds links, else none.
    pub base: Vec<Hop>,
    /// Relations around and in it so far.
    pub level: usize,
    limits: &'a Limits,
    outputs: FxHashMap<FieldPath, usize>,
    references: FxHashSet<Vec<Hop>>,
    pub conditions: usize,
    position: Pos,
}

impl<'a> ListBuilder<'a> {
    pub fn new(module: ModuleId, page: Page, limits: &'a Limits, level: usize, position: Pos) -> Self {
        let list = List {
            module,
            filter: None,
            order: Vec::new(),
            page,
            deleted: Deleted::Exclude,
            outputs: Vec::new(),
            rows: true,
            totals: Vec::new(),
            groups: None,
            children: Vec::new(),
            histories: Vec::new(),
        };
        let (outputs, references) = (FxHashMap::default(), FxHashSet::default());
        Self { list, rows: 1, base: Vec::new(), level, limits, outputs, references, conditions: 0, position }
    }

    /// The position of a wanted value.
    pub fn output(&mut self, hops: &[Hop], field: cardine_model::FieldId) -> Result<usize, Error> {
        self.joins(hops)?;
        let path = FieldPath { hops: hops.to_vec(), field };
        if let Some(position) = self.outputs.get(&path) {
            return Ok(*position);
        }
        let position = self.list.outputs.len();
        self.list.outputs.push(path.clone());
        self.outputs.insert(path, position);
        Ok(position)
    }

    /// Wants the id if nothing else is wanted of the rows: a statement selects something.
    pub fn never_empty(&mut self) -> Result<(), Error> {
        if self.list.outputs.is_empty() {
            self.output(&[], Module::ID)?;
        }
        Ok(())
    }

    pub fn filter(&mut self, filter: Filter) {
        self.list.filter = Some(match self.list.filter.take() {
            Some(other) => Filter::All(vec![other, filter]),
            None => filter,
        });
    }

    pub fn order(&mut self, key: OrderKey) -> Result<(), Error> {
        self.joins(&key.path.hops)?;
        self.list.order.push(key);
        Ok(())
    }

    /// Notes that the records along `hops` are joined.
    pub fn joins(&mut self, hops: &[Hop]) -> Result<(), Error> {
        if hops.is_empty() || self.references.contains(hops) {
            return Ok(());
        }
        for length in 1..=hops.len() {
            self.references.insert(hops[..length].to_vec());
        }
        if self.references.len() > self.limits.references {
            let found = self.references.len();
            return Err(
                Error::limit("references followed in one list", self.limits.references, found).at(self.position)
            );
        }
        Ok(())
    }

    /// Counts a condition of the filter.
    pub fn condition(&mut self) -> Result<(), Error> {
        self.conditions += 1;
        if self.conditions > self.limits.conditions {
            let found = format!("more than {}", self.limits.conditions);
            return Err(Error::limit("conditions of a filter", self.limits.conditions, found).at(self.position));
        }
        Ok(())
    }

    /// Checks that the figures over the whole list, or over each group, are not too many.
    pub fn check_totals(&self) -> Result<(), Error> {
        let figures = self.list.groups.as_ref().map_or(&self.list.totals, |groups| &groups.measures).len();
        if figures > self.limits.figures {
            return Err(Error::limit("figures of a list", self.limits.figures, figures).at(self.position));
        }
        Ok(())
    }

    /// Checks that a relation at this level is not too deep.
    pub fn check_level(&self, level: usize) -> Result<(), Error> {
        if level > self.limits.relation_levels {
            return Err(Error::limit("levels of relations", self.limits.relation_levels, level).at(self.position));
        }
        Ok(())
    }
}
