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
    if let Change::UpdateField { .. } = change {
        let broken = broken_clocks(base, &planned);
        return if broken.is_empty() { Ok(planned) } else { Err(broken) };
    }
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

/// What a field's patch takes from clocks that were sound: what they name is not there any more, or not what they need.
fn broken_clocks(base: &Base, planned: &Planned) -> Vec<Issue> {
    let mut issues = Vec::new();
    for module in planned.catalog.modules.iter().filter(|module| module.clocks.is_some()) {
        let were_sound = base
            .catalog
            .module_by_name(&module.name)
            .is_some_and(|before| Clocks::faults(&base.catalog, before).is_empty());
        if were_sound {
            let name = &module.name;
            let faults = Clocks::faults(&planned.catalog, module).into_iter();
            issues.extend(faults.map(|fault| {
                Issue::new(
                    path!["patch"],
                    "notChangeable",
                    format!("the clocks of `{name}` need it: {}", fault.message),
                )
            }));
        }
    }
    issues
}
