//! Records that may be the same as one that is there, or as one that may be made.

use cardine_engine::normalised;
use cardine_model::catalog::{FieldId, FieldPath, Module, ModuleId};
use cardine_model::{Issue, Value, path};
use cardine_query::{CompareOp, Filter, Page};

use super::Compiler;
use super::arguments::Arguments;
use super::collect::Collected;
use super::data::DataReader;
use super::list::ListBuilder;
use super::root::by_id;
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::OutputField;
use crate::shape::RootField;
use crate::variables::Reading;

impl<'a> Compiler<'a> {
    pub(super) fn duplicates(
        &mut self,
        module: ModuleId,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let (take, size) = self.take(&arguments, self.setting.limits.page_default)?;
        let page = Page { take, after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        let filter = match (arguments.get("id"), arguments.get("data")) {
            (Some(_), None) => self.alike_record(module, &arguments),
            (None, Some(data)) => self.alike_data(module, data)?,
            _ => {
                let message = "Give either `id` or `data`: what the duplicates are of.";
                return Err(Error { issues: vec![Issue::new(path!["id"], "oneOf", message)], ..Error::input(message) });
            }
        };
        list.filter(filter);
        list.order(by_id())?;
        list.rows = size;
        self.rows = self.rows.saturating_add(size);
        let object = self.object(&mut list, &[], module, &collected.sets)?;
        list.never_empty()?;
        Ok(RootField::List { list: self.add(list)?, object })
    }

    /// Alike in all fields of one rule, and another record.
    fn alike_record(&mut self, module: ModuleId, arguments: &Arguments) -> Filter {
        let record = self.slot_given(Value::Id(arguments.id("id")), arguments.given("id"), Reading::Free);
        let rule =
            |rule: &[FieldId]| Filter::All(rule.iter().map(|field| Filter::Alike { field: *field, record }).collect());
        let rules = self.schema.duplicate_rules(module).map(rule).collect();
        let other = Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::Ne, operand: record };
        Filter::All(vec![other, Filter::Any(rules)])
    }

    /// With these values in all fields of one rule. What is not given is alike with nothing.
    fn alike_data(&mut self, module: ModuleId, data: &Input) -> Result<Filter, Error> {
        let catalog = self.schema.catalog;
        let data = DataReader::new(catalog, self.setting.limits).read(module, data, path!["data"])?;
        let value = |field: &FieldId| {
            let given = data.values.iter().find(|(given, _)| given == field).map(|(_, value)| value.clone())?;
            let value = normalised(catalog, module, catalog.field(module, *field), given);
            (!value.is_null()).then_some((*field, value))
        };
        let rules: Vec<Vec<(FieldId, Value)>> = self
            .schema
            .duplicate_rules(module)
            .filter_map(|rule| rule.iter().map(value).collect::<Option<Vec<_>>>())
            .collect();
        let mut parts = Vec::with_capacity(rules.len());
        for rule in rules {
            let equal = rule.into_iter().map(|(field, value)| {
                let operand = self.slot(value);
                Filter::Compare { path: FieldPath::own(field), op: CompareOp::Eq, operand }
            });
            parts.push(Filter::All(equal.collect()));
        }
        Ok(Filter::Any(parts))
    }
}
