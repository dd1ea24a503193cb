//! Scopes: what an API key leaves of its owner's rights; they take away and never add.

use std::collections::BTreeMap;
use std::fmt;

/// How much of the owner's rights over records a scope leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ScopeLevel {
    /// Nothing: the module does not exist.
    #[default]
    None,
    /// What the owner may read.
    Read,
    /// All that the owner may do.
    Write,
}

/// One scope, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// `admin`: what administrators do, for an owner who is one.
    Admin,
    /// `records:read`, `records:write`: every module.
    Records(ScopeLevel),
    /// `Deal:read`, `Deal:write`: the module of this name.
    Module(String, ScopeLevel),
}

/// All scopes of a key. What none of them names is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scopes {
    admin: bool,
    records: ScopeLevel,
    modules: BTreeMap<String, ScopeLevel>,
}

impl Scope {
    /// Reads a scope; whether there is such a module is not known here.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "admin" {
            return Some(Self::Admin);
        }
        let (what, level) = text.split_once(':')?;
        let level = match level {
            "read" => ScopeLevel::Read,
            "write" => ScopeLevel::Write,
            _ => return None,
        };
        match what {
            "records" => Some(Self::Records(level)),
            module if module.starts_with(|first: char| first.is_ascii_uppercase()) => {
                Some(Self::Module(module.to_owned(), level))
            }
            _ => None,
        }
    }
}

impl Scopes {
    /// Whether administering is left, to an owner who may.
    pub fn admin(&self) -> bool {
        self.admin
    }

    /// Whether nothing but reading is left.
    pub fn only_read(&self) -> bool {
        !self.admin && self.modules.values().chain([&self.records]).all(|level| *level <= ScopeLevel::Read)
    }

    /// What is left of the rights over a module.
    pub fn level(&self, module: &str) -> ScopeLevel {
        self.modules.get(module).copied().unwrap_or_default().max(self.records)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        let mut sum = Self::default();
        for scope in scopes {
            match scope {
                Scope::Admin => sum.admin = true,
                Scope::Records(level) => sum.records = sum.records.max(level),
                Scope::Module(module, level) => {
                    let known = sum.modules.entry(module).or_default();
                    *known = (*known).max(level);
                }
            }
        }
        sum
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, level) = match self {
            Self::Admin => return out.write_str("admin"),
            Self::Records(level) => ("records", level),
            Self::Module(module, level) => (module.as_str(), level),
        };
        let level = match level {
            ScopeLevel::None => "none",
            ScopeLevel::Read => "read",
            ScopeLevel::Write => "write",
        };
        write!(out, "{what}:{level}")
    }
}

/// The same text for scopes that leave the same.
impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admin = self.admin.then_some(Scope::Admin);
        let records = (self.records > ScopeLevel::None).then_some(Scope::Records(self.records));
        let modules = self.modules.iter().map(|(module, level)| Scope::Module(module.clone(), *level));
        for (position, scope) in admin.into_iter().chain(records).chain(modules).enumerate() {
            let space = if position == 0 { "" } else { " " };
            write!(out, "{space}{scope}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(texts: &[&str]) -> Scopes {
        texts.iter().map(|text| Scope::parse(text).unwrap()).collect()
    }

    #[test]
    fn a_scope_is_one_of_few_forms() {
        for text in ["admin", "records:read", "records:write", "Deal:read", "Deal:write"] {
            assert_eq!(Scope::parse(text).map(|scope| scope.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "Admin",
            "admin:read",
            "records",
            "records:none",
            "deal:read",
            "Deal",
            "Deal:delete",
            "*",
            "Deal:read ",
        ] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    #[test]
    fn scopes_add_up_and_what_none_names_is_taken_away() {
        let some = scopes(&["Deal:read", "Deal:write", "Contact:read"]);
        assert_eq!(
            [some.level("Deal"), some.level("Contact"), some.level("Lead")],
            [ScopeLevel::Write, ScopeLevel::Read, ScopeLevel::None]
        );
        assert!(!some.admin() && scopes(&["admin"]).admin());
        assert_eq!(scopes(&["admin"]).level("Deal"), ScopeLevel::None);
        assert_eq!(scopes(&["records:read", "Deal:write"]).level("Lead"), ScopeLevel::Read);
    }

    #[test]
    fn equal_scopes_have_one_text() {
        assert_eq!(scopes(&["B:read", "A:write", "A:read", "admin"]).to_string(), "admin A:write B:read");
        assert_eq!(Scopes::default().to_string(), "");
    }
}
