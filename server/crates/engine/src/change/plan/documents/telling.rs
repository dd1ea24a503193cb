//! What documents change, in words for people.

use cardine_model::catalog::Module;
use cardine_model::definition::ModuleDefinition;
use serde_json::Value as Json;

use super::super::{Planning, Written};
use super::merged::Merged;
use super::restoring::Restoring;
use super::{DocumentsPart, is_wanted};
use crate::as_code::{Difference, Fate, Kind, WantedFiles, lines, written};

impl DocumentsPart {
    pub(super) fn tell(
        &mut self,
        planning: Planning<'_>,
        restoring: &Restoring,
        merged: &[Merged<'_>],
        pruned: &[&Module],
        files: &WantedFiles,
    ) {
        for merged in merged {
            let name = &merged.target.name;
            let fate = match &merged.before {
                None => Fate::Created,
                Some(before) => {
                    // Fields that came back were retired, and are there again.
                    let back = restoring
                        .definitions
                        .iter()
                        .filter(|written| written.definition.name == *name && written.how != Written::Restored);
                    let is_back = restoring.modules.contains(name);
                    let old = document(before);
                    let mut told = lines(&old, &document(&merged.target));
                    if back.count() > 0 && !is_back {
                        told.insert(0, "retired fields that are in the file come back with their values".to_owned());
                    }
                    if is_back {
                        Fate::Restored(told)
                    } else if told.is_empty() {
                        continue;
                    } else {
                        Fate::Changed(told)
                    }
                }
            };
            self.differences.push(Difference { kind: Kind::Module, name: name.clone(), fate });
        }
        for module in pruned {
            self.differences.push(Difference { kind: Kind::Module, name: module.name.clone(), fate: Fate::Retired });
        }
        self.differences.append(&mut self.access.differences);
        self.differences.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        if files.speaks_of(Kind::Module) {
            let left = planning.own_modules().filter(|module| !is_wanted(files, &module.name) && !files.prune);
            self.left.extend(left.map(|module| format!("the module {} has no file", module.name)));
        }
        for merged in merged {
            let new = merged.new_fields();
            for field in &merged.left {
                let kind =
                    merged.target.fields.iter().find(|known| known.name == *field).map(|known| known.kind.as_str());
                let alike = new.iter().find(|new| Some(new.kind.as_str()) == kind);
                let hint = alike.map_or_else(String::new, |new| {
                    format!("; if `{}` is its new name, rename it by renameField: values do not follow files", new.name)
                });
                let file = merged.file.file();
                self.left.push(format!("the field {}.{field} is not in {file}{hint}", merged.target.name));
            }
        }
        self.left.append(&mut self.access.left);
    }
}

fn document(definition: &ModuleDefinition) -> Json {
    written(&definition.written())
}
