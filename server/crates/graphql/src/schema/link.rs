//! Many-to-many relations as output: connections whose edges show the link's own fields.

use cardine_model::catalog::{Field, Link, ModuleId, Relation, RelationId};

use super::{FigureType, InputTarget, InputValue, OutputField, Scalar, Schema, TypeKey, TypeRef};

impl Schema<'_> {
    pub(super) fn link_connection_fields(&self, module: ModuleId, relation: RelationId) -> Vec<OutputField> {
        let related = self.catalog.related_module(self.relation(module, relation));
        let (record, figures) = (TypeKey::Record(related), TypeKey::Figures(related, FigureType::Aggregate));
        let edge = TypeKey::LinkEdge(module, relation);
        let count = TypeRef::required(TypeKey::Scalar(Scalar::Int));
        vec![
            OutputField::part("nodes", TypeRef::required_list(record), "The records of the page."),
            OutputField::part("edges", TypeRef::required_list(edge), "The records with their places and links."),
            OutputField::part("pageInfo", TypeRef::required(TypeKey::PageInfo), "Where the page stands in the list."),
            OutputField::part("totalCount", count, "The number of all records that meet the filter."),
            OutputField::part(
                "aggregate",
                TypeRef::required(figures),
                "Figures over all records that meet the filter.",
            ),
        ]
    }

    pub(super) fn link_edge_fields(&self, module: ModuleId, relation: RelationId) -> Vec<OutputField> {
        let relation = self.relation(module, relation);
        let mut fields = self.edge_fields(self.catalog.related_module(relation));
        let links = relation.module;
        for field in self.link_fields(links) {
            fields.extend(self.group_field(field).or_else(|| self.value_field(links, field)));
        }
        fields
    }

    /// The relations by links that the caller may write, as they stand in new and changed records of the module.
    pub(super) fn link_inputs(&self, module: ModuleId) -> impl Iterator<Item = InputValue> {
        let writable = self.relations(module).filter(|relation| self.may_link(relation));
        writable.map(move |relation| {
            let ty = TypeRef::named(TypeKey::LinkInput(module, relation.id));
            let words = "Which records are linked; what is left out stays.".to_owned();
            InputValue::targeting(&relation.name, ty, InputTarget::Links(relation.id)).described(words.into())
        })
    }

    /// Whether the relation goes by links which the caller may write: they belong to the record that has the reference, so from
    /// the other side that one is changed.
    pub(super) fn may_link(&self, relation: &Relation) -> bool {
        let link = self.catalog.module(relation.module).link;
        let may_change = |link: Link| relation.field == link.source || self.may_update(link.owner);
        link.is_some_and(may_change) && self.writes(relation.module, relation.field)
    }

    pub(super) fn link_input_fields(&self, module: ModuleId, relation: RelationId) -> Vec<InputValue> {
        let ids = |name, words| InputValue::argument(name, TypeRef::list(TypeKey::Scalar(Scalar::Id)), words);
        let mut fields = vec![
            ids("connect", "Records to be linked; those that are linked stay so."),
            ids("disconnect", "Records to be linked no longer."),
            ids("set", "The records to be linked, and no others of those whose links the caller may change."),
        ];
        if self.link_fields(self.relation(module, relation).module).next().is_some() {
            let words = "Records to be linked with values of the link; of a link that is there, the values to change.";
            fields.push(InputValue::argument("link", TypeRef::list(TypeKey::LinkDataInput(module, relation)), words));
        }
        fields
    }

    pub(super) fn link_data_fields(&self, module: ModuleId, relation: RelationId) -> Vec<InputValue> {
        let links = self.relation(module, relation).module;
        let id = InputValue::argument("id", TypeRef::required(TypeKey::Scalar(Scalar::Id)), "The record to be linked.");
        [id].into_iter().chain(self.link_fields(links).filter_map(|field| self.write_field(links, field))).collect()
    }

    /// The fields of links themselves: neither of the system nor the records that they tie.
    fn link_fields(&self, links: ModuleId) -> impl Iterator<Item = &Field> {
        self.readable_fields(links).filter(|field| !field.system && field.reference().is_none())
    }

    pub(super) fn relation(&self, module: ModuleId, relation: RelationId) -> &Relation {
        self.catalog.module(module).relation(relation)
    }
}
