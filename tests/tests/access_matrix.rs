//! What each built-in role may do with each field of each module, as the running server's introspection tells it, beside a printed page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cardine_tests::{Client, Server, on_both_databases, repository};
use serde_json::Value;

/// The page. With `UPDATE_GOLDEN` set it is written anew; the change is then a difference that one can read.
const PAGE: &str = "tests/golden/access-matrix.txt";

const HEAD: &str = "\
What the built-in roles of a new database may do, by introspection of the running server. UPDATE_GOLDEN=1 writes this page anew.

modules: l list, s subscribe, c create, u update, d delete and restore, x destroy, m merge
fields:  r read, f filter, o order, g group, a figures, c set when created, u set when updated
";

const ANONYMOUS: &str = "anonymous";

/// The names of one role's API: of fields, arguments' types and inputs, by type.
type Names = BTreeMap<String, BTreeSet<String>>;

async fn names_of(caller: &Client) -> Names {
    let text = "{ __schema { types { name fields(includeDeprecated: true) { name } inputFields(includeDeprecated: true) { name } } } }";
    let answer = caller.query(text).await;
    let types = answer.ok()["__schema"]["types"].as_array().expect("types").clone();
    let names = |of: &Value| {
        let lists = [&of["fields"], &of["inputFields"]].into_iter().filter_map(Value::as_array).flatten();
        lists.map(|field| field["name"].as_str().expect("a name").to_owned()).collect::<BTreeSet<String>>()
    };
    types.iter().map(|of| (of["name"].as_str().expect("a name").to_owned(), names(of))).collect()
}

fn has(names: &Names, of: &str, name: &str) -> bool {
    names.get(of).is_some_and(|known| known.contains(name))
}

fn letters<'a>(found: impl IntoIterator<Item = (&'a str, bool)>) -> String {
    let found: String = found.into_iter().filter(|(_, there)| *there).map(|(letter, _)| letter).collect();
    if found.is_empty() { "-".to_owned() } else { found }
}

/// What may be done with a module as a whole.
fn of_module(names: &Names, module: &str, plural: &str) -> String {
    let list = format!("{}{}", plural[..1].to_lowercase(), &plural[1..]);
    let changes = format!("{}{}Changes", module[..1].to_lowercase(), &module[1..]);
    let mutation = |verb: &str, name: &str| has(names, "Mutation", &format!("{verb}{name}"));
    letters([
        ("l", has(names, "Query", &list)),
        ("s", has(names, "Subscription", &changes)),
        ("c", mutation("create", module)),
        ("u", mutation("update", module)),
        ("d", mutation("delete", module) && mutation("restore", module)),
        ("x", mutation("destroy", module)),
        ("m", mutation("merge", plural)),
    ])
}

/// What may be done with a name of a module's records.
fn of_field(names: &Names, module: &str, name: &str) -> String {
    let figures = ["Sum", "Avg", "Min", "Max", "CountDistinct"];
    letters([
        ("r", has(names, module, name)),
        ("f", has(names, &format!("{module}Filter"), name)),
        ("o", has(names, &format!("{module}OrderBy"), name)),
        ("g", has(names, &format!("{module}GroupBy"), name)),
        ("a", figures.iter().any(|figure| has(names, &format!("{module}{figure}"), name))),
        ("c", has(names, &format!("{module}Create"), name)),
        ("u", has(names, &format!("{module}Update"), name)),
    ])
}

/// All names that a module's records, filters, orders and inputs have for an administrator.
fn fields_of(names: &Names, module: &str) -> BTreeSet<String> {
    let types = ["", "Filter", "OrderBy", "GroupBy", "Create", "Update"].map(|suffix| format!("{module}{suffix}"));
    let all = types.iter().filter_map(|of| names.get(of)).flatten();
    all.filter(|name| !["and", "or", "not"].contains(&name.as_str())).cloned().collect()
}

async fn page(server: &Server) -> String {
    let admin = server.admin().await;
    let roles = admin.admin_query("{ roles { name } modules { name plural } }").await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |name: &str| roles.ok()[name].as_array().expect("a list").clone();
    let mut callers = Vec::new();
    for role in list("roles").iter().map(|role| text(&role["name"])) {
        let caller = if role == ANONYMOUS { server.anonymous() } else { server.create_user_with_role(&role).await };
        callers.push((role, names_of(&caller).await));
    }
    let administrator = callers.iter().find(|(role, _)| role == "administrator").expect("the role").1.clone();
    let mut page = HEAD.to_owned();
    let mut row = |name: &str, cells: &[String]| {
        let mut line = format!("{name:<28}");
        cells.iter().for_each(|cell| write!(line, " {cell:<16}").expect("text can be written to"));
        writeln!(page, "{}", line.trim_end()).expect("text can be written to");
    };
    row("", &callers.iter().map(|(role, _)| role.clone()).collect::<Vec<_>>());
    for module in list("modules") {
        let (module, plural) = (text(&module["name"]), text(&module["plural"]));
        let cells: Vec<String> = callers.iter().map(|(_, names)| of_module(names, &module, &plural)).collect();
        row("", &[]);
        row(&module, &cells);
        for field in fields_of(&administrator, &module) {
            let cells: Vec<String> = callers.iter().map(|(_, names)| of_field(names, &module, &field)).collect();
            row(&format!("  {field}"), &cells);
        }
    }
    for (role, names) in &callers {
        check(role, names, &administrator);
    }
    page
}

/// What holds whatever the page says: nobody has a name that the administrator has not, and what is filtered, ordered, grouped
/// and summed up by can be read.
fn check(role: &str, names: &Names, administrator: &Names) {
    for (of, fields) in names {
        for field in fields {
            assert!(has(administrator, of, field), "{role} has {of}.{field}, which administrators have not");
        }
        for suffix in ["OrderBy", "GroupBy", "Sum", "Avg", "Min", "Max", "CountDistinct"] {
            let Some(module) = of.strip_suffix(suffix).filter(|module| names.contains_key(*module)) else { continue };
            for field in fields {
                assert!(has(names, module, field), "{role} has {of}.{field} and may not read it");
            }
        }
    }
    if role == ANONYMOUS {
        let open: Vec<_> = names.keys().filter(|of| of.ends_with("Connection")).collect();
        assert!(open.is_empty(), "anonymous callers list {open:?}");
    }
}

on_both_databases! {
    async fn what_built_in_roles_may_do_is_what_is_printed(server: Server) {
        let page = page(&server).await;
        let path = repository::root().join(PAGE);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &page).expect("the page can be written");
        }
        let printed = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = page.lines().zip(printed.lines().chain(std::iter::repeat("(nothing)")));
        let other: Vec<String> = lines
            .filter(|(is, was)| is != was)
            .take(10)
            .map(|(is, was)| format!("  printed: {was}\n  is:      {is}"))
            .collect();
        assert!(page == printed, "{PAGE} differs; read the difference, then UPDATE_GOLDEN=1:\n{}", other.join("\n"));
    }
}

#[test]
fn a_name_that_only_a_lesser_role_has_is_found() {
    let names = |of: &str, field: &str| Names::from([(of.to_owned(), BTreeSet::from([field.to_owned()]))]);
    let refused = |role: &str, lesser: Names, administrator: Names| {
        std::panic::catch_unwind(|| check(role, &lesser, &administrator)).is_err()
    };
    assert!(refused("clerk", names("Deal", "salary"), Names::new()));
    assert!(!refused("clerk", names("Deal", "title"), names("Deal", "title")));
    let mut oracle = names("DealOrderBy", "salary");
    oracle.extend(names("Deal", "title"));
    assert!(refused("clerk", oracle.clone(), oracle));
    assert!(refused(ANONYMOUS, names("DealConnection", "nodes"), names("DealConnection", "nodes")));
}
