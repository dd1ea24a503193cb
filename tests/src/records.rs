//! What cases do with records through `/graphql`, whatever the module: create one or many, and get their ids.

use serde_json::{Map, Value};

use crate::Client;

/// How many mutations one operation takes: the server's limit of root fields.
const MUTATIONS_PER_OPERATION: usize = 20;

impl Client {
    /// Creates a record; gives its id.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn create(&self, module: &str, data: Value) -> String {
        let ids = self.create_many(module, [data]).await;
        ids.into_iter().next().expect("one record was asked for")
    }

    /// Creates records in their order, as many as fit in one operation at a time; gives their ids.
    ///
    /// # Panics
    /// If one is refused.
    pub async fn create_many(&self, module: &str, records: impl IntoIterator<Item = Value>) -> Vec<String> {
        let records: Vec<Value> = records.into_iter().collect();
        let mut ids = Vec::with_capacity(records.len());
        for batch in records.chunks(MUTATIONS_PER_OPERATION) {
            let mut variables = Map::new();
            let (mut declared, mut fields) = (String::new(), String::new());
            for (position, record) in batch.iter().enumerate() {
                declared.push_str(&format!("$r{position}: {module}Create! "));
                fields.push_str(&format!("r{position}: create{module}(data: $r{position}) {{ id }} "));
                variables.insert(format!("r{position}"), record.clone());
            }
            let text = format!("mutation({declared}) {{ {fields} }}");
            let answer = self.query_with(&text, Value::Object(variables)).await;
            let created = answer.ok();
            ids.extend((0..batch.len()).map(|position| {
                let id = created[format!("r{position}")]["id"].as_str();
                id.expect("a created record has an id").to_owned()
            }));
        }
        ids
    }
}
