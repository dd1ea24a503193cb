//! Another type for a field, with the values that it has.

use cardine_model::catalog::{Catalog, Field, FieldKind};
use cardine_model::dependants::of_field;
use cardine_model::resolve::parse_document;
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::ddl;
use serde_json::{Map, Value as Json};

use super::{Planned, Planning, Written, WrittenDefinition, resolve_document};
use crate::change::follow::Follow;
use crate::change::steps::{Conversion, Step};

/// What a caller may say beside the new options.
const ON_UNCONVERTIBLE: &str = "onUnconvertible";

impl Planning<'_> {
    pub(super) fn change_field_type(self, name: &str, field: &str, to: &Json) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
        let position = self.position_of(module, field)?;
        let (options, clears) = read(to)?;
        let written = module.definition().written();
        let mut document = serde_json::to_value(&written).expect("a definition is a JSON document");
        let old = document["fields"][position].as_object().cloned().unwrap_or_default();
        document["fields"][position] = Json::Object(wanted(&document, position, &old, options));
        let place = |path: Vec<PathSegment>| match path.as_slice() {
            [PathSegment::Name(key), PathSegment::Index(index), rest @ ..] if key == "fields" && *index == position => {
                Some([path!["to"].as_slice(), rest].concat())
            }
            _ => None,
        };
        let (definition, after) = resolve_document(self.catalog(), &document, Some(name))
            .map_err(|faults| faults.told(&place, path!["to"]))?;
        let (Some(before), Some(new)) =
            (module.field_named(field), after.module_by_name(name).and_then(|module| module.field_named(field)))
        else {
            return Err(vec![Issue::new(path!["name"], "unknownField", format!("`{name}` has no field `{field}`"))]);
        };
        if !is_source(before) || !is_target(new) {
            let old = &written.fields[position].kind;
            let new = definition.fields.get(position).map_or("", |field| field.kind.as_str());
            let message = format!(
                "a field of the type {old} can't become {new}: values are converted between texts, numbers, booleans, dates, times, durations, choices and JSON; add a new field, and retire this one"
            );
            return Err(vec![Issue::new(path!["to", "type"], "notConvertible", message)]);
        }
        if clears && new.required {
            let message = "a required field can't lose values: leave out `onUnconvertible`, or `required`";
            return Err(vec![Issue::new(path!["to", ON_UNCONVERTIBLE], "required", message)]);
        }
        let mut warnings = Vec::new();
        if old.contains_key("default") && document["fields"][position].get("default").is_none_or(Json::is_null) {
            let message = format!("the default of `{field}` is taken away with its type: give one in `to`");
            warnings.push(Issue::new(path!["to", "default"], "leftOut", message));
        }
        let converted = [(name.to_owned(), field.to_owned())];
        let difference = ddl::difference_with_conversions(self.dialect, self.catalog(), &after, &converted);
        let mut steps = vec![Step::Hold(vec![module.table.clone()])];
        steps.push(Step::Ddl(difference.removed));
        steps.push(Step::Convert(Box::new(Conversion {
            module: name.to_owned(),
            before: before.clone(),
            field: field.to_owned(),
            clears,
            at: path!["to"],
        })));
        if new.required && !before.required {
            steps.push(Step::Fill { module: name.to_owned(), field: field.to_owned(), at: path!["to"], is_new: false });
        }
        steps.extend(unique_sets(&after, name, field).map(|fields| {
            let at = if new.unique && fields.len() == 1 { path!["to", "unique"] } else { path!["to"] };
            Step::Alike { module: name.to_owned(), fields, at }
        }));
        steps.push(Step::Ddl(difference.made));
        let summary = format!("change the type of field {field} of module {name}");
        let mut planned = self.planned(after, "FIELD_TYPE_CHANGED", name, summary);
        planned.warnings = warnings;
        let needed = of_field(self.catalog(), module.id, before.id);
        let needed = needed.iter().map(|dependant| dependant.told(self.catalog())).collect();
        planned.follow = Some(Follow::Converted { field: (module.id, before.id), needed });
        Ok(Planned { steps, definitions: vec![WrittenDefinition { definition, how: Written::Instead }], ..planned })
    }
}

/// The unique sets with a field in them, by names.
pub(super) fn unique_sets<'c>(
    catalog: &'c Catalog,
    module: &str,
    field: &str,
) -> impl Iterator<Item = Vec<String>> + use<'c> {
    let module = catalog.module_by_name(module);
    let field = module.and_then(|module| module.field_named(field)).map(|field| field.id);
    module.into_iter().flat_map(move |module| {
        let sets = module.uniques.iter().filter(move |set| field.is_some_and(|field| set.contains(&field)));
        sets.map(move |set| set.iter().map(|field| module.field(*field).name.clone()).collect())
    })
}

/// The new options, and whether values that can't be converted are cleared.
fn read(to: &Json) -> Result<(Map<String, Json>, bool), Vec<Issue>> {
    let mut options = match to {
        Json::String(kind) => Map::from_iter([("type".to_owned(), Json::String(kind.clone()))]),
        Json::Object(options) => options.clone(),
        _ => {
            let message = "say the new type: its name, or an object such as {\"type\": \"decimal\", \"scale\": 4}";
            return Err(vec![Issue::new(path!["to"], "type", message)]);
        }
    };
    let clears = match options.shift_remove(ON_UNCONVERTIBLE) {
        None | Some(Json::Null) => false,
        Some(Json::String(word)) if word == "REFUSE" => false,
        Some(Json::String(word)) if word == "NULL" => true,
        Some(_) => {
            let message =
                "is \"REFUSE\", which is the default, or \"NULL\": values that can't be converted are cleared";
            return Err(vec![Issue::new(path!["to", ON_UNCONVERTIBLE], "enum", message)]);
        }
    };
    if let Some(key) = ["name"].into_iter().find(|key| options.contains_key(*key)) {
        let message = "a field gets another name by renameField";
        return Err(vec![Issue::new(path!["to", key], "notChangeable", message)]);
    }
    Ok((options, clears))
}

/// The field's new document: what was said, and of its other options those that the new type has.
fn wanted(document: &Json, position: usize, old: &Map<String, Json>, options: Map<String, Json>) -> Map<String, Json> {
    let same_type = options.get("type").is_none_or(|kind| Some(kind) == old.get("type"));
    let mut wanted = old.clone();
    if !same_type {
        wanted.shift_remove("default");
    }
    for (key, value) in &options {
        if value.is_null() {
            wanted.shift_remove(key);
        } else {
            wanted.insert(key.clone(), value.clone());
        }
    }
    if same_type {
        return wanted;
    }
    let mut probe = document.clone();
    probe["fields"][position] = Json::Object(wanted.clone());
    let issues = parse_document(&probe).err().unwrap_or_default();
    for issue in issues {
        if let [PathSegment::Name(fields), PathSegment::Index(at), PathSegment::Name(key), ..] = issue.path.as_slice()
            && fields == "fields"
            && *at == position
            && !options.contains_key(key)
            && key != "name"
        {
            wanted.shift_remove(key);
        }
    }
    wanted
}

/// Whether the values of a field can be told as texts.
pub(super) fn is_source(field: &Field) -> bool {
    matches!(
        field.kind,
        FieldKind::Text { .. }
            | FieldKind::Integer { .. }
            | FieldKind::Decimal { .. }
            | FieldKind::Boolean
            | FieldKind::Date
            | FieldKind::Time
            | FieldKind::DateTime
            | FieldKind::Duration
            | FieldKind::Choice { .. }
            | FieldKind::MultiChoice { .. }
            | FieldKind::Json { .. }
            | FieldKind::AutoNumber { .. }
    ) && !field.system
}

/// Whether a field can take values that were told as texts.
pub(super) fn is_target(field: &Field) -> bool {
    is_source(field) && !matches!(field.kind, FieldKind::AutoNumber { .. })
}
