//! The callers for whom worlds are made twins, each with another way of not seeing everything.

use serde_json::{Value as Json, json};

pub struct Profile {
    pub name: &'static str,
    /// Also the user's name: `seller@example.org`.
    pub role: &'static str,
    pub grants: fn() -> Vec<(&'static str, Json)>,
}

pub static PROFILES: [Profile; 6] = [
    Profile { name: "a sales person under PRIVATE", role: "seller", grants: seller },
    Profile { name: "a superior with a record rule", role: "auditor", grants: auditor },
    Profile { name: "a member of a group with shares", role: "partner", grants: partner },
    Profile { name: "a clerk with few fields", role: "clerk", grants: clerk },
    Profile { name: "a portal user with one module", role: "portal", grants: portal },
    Profile { name: "anonymous with a grant", role: "anonymous", grants: anonymous },
];

fn all(fields: Json) -> Json {
    json!({"create": true, "read": true, "update": true, "delete": true, "fields": fields})
}

fn read(fields: Json) -> Json {
    json!({"read": true, "fields": fields})
}

fn change(fields: Json) -> Json {
    json!({"read": true, "update": true, "fields": fields})
}

fn seller() -> Vec<(&'static str, Json)> {
    vec![
        ("Firm", all(json!({"*": "WRITE", "secret": "NONE", "margin": "NONE", "tier": "NONE"}))),
        // Who may move records in a hierarchy learns where a circle would close.
        ("Person", all(json!({"*": "WRITE", "boss": "READ", "secret": "NONE", "salary": "NONE"}))),
        (
            "Deal",
            all(
                json!({"*": "WRITE", "secret": "NONE", "cost": "NONE", "limit": "NONE", "agent": "NONE", "advisers": "NONE"}),
            ),
        ),
        ("Note", all(json!({"*": "WRITE", "weight": "NONE"}))),
        ("Plan", change(json!({"*": "READ", "name": "WRITE", "secret": "NONE", "limit": "NONE"}))),
    ]
}

fn auditor() -> Vec<(&'static str, Json)> {
    vec![
        (
            "Firm",
            change(
                json!({"*": "READ", "note": "WRITE", "size": "WRITE", "secret": "NONE", "margin": "NONE", "worth": "NONE"}),
            ),
        ),
        ("Person", read(json!({"*": "READ", "salary": "NONE"}))),
        ("Deal", change(json!({"*": "WRITE", "secret": "NONE", "limit": "NONE"}))),
        ("Note", read(json!({"*": "READ"}))),
        // A field that may be written, of records that may not.
        ("Plan", read(json!({"*": "READ", "price": "WRITE", "secret": "NONE", "limit": "NONE"}))),
    ]
}

fn partner() -> Vec<(&'static str, Json)> {
    vec![
        ("Firm", change(json!({"*": "WRITE", "secret": "NONE", "margin": "NONE", "trade": "READ"}))),
        ("Person", read(json!({"*": "READ", "phone": "NONE", "salary": "NONE"}))),
        ("Deal", all(json!({"*": "WRITE", "secret": "NONE", "limit": "NONE", "cost": "NONE"}))),
        ("Note", read(json!({"*": "READ", "about": "NONE"}))),
    ]
}

fn clerk() -> Vec<(&'static str, Json)> {
    vec![
        (
            "Firm",
            read(json!({"name": "READ", "size": "READ", "founded": "READ", "doubled": "READ", "dealCount": "READ"})),
        ),
        (
            "Deal",
            json!({"create": true, "read": true, "update": true, "fields": {"name": "WRITE", "firm": "WRITE", "closes": "READ", "persons": "READ"}}),
        ),
        ("Person", read(json!({"name": "READ", "*": "NONE"}))),
    ]
}

fn portal() -> Vec<(&'static str, Json)> {
    vec![("Person", change(json!({"*": "READ", "phone": "WRITE", "salary": "NONE", "secret": "NONE"})))]
}

fn anonymous() -> Vec<(&'static str, Json)> {
    vec![
        ("Plan", read(json!({"name": "READ", "price": "READ", "firm": "READ"}))),
        ("Firm", read(json!({"name": "READ"}))),
    ]
}
