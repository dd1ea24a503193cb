//! The fields of `Mutation`: what may be done with the records of each module.

use cardine_model::catalog::ModuleId;
use cardine_model::conversion::Conversion;

use super::notifications::MARK_READ;
use super::root::id_argument;
use super::unique::upsert_fields;
use super::{InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);

/// What the mutations of conversions begin with.
const CONVERT: &str = "convert";

/// The verbs of mutations of one record, and of several.
const VERBS: [Verb; 13] = [
    Verb { word: "create", many: false },
    Verb { word: "create", many: true },
    Verb { word: "update", many: false },
    Verb { word: "update", many: true },
    Verb { word: "upsert", many: false },
    Verb { word: "upsert", many: true },
    Verb { word: "delete", many: false },
    Verb { word: "delete", many: true },
    Verb { word: "restore", many: false },
    Verb { word: "restore", many: true },
    Verb { word: "destroy", many: false },
    Verb { word: "destroy", many: true },
    Verb { word: "merge", many: true },
];

/// What is done, to one record or to several: then the module's plural follows.
#[derive(Clone, Copy)]
struct Verb {
    word: &'static str,
    many: bool,
}

impl Schema<'_> {
    pub(super) fn mutation_fields(&self) -> Vec<OutputField> {
        let modules = self.catalog.modules.iter().map(|module| module.id);
        let of_modules = modules.flat_map(|module| {
            let plain = VERBS.iter().filter_map(move |verb| self.mutation_of(module, *verb));
            plain.chain(self.convert_fields(module))
        });
        of_modules.chain(self.mark_read_field()).collect()
    }

    pub(super) fn mutation_field(&self, name: &str) -> Option<OutputField> {
        if name == MARK_READ {
            return self.mark_read_field();
        }
        let plain = VERBS.iter().find_map(|verb| {
            let of = name.strip_prefix(verb.word)?;
            let module = match verb.many {
                false => self.catalog.served_by_name(of),
                true => self.served_modules().find(|module| module.plural == of),
            };
            self.mutation_of(module?.id, *verb)
        });
        plain.or_else(|| self.convert_field(name))
    }

    /// The mutations of the module's conversions that the caller may do.
    fn convert_fields(&self, module: ModuleId) -> impl Iterator<Item = OutputField> {
        let all = (0_u32..).zip(self.catalog.module(module).conversions.iter());
        let may = self.may_update(module);
        all.filter_map(move |(position, conversion)| {
            let arguments = self.convert_arguments(conversion).filter(|_| may)?;
            let words =
                "Makes other records of this one, as its module declares it, and moves what belongs to it to them.";
            let name = conversion.mutation_name(&self.catalog.module(module).name);
            let record = TypeRef::required(TypeKey::Record(module));
            let meaning = Meaning::Convert(module, position);
            Some(OutputField::new(&name, record, meaning, Some(words.to_owned())).with(arguments))
        })
    }

    /// `convertDeal`, and `convertDealToQuote`: there may be a `To` in a module's name and in a conversion's.
    fn convert_field(&self, name: &str) -> Option<OutputField> {
        let of = name.strip_prefix(CONVERT)?;
        let ends = of.match_indices("To").map(|(position, _)| position).chain([of.len()]);
        let mut modules = ends.filter_map(|end| self.catalog.served_by_name(&of[..end]));
        modules.find_map(|module| self.convert_fields(module.id).find(|field| field.name == name))
    }

    /// The mutation, if the caller may do it.
    fn mutation_of(&self, module: ModuleId, verb: Verb) -> Option<OutputField> {
        let (create, update) = (self.may_create(module), self.may_update(module));
        let delete = self.may_delete(module);
        let may = match (verb.word, verb.many) {
            ("create", _) => create,
            ("update", _) => update,
            ("upsert", _) => self.may_upsert(module),
            ("merge", _) => update && delete,
            _ => delete,
        };
        may.then(|| self.describe_mutation(module, verb))
    }

    fn describe_mutation(&self, module: ModuleId, verb: Verb) -> OutputField {
        let record = TypeRef::required(TypeKey::Record(module));
        let bulk = || TypeRef::required(TypeKey::BulkResult);
        let filter = || {
            let ty = TypeRef::required(TypeKey::Filter(module));
            InputValue::argument("filter", ty, "Which records, of those that the caller may write.")
        };
        let create = |ty| InputValue::argument("data", ty, "The record's values.");
        let update = |ty| InputValue::argument("data", ty, "The values to change.");
        let update_type = TypeKey::Update(module);
        let (ty, meaning, words, arguments) = match (verb.word, verb.many) {
            ("create", false) => {
                let data = create(TypeRef::required(TypeKey::Create(module)));
                (record, Meaning::Create(module), "Creates a record.", vec![data])
            }
            ("create", true) => {
                let data = TypeRef::required_list(TypeKey::Create(module));
                let data = InputValue::argument("data", data, "The records' values.");
                let words = "Creates records, and answers them in the same order.";
                (TypeRef::required_list(TypeKey::Record(module)), Meaning::CreateMany(module), words, vec![data])
            }
            ("update", false) => {
                let arguments = vec![id_argument(), update(TypeRef::required(update_type)), if_version_argument()];
                (record, Meaning::Update(module), "Changes a record.", arguments)
            }
            ("update", true) => {
                let arguments = vec![filter(), update(TypeRef::required(update_type))];
                (bulk(), Meaning::UpdateMany(module), "Changes records, all in the same way.", arguments)
            }
            ("upsert", false) => {
                let words = "Changes the record that this tells, or creates it.";
                (record, Meaning::Upsert(module), words, upsert_fields(module))
            }
            ("upsert", true) => {
                let data = TypeRef::required_list(TypeKey::Upsert(module));
                let data = InputValue::argument("data", data, "What tells each record, and its values.");
                let words = "Changes the records that these tell, or creates them, and answers them in the same order.";
                (TypeRef::required_list(TypeKey::Record(module)), Meaning::UpsertMany(module), words, vec![data])
            }
            ("delete", false) => {
                let words = "Deletes a record softly: it can be restored until the retention ends.";
                (record, Meaning::Delete(module), words, vec![id_argument(), if_version_argument()])
            }
            ("delete", true) => (bulk(), Meaning::DeleteMany(module), "Deletes records softly.", vec![filter()]),
            ("restore", true) => {
                let words = "Takes the soft deletes of records back, with what they took along. The filter finds deleted records alone.";
                (bulk(), Meaning::RestoreMany(module), words, vec![filter()])
            }
            ("restore", false) => {
                let words = "Takes a soft delete back, with what it took along.";
                (record, Meaning::Restore(module), words, vec![id_argument()])
            }
            ("destroy", true) => {
                let words = "Removes records for good, those that the filter finds, deleted before or not.";
                (bulk(), Meaning::DestroyMany(module), words, vec![filter()])
            }
            ("destroy", false) => {
                let words = "Removes a record for good, deleted before or not, and answers its id.";
                (TypeRef::required(ID), Meaning::Destroy(module), words, vec![id_argument()])
            }
            _ => {
                let words =
                    "Makes one record of several: what refers to the others refers to it, and they are deleted.";
                (record, Meaning::Merge(module), words, self.merge_arguments(module))
            }
        };
        let module = self.catalog.module(module);
        let name = format!("{}{}", verb.word, if verb.many { &module.plural } else { &module.name });
        OutputField::new(&name, ty, meaning, Some(words.to_owned())).with(arguments)
    }

    fn merge_arguments(&self, module: ModuleId) -> Vec<InputValue> {
        let dry_run =
            InputValue::argument("dryRun", TypeRef::named(BOOLEAN), "Tells what would be, and changes nothing.");
        vec![
            InputValue::argument("ids", TypeRef::required_list(ID), "The records."),
            InputValue::argument("into", TypeRef::required(ID), "The one that stays."),
            InputValue::argument("data", TypeRef::named(TypeKey::Update(module)), "The values to change of it."),
            dry_run.defaulting("false"),
        ]
    }

    /// Arguments for each of its targets that the caller may make or find; none if there are none of those.
    fn convert_arguments(&self, conversion: &Conversion) -> Option<Vec<InputValue>> {
        let mut arguments = vec![id_argument()];
        for target in &conversion.targets {
            let of = self.catalog.by_name.get(target.module.as_str()).copied();
            let Some(of) = of.filter(|of| self.may_create(*of)) else { continue };
            let ty = TypeRef::named(TypeKey::Update(of));
            if self.may_update(of) {
                let words = "Values of the new record, beside those that come from the converted one; of one that is optional, `{}` is enough.";
                arguments.push(InputValue::argument(&target.name, ty, words));
            }
            let words = "A record that is there and is taken instead of a new one.";
            arguments.push(InputValue::argument(&format!("{}Id", target.name), TypeRef::named(ID), words));
        }
        let is_known = arguments.len() > 1;
        arguments.push(if_version_argument());
        is_known.then_some(arguments)
    }

    pub(super) fn bulk_result_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("count", TypeRef::required(INT), "How many records."),
            OutputField::part("ids", TypeRef::required_list(ID), "Their ids, in order."),
        ]
    }
}

fn if_version_argument() -> InputValue {
    let words = "Only if the record still has this version; else `CONFLICT`.";
    InputValue::argument("ifVersion", TypeRef::named(INT), words)
}
