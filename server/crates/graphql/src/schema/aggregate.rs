//! Figures over many records as types: aggregates, groups with their keys, and what groups are asked by.

use cardine_model::ScalarType;
use cardine_model::catalog::{Field, FieldId, Module, ModuleId};

use super::record::ID_SUFFIX;
use super::{
    EnumValue, FigureType, InputTarget, InputValue, Kind, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef, Words,
};

const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);

/// Each kind of measure: the field that shows it, then the types of its values, of its order and of its conditions.
const MEASURES: [(&str, FigureType, FigureType, FigureType, &str); 5] = [
    ("sum", FigureType::Sum, FigureType::NumberOrderBy, FigureType::SumHaving, "Sums; null over no value."),
    ("avg", FigureType::Avg, FigureType::NumberOrderBy, FigureType::AvgHaving, "Means; null over no value."),
    ("min", FigureType::Min, FigureType::RangeOrderBy, FigureType::RangeHaving, "First values in ascending order."),
    ("max", FigureType::Max, FigureType::RangeOrderBy, FigureType::RangeHaving, "Last values in ascending order."),
    (
        "countDistinct",
        FigureType::CountDistinct,
        FigureType::CountDistinctOrderBy,
        FigureType::CountDistinctHaving,
        "Numbers of different values.",
    ),
];

impl FigureType {
    /// All of them, with what follows the module's name.
    pub(super) const NAMES: [(&str, Self); 18] = [
        ("Aggregate", Self::Aggregate),
        ("Sum", Self::Sum),
        ("Avg", Self::Avg),
        ("Min", Self::Min),
        ("Max", Self::Max),
        ("CountDistinct", Self::CountDistinct),
        ("Group", Self::Group),
        ("GroupKey", Self::GroupKey),
        ("GroupBy", Self::GroupBy),
        ("GroupOrderBy", Self::GroupOrderBy),
        ("Having", Self::Having),
        ("NumberOrderBy", Self::NumberOrderBy),
        ("RangeOrderBy", Self::RangeOrderBy),
        ("CountDistinctOrderBy", Self::CountDistinctOrderBy),
        ("SumHaving", Self::SumHaving),
        ("AvgHaving", Self::AvgHaving),
        ("RangeHaving", Self::RangeHaving),
        ("CountDistinctHaving", Self::CountDistinctHaving),
    ];

    /// What follows the module's name.
    pub(super) fn suffix(self) -> &'static str {
        Self::NAMES.iter().find(|(_, ty)| *ty == self).map_or("", |(suffix, _)| suffix)
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Aggregate
            | Self::Sum
            | Self::Avg
            | Self::Min
            | Self::Max
            | Self::CountDistinct
            | Self::Group
            | Self::GroupKey => Kind::Object,
            _ => Kind::InputObject,
        }
    }

    pub(super) fn is_one_of(self) -> bool {
        matches!(
            self,
            Self::GroupBy | Self::GroupOrderBy | Self::NumberOrderBy | Self::RangeOrderBy | Self::CountDistinctOrderBy
        )
    }

    pub(super) fn description(self) -> Option<&'static str> {
        Some(match self {
            Self::Aggregate => "Figures over all records of a list, whatever its page.",
            Self::Group => "Records that are alike in the keys, and figures over them.",
            Self::GroupKey => "What the records of a group have in common; null for what is not grouped by.",
            Self::GroupBy => "One key of a group; give exactly one field.",
            Self::GroupOrderBy => "One key of an order of groups; give exactly one field.",
            Self::Having => "Which groups: all conditions must be met.",
            _ => return None,
        })
    }
}

impl Schema<'_> {
    /// Whether the type exists for the caller: one without fields does not.
    pub(super) fn figure_exists(&self, module: ModuleId, ty: FigureType) -> bool {
        let any = |test: fn(&Field) -> bool| self.readable_fields(module).any(test);
        // What records hold is a key of their groups, and no list of its own.
        let held = self.catalog.module(module).held;
        self.knows(module)
            && (!held || matches!(ty, FigureType::GroupKey | FigureType::GroupBy))
            && match ty {
                FigureType::Aggregate => true,
                FigureType::Sum
                | FigureType::Avg
                | FigureType::NumberOrderBy
                | FigureType::SumHaving
                | FigureType::AvgHaving => any(is_summable),
                FigureType::Min | FigureType::Max | FigureType::RangeOrderBy | FigureType::RangeHaving => {
                    any(is_ranged)
                }
                // What can be told apart can be grouped by.
                FigureType::CountDistinct
                | FigureType::CountDistinctOrderBy
                | FigureType::CountDistinctHaving
                | FigureType::Group
                | FigureType::GroupKey
                | FigureType::GroupBy
                | FigureType::GroupOrderBy
                | FigureType::Having => any(|field| field.reference().is_some() || is_distinct(field)),
            }
    }

    /// Whether records of the module are grouped by periods of the calendar.
    pub(super) fn has_periods(&self, module: ModuleId) -> bool {
        self.readable_fields(module).any(has_parts)
    }

    /// Whether a number of the module is summed up to this scalar, or has a mean of it.
    pub(super) fn figures_use(&self, module: ModuleId, scalar: Scalar) -> bool {
        let listed = self.is_listed(module);
        let mut summed = self.readable_fields(module).filter(|field| listed && is_summable(field));
        match scalar {
            Scalar::Decimal => summed.any(|field| mean_type(field) == Scalar::Decimal),
            Scalar::BigInt => summed.any(|field| sum_type(field) == Scalar::BigInt),
            _ => false,
        }
    }

    /// Whether conditions on groups compare values of this scalar.
    pub(super) fn figure_filters_use(&self, module: ModuleId, scalar: Scalar) -> bool {
        match scalar {
            Scalar::Int => self.figure_exists(module, FigureType::Having),
            _ => self.figures_use(module, scalar),
        }
    }

    pub(super) fn figure_fields(&self, module: ModuleId, ty: FigureType) -> Vec<OutputField> {
        match ty {
            FigureType::Aggregate => self.measure_fields(module),
            FigureType::Group => {
                let key = TypeRef::required(TypeKey::Figures(module, FigureType::GroupKey));
                let key = OutputField::part("key", key, "What the records have in common.");
                [vec![key], self.measure_fields(module)].concat()
            }
            FigureType::GroupKey => {
                self.readable_fields(module).flat_map(|field| self.key_fields(module, field)).collect()
            }
            _ => self.readable_fields(module).filter_map(|field| self.measured_field(module, field, ty)).collect(),
        }
    }

    /// The field of this name, without deriving the others.
    pub(super) fn figure_field(&self, module: ModuleId, ty: FigureType, name: &str) -> Option<OutputField> {
        match ty {
            FigureType::Aggregate | FigureType::Group => {
                self.figure_fields(module, ty).into_iter().find(|field| field.name == name)
            }
            _ => {
                let own = self.catalog.module(module).field_named(name);
                let own = own.filter(|field| self.reads(module, field.id));
                let field = own.or_else(|| self.reference_of_id(module, name))?;
                let fields = match ty {
                    FigureType::GroupKey => self.key_fields(module, field),
                    _ => self.measured_field(module, field, ty).into_iter().collect(),
                };
                fields.into_iter().find(|field| field.name == name)
            }
        }
    }

    fn measure_fields(&self, module: ModuleId) -> Vec<OutputField> {
        let mut fields = vec![OutputField::part("count", TypeRef::required(INT), "The number of records.")];
        let measures = MEASURES.iter().filter(|(_, ty, ..)| self.figure_exists(module, *ty));
        fields.extend(measures.map(|(name, ty, _, _, words)| {
            OutputField::part(name, TypeRef::named(TypeKey::Figures(module, *ty)), words)
        }));
        fields
    }

    fn measured_field(&self, module: ModuleId, field: &Field, ty: FigureType) -> Option<OutputField> {
        let (name, meaning, value) = self.measured(module, field, ty)?;
        let value = if ty == FigureType::CountDistinct { TypeRef::required(value) } else { TypeRef::named(value) };
        Some(OutputField::new(&name, value, meaning, None).deprecated(field.deprecated.as_ref()))
    }

    /// The name under which a field is measured, and the type of the figure; `None` where it does not apply.
    fn measured(&self, module: ModuleId, field: &Field, ty: FigureType) -> Option<(String, Meaning, TypeKey)> {
        let plain = |key| Some((field.name.clone(), Meaning::Value(field.id), key));
        match ty {
            FigureType::Sum if is_summable(field) => plain(TypeKey::Scalar(sum_type(field))),
            FigureType::Avg if is_summable(field) => plain(TypeKey::Scalar(mean_type(field))),
            FigureType::Min | FigureType::Max if is_ranged(field) => plain(self.value_type(module, field.id)?),
            FigureType::CountDistinct if field.reference().is_some() => {
                Some((format!("{}{ID_SUFFIX}", field.name), Meaning::ReferenceId(field.id), INT))
            }
            FigureType::CountDistinct if is_distinct(field) => plain(INT),
            _ => None,
        }
    }

    /// A key that the field may give, and for a reference with one target those of the record that it leads to.
    fn key_fields(&self, module: ModuleId, field: &Field) -> Vec<OutputField> {
        let described = |name: &str, key: TypeKey, meaning: Meaning| {
            OutputField::new(name, TypeRef::named(key), meaning, None).deprecated(field.deprecated.as_ref())
        };
        let mut fields = Vec::new();
        if let Some(reference) = field.reference() {
            if let [target] = reference.targets.as_slice() {
                let key = TypeKey::Figures(*target, FigureType::GroupKey);
                if self.exists(key) {
                    fields.push(described(&field.name, key, Meaning::Reference(field.id)));
                }
            }
            let name = format!("{}{ID_SUFFIX}", field.name);
            fields.push(described(&name, TypeKey::Scalar(Scalar::Id), Meaning::ReferenceId(field.id)));
        } else if is_distinct(field) {
            let key =
                if has_parts(field) { Some(TypeKey::Scalar(Scalar::Date)) } else { self.value_type(module, field.id) };
            fields.extend(key.map(|key| described(&field.name, key, Meaning::Value(field.id))));
        }
        fields
    }

    pub(super) fn figure_inputs(&self, module: ModuleId, ty: FigureType) -> Vec<InputValue> {
        let of_fields = |ty: FigureType, value: &dyn Fn(&Field, TypeKey) -> Option<TypeKey>| {
            let input = |field: &Field| {
                let (name, meaning, figure) = self.measured(module, field, ty)?;
                let target = match meaning {
                    Meaning::ReferenceId(field) => InputTarget::ReferenceId(field),
                    _ => InputTarget::Value(field.id),
                };
                let key = value(field, figure)?;
                Some(InputValue::targeting(&name, TypeRef::named(key), target).deprecated(field.deprecated.as_ref()))
            };
            self.readable_fields(module).filter_map(input).collect()
        };
        let order = |_: &Field, _| Some(TypeKey::SortOrder);
        let of_scalar = |_: &Field, figure| match figure {
            TypeKey::Scalar(scalar) => Some(TypeKey::ScalarFilter(scalar)),
            _ => None,
        };
        match ty {
            FigureType::GroupBy => self.readable_fields(module).flat_map(|field| self.group_by(field)).collect(),
            FigureType::GroupOrderBy => self.figure_order_fields(module),
            FigureType::Having => self.having_fields(module),
            FigureType::NumberOrderBy => of_fields(FigureType::Sum, &order),
            FigureType::RangeOrderBy => of_fields(FigureType::Min, &order),
            FigureType::CountDistinctOrderBy => of_fields(FigureType::CountDistinct, &order),
            FigureType::SumHaving => of_fields(FigureType::Sum, &of_scalar),
            FigureType::AvgHaving => of_fields(FigureType::Avg, &of_scalar),
            FigureType::CountDistinctHaving => of_fields(FigureType::CountDistinct, &of_scalar),
            FigureType::RangeHaving => of_fields(FigureType::Min, &|field, _| self.value_filter(module, field.id)),
            _ => Vec::new(),
        }
    }

    /// The keys that groups may be asked by.
    fn group_by(&self, field: &Field) -> Vec<InputValue> {
        let key = |name: &str, key: TypeKey, target: InputTarget| {
            let value = InputValue::targeting(name, TypeRef::named(key), target);
            value.described(Words::of_field(field)).deprecated(field.deprecated.as_ref())
        };
        let mut keys = Vec::new();
        if let Some(reference) = field.reference() {
            if let [target] = reference.targets.as_slice() {
                let group_by = TypeKey::Figures(*target, FigureType::GroupBy);
                if self.exists(group_by) {
                    keys.push(key(&field.name, group_by, InputTarget::Reference(field.id)));
                }
            }
            keys.push(key(&format!("{}{ID_SUFFIX}", field.name), BOOLEAN, InputTarget::ReferenceId(field.id)));
        } else if is_distinct(field) {
            let ty = if has_parts(field) { TypeKey::DatePart } else { BOOLEAN };
            keys.push(key(&field.name, ty, InputTarget::Value(field.id)));
        }
        keys
    }

    fn figure_order_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let order = |name: &str, key, words: &str| InputValue::argument(name, TypeRef::named(key), words);
        let mut fields = vec![
            order("key", TypeKey::OrderBy(module), "By one of the keys."),
            order("count", TypeKey::SortOrder, "By the number of records."),
        ];
        let measures = MEASURES.iter().filter(|(_, _, ty, ..)| self.figure_exists(module, *ty));
        fields.extend(measures.map(|(name, _, ty, _, words)| order(name, TypeKey::Figures(module, *ty), words)));
        fields
    }

    fn having_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let having = |name: &str, key| InputValue::operator(name, TypeRef::named(key));
        let mut fields = vec![having("count", TypeKey::ScalarFilter(Scalar::Int))];
        let measures = MEASURES.iter().filter(|(_, _, _, ty, _)| self.figure_exists(module, *ty));
        fields.extend(measures.map(|(name, _, _, ty, _)| having(name, TypeKey::Figures(module, *ty))));
        fields
    }

    /// The arguments of `dealGroups`.
    pub(super) fn group_arguments(&self, module: ModuleId) -> Vec<InputValue> {
        let figures = |ty| TypeKey::Figures(module, ty);
        vec![
            InputValue::argument("filter", TypeRef::named(TypeKey::Filter(module)), "Which records."),
            InputValue::argument(
                "groupBy",
                TypeRef::required_list(figures(FigureType::GroupBy)),
                "What the records of a group have in common.",
            ),
            InputValue::argument("having", TypeRef::named(figures(FigureType::Having)), "Which groups."),
            InputValue::argument(
                "orderBy",
                TypeRef::list(figures(FigureType::GroupOrderBy)),
                "In which order; ties end on the keys.",
            ),
            InputValue::argument("first", TypeRef::named(INT), "How many groups; 50 by default, at most 1,000."),
        ]
    }

    pub(super) fn date_parts(&self) -> Vec<EnumValue> {
        let words = ["A day.", "A week, from Monday on.", "A month.", "Three months, from January on.", "A year."];
        let parts = cardine_query::DatePart::ALL.into_iter().zip(words);
        let value = |(part, words): (cardine_query::DatePart, &str)| EnumValue {
            name: part.word().to_ascii_uppercase(),
            description: Some(words.into()),
            deprecated: None,
        };
        parts.map(value).collect()
    }
}

/// Fields that tell one record from another, or how often it was written: nothing to add up, compare or group by.
fn is_of_one_record(field: FieldId) -> bool {
    field == Module::ID || field == Module::VERSION
}

fn is_summable(field: &Field) -> bool {
    !is_of_one_record(field.id) && field.scalar().is_some_and(ScalarType::is_number_in_rules)
}

/// The scalar of a sum: whole numbers may add up to more than 32 bits hold.
fn sum_type(field: &Field) -> Scalar {
    match field.scalar() {
        Some(ScalarType::Integer | ScalarType::BigInteger) => Scalar::BigInt,
        Some(ScalarType::Duration) => Scalar::Duration,
        _ => Scalar::Decimal,
    }
}

/// The scalar of a mean.
fn mean_type(field: &Field) -> Scalar {
    if field.scalar() == Some(ScalarType::Duration) { Scalar::Duration } else { Scalar::Decimal }
}

/// Whether values have a least and a greatest one.
fn is_ranged(field: &Field) -> bool {
    !is_of_one_record(field.id)
        && field.scalar().is_some_and(|scalar| {
            scalar.is_number_in_rules()
                || scalar.is_text()
                || matches!(scalar, ScalarType::Choice | ScalarType::Date | ScalarType::Time | ScalarType::DateTime)
        })
}

/// Whether different values can be told apart.
fn is_distinct(field: &Field) -> bool {
    !is_of_one_record(field.id) && field.scalar().is_some_and(|scalar| scalar != ScalarType::Json)
}

/// Whether the field is grouped by periods of the calendar.
fn has_parts(field: &Field) -> bool {
    matches!(field.scalar(), Some(ScalarType::Date | ScalarType::DateTime))
}
