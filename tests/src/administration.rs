//! What cases do through `/admin/graphql`: one method per mutation, the only place that knows its text.

use serde_json::{Value, json};

use crate::{Answer, Client};

impl Client {
    /// Adds a module by its definition; the answer is not checked, because cases try faulty ones.
    pub async fn create_module(&self, definition: Value) -> Answer {
        let mutation = "mutation($definition: JSON!) { createModule(definition: $definition) { version applied } }";
        self.admin_query_with(mutation, json!({"definition": definition})).await
    }

    /// Adds a field to a module; the answer is not checked, because cases try faulty ones.
    pub async fn add_field(&self, module: &str, field: Value) -> Answer {
        let mutation = "mutation($module: String!, $field: JSON!) { addField(module: $module, field: $field) { version applied } }";
        self.admin_query_with(mutation, json!({"module": module, "field": field})).await
    }

    /// One of the changes of modules, by its name, such as `renameField`; the answer is not checked, because cases try faulty ones.
    /// `arguments` are those of the mutation.
    pub async fn change(&self, name: &str, arguments: Value) -> Answer {
        self.admin_query_with(&change_text(name, &arguments), arguments).await
    }

    /// As [`Client::change`], of a server that may end meanwhile.
    pub async fn send_change(&self, name: &str, arguments: Value) {
        let body = json!({"query": change_text(name, &arguments), "variables": arguments});
        // There may be no answer.
        let _ = self.request(reqwest::Method::POST, "/admin/graphql").json(&body).send().await;
    }

    /// Adds a role, below `parent` where one is given.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn create_role(&self, name: &str, parent: Option<&str>) {
        let mutation =
            "mutation($name: String!, $parent: String) { createRole(name: $name, parent: $parent) { name } }";
        let _ = self.admin_query_with(mutation, json!({"name": name, "parent": parent})).await.ok();
    }

    /// Grants a role rights on a module. `rights` holds the arguments of `setAccess` that are not left out, such as
    /// `{"read": true, "fields": {"*": "READ", "salary": "NONE"}}`.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn set_access(&self, role: &str, module: &str, rights: Value) {
        let mutation = "mutation($role: String!, $module: String!, $create: Boolean, $read: Boolean, $update: Boolean, \
             $delete: Boolean, $fields: JSON) { setAccess(role: $role, module: $module, create: $create, read: $read, \
             update: $update, delete: $delete, fields: $fields) { name } }";
        let mut variables = rights;
        variables["role"] = json!(role);
        variables["module"] = json!(module);
        let _ = self.admin_query_with(mutation, variables).await.ok();
    }

    /// Adds a user.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn create_user(&self, email: &str, password: &str, role: &str) {
        let mutation = "mutation($email: String!, $password: String, $role: String!) { \
             createUser(email: $email, password: $password, role: $role) { id } }";
        let variables = json!({"email": email, "password": password, "role": role});
        let _ = self.admin_query_with(mutation, variables).await.ok();
    }

    /// This caller by an API key of its own, with these scopes or with all that it may do.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn with_api_key(&self, scopes: Option<&[&str]>) -> Client {
        let answer = self.create_api_key(json!({"name": "test", "scopes": scopes})).await;
        self.with_token(answer.ok()["createApiKey"]["secret"].as_str().expect("the secret is shown"))
    }

    /// Makes an API key of the caller's own; the answer is not checked. `key` holds the arguments.
    pub async fn create_api_key(&self, key: Value) -> Answer {
        let mutation = "mutation($name: String!, $scopes: [String!], $expiresAt: DateTime, $password: String) { \
             createApiKey(name: $name, scopes: $scopes, expiresAt: $expiresAt, password: $password) { id secret } }";
        self.admin_query_with(mutation, key).await
    }

    /// Lets a user sign in, or no more.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn set_user_active(&self, user: &str, active: bool) {
        let mutation = "mutation($user: ID!, $active: Boolean!) { setUserActive(user: $user, active: $active) { id } }";
        let _ = self.admin_query_with(mutation, json!({"user": user, "active": active})).await.ok();
    }

    /// The id of the caller.
    ///
    /// # Panics
    /// If the caller is nobody.
    pub async fn own_id(&self) -> String {
        let answer = self.query("{ me { user { id } } }").await;
        answer.ok()["me"]["user"]["id"].as_str().expect("the caller is a user").to_owned()
    }

    /// Adds or replaces a workflow by its definition; the answer is not checked.
    pub async fn save_workflow(&self, definition: Value) -> Answer {
        let mutation = "mutation($definition: JSON!) { saveWorkflow(definition: $definition) { name } }";
        self.admin_query_with(mutation, json!({"definition": definition})).await
    }
}

/// The text of a change of modules with these arguments.
fn change_text(name: &str, arguments: &Value) -> String {
    let types = |key: &str| match key {
        "definition" | "field" | "patch" => "JSON!",
        "to" if name == "changeFieldType" => "JSON!",
        "dryRun" | "force" => "Boolean",
        "plural" => "String",
        _ => "String!",
    };
    let keys: Vec<&String> = arguments.as_object().expect("arguments are an object").keys().collect();
    let declared: Vec<String> = keys.iter().map(|key| format!("${key}: {}", types(key))).collect();
    let passed: Vec<String> = keys.iter().map(|key| format!("{key}: ${key}")).collect();
    format!(
        "mutation({}) {{ change: {name}({}) {{ version applied job rows statements warnings {{ path rule message }} }} }}",
        declared.join(", "),
        passed.join(", ")
    )
}
