//! What a module asks for as a feature must be sound when it is declared.

use cardine_model::assignment::{Assignment, Named};
use cardine_model::clocks::Clocks;
use cardine_model::conversion::Conversion;
use cardine_model::feature::Feature as _;
use cardine_model::mentions::Mentions;
use cardine_model::stages::Stages;
use cardine_model::timeline::Timeline;
use cardine_model::{Issue, path};

use super::{Base, Change, Planned};
use crate::as_code::{at_file, module_file};

/// Refuses what is at fault in features that the change declares. One that was sound is not asked again: what it names may go, and
/// names are followed.
pub(super) fn checked(base: &Base, change: &Change, planned: Planned) -> Result<Planned, Vec<Issue>> {
    let argument = match change {
        Change::CreateModule { .. } => "definition",
        Change::UpdateModule { .. } => "patch",
        Change::Documents { .. } => "",
        _ => return Ok(planned),
    };
    let mut issues = Vec::new();
    for written in &planned.definitions {
        let Some(module) = planned.catalog.module_by_name(&written.definition.name) else { continue };
        let before = base.catalog.module_by_name(&module.name).and_then(|module| module.definition().features);
        if before == written.definition.features {
            continue;
        }
        let catalog = &planned.catalog;
        let is_known = |named: Named<'_>| match named {
            Named::User(email) => base.access.user_with_email(email).is_some(),
            Named::Group(name) => base.access.group_named(name).is_some(),
        };
        let faults = [
            Assignment::faults(catalog, module, is_known),
            Clocks::faults(catalog, module),
            Conversion::faults(catalog, module),
            Mentions::faults(catalog, module),
            Stages::faults(catalog, module),
            Timeline::faults(catalog, module),
        ];
        issues.extend(faults.into_iter().flatten().map(|fault| match argument {
            "" => at_file(&module_file(&module.name), fault),
            argument => Issue { path: [path![argument], fault.path.clone()].concat(), ..fault },
        }));
    }
    if issues.is_empty() { Ok(planned) } else { Err(issues) }
}
