//! Steps, checked one after the other and put into a row: each sees what those before it give.

use cardine_model::catalog::{FieldKind, Module};
use cardine_model::rule::{Expr, RuleType, TypedRule};
use cardine_model::{PathSegment, Value};

use super::{Checking, DEPTH_MAX, below};
use crate::definition::{
    AssignTask, Branch, Call, Find, ForEach, Refuse, StartWorkflow, Step, StepKind, ToHook, ToJob, Update, Wait,
};
use crate::find::FindRecords;
use crate::program::{Act, Action, Given, Node, Retrying, StartOf, Until};
use crate::shape::Shape;
use crate::template::{Hole, Template};

/// First names that are no loop's.
const TAKEN: [&str; 5] = ["record", "old", "actor", "steps", "trigger"];

/// What all places of one step have.
struct Frame {
    id: String,
    when: Option<TypedRule>,
    on_error: crate::definition::OnError,
    retrying: Retrying,
    depth: usize,
}

impl<'a> Checking<'a> {
    /// Puts these steps behind those before; `nesting` counts branches and loops around, `depth` loops alone. What they give is known
    /// inside of them, and forgotten behind the last.
    pub(super) fn steps(&mut self, steps: &[Step], place: &[PathSegment], nesting: usize, depth: usize) {
        if nesting > DEPTH_MAX {
            self.tell(place.to_vec(), "limit", format!("steps stand in at most {DEPTH_MAX} others"));
            return;
        }
        let known = self.names.steps.len();
        for (position, step) in steps.iter().enumerate() {
            let place = below(place, position);
            if self.ids.contains(&step.id) {
                self.tell(below(&place, "id"), "unique", format!("there is a step `{}` already", step.id));
            }
            self.ids.push(step.id.clone());
            self.step(step, &place, nesting, depth);
            // Inside a write steps give nothing but what they do to the record.
            if !self.before_commit {
                self.names.steps.push((step.id.clone(), Shape::of_output(step, self.catalog)));
            }
        }
        self.names.steps.truncate(known);
    }

    fn step(&mut self, step: &Step, place: &[PathSegment], nesting: usize, depth: usize) {
        let when = step.when.as_deref().and_then(|source| self.condition(source, below(place, "when")));
        if when.as_ref().is_some_and(|when| constant(when) == Some(false)) {
            self.tell(below(place, "when"), "unreachable", "this is never met, so the step is never done");
        }
        let retrying = match &step.retry {
            Some(retry) => self.retrying(retry, below(place, "retry")),
            None => self.retrying.clone(),
        };
        let frame = Frame { id: step.id.clone(), when, on_error: step.on_error, retrying, depth };
        if self.before_commit {
            self.fits_inside(&step.kind, place);
        }
        if self.is_beside_others {
            self.fits_beside_others(&step.kind, place);
        }
        let action = match &step.kind {
            StepKind::Call(call) => self.call(call, &below(place, "call")),
            StepKind::Update(update) => self.update(update, &below(place, "update")),
            StepKind::Create(create) => {
                let place = below(place, "create");
                self.module(&create.module, below(&place, "module")).map(|module| {
                    let set = self.set(module, &create.set, &below(&place, "set"));
                    Action::Create { module: module.id, set }
                })
            }
            StepKind::Find(find) => self.find(find, &below(place, "find")),
            StepKind::AssignTask(task) => self.assign_task(task, &below(place, "assignTask")),
            StepKind::Wait(wait) => self.wait(wait, &below(place, "wait")),
            StepKind::Refuse(refuse) => self.refuse(refuse, &below(place, "refuse")),
            StepKind::Branch(branch) => return self.branch(frame, branch, &below(place, "branch"), nesting),
            StepKind::ForEach(each) => return self.for_each(frame, each, &below(place, "forEach"), nesting),
            StepKind::SendEmail(mail) => {
                Some(Action::SendEmail(Box::new(self.send_email(mail, &below(place, "sendEmail")))))
            }
            StepKind::SendSms(sms) => Some(self.send_sms(sms, &below(place, "sendSms"))),
            StepKind::Webhook(webhook) => Some(self.webhook(webhook, &below(place, "webhook"))),
            StepKind::Approve(approve) => self.approve(approve, &below(place, "approve")),
            StepKind::Hook(hook) => Some(self.hook(hook, &below(place, "hook"))),
            StepKind::Job(job) => Some(self.job(job, &below(place, "job"))),
            StepKind::StartWorkflow(start) => Some(self.start_workflow(start, &below(place, "startWorkflow"))),
        };
        if let Some(action) = action {
            self.push(frame, Act::Do(action));
        }
    }

    /// Inside the write there is only the write.
    fn fits_inside(&mut self, kind: &StepKind, place: &[PathSegment]) {
        let is_own = |update: &Update| {
            let own = self.names.module.map(|module| module.name.as_str());
            update.record.is_none() && update.module.as_deref().is_none_or(|name| Some(name) == own)
        };
        let fits = match kind {
            StepKind::Branch(_) | StepKind::Refuse(_) => true,
            StepKind::Update(update) => is_own(update),
            _ => false,
        };
        if !fits {
            let message = "inside the write there is only the write: its record is changed by `update` without `record`, \
                or the write is refused by `refuse`; `branch` chooses";
            self.tell(place.to_vec(), "notBeforeCommit", message);
        }
        if self.is_about_deletes && matches!(kind, StepKind::Update(_)) {
            let message = "a record that is deleted is not changed: leave `DELETED` out of the trigger, or `refuse`";
            self.tell(place.to_vec(), "notBeforeCommit", message);
        }
    }

    /// Where several items of a loop are done at the same time, none of them lets its run rest.
    fn fits_beside_others(&mut self, kind: &StepKind, place: &[PathSegment]) {
        let message = match kind {
            StepKind::Wait(_) | StepKind::Approve(_) | StepKind::Job(_) => {
                "a step that waits can't stand in a loop whose items are done at the same time: leave `concurrency` out there, or start another \
                 workflow that waits"
            }
            StepKind::ForEach(each) if each.concurrency > 1 => {
                "the items of a loop around are done at the same time already: leave `concurrency` out here"
            }
            _ => return,
        };
        self.tell(place.to_vec(), "notBesideOthers", message);
    }

    fn refuse(&mut self, refuse: &Refuse, place: &[PathSegment]) -> Option<Action> {
        if !self.before_commit {
            let message = "what is committed can't be refused; say `\"timing\": \"BEFORE_COMMIT\"`";
            self.tell(place.to_vec(), "timing", message);
        }
        let message = self.template(&serde_json::Value::String(refuse.message.clone()), &below(place, "message"));
        let module = self.names.module?;
        let mut fields = Vec::new();
        for (position, name) in refuse.fields.iter().enumerate() {
            fields.extend(self.stored_field(module, name, below(&below(place, "fields"), position)));
        }
        Some(Action::Refuse { message, fields })
    }

    fn push(&mut self, frame: Frame, act: Act) {
        let Frame { id, when, on_error, retrying, depth } = frame;
        self.nodes.push(Node { id, when, on_error, retrying, depth, act });
    }

    fn jump(&mut self, step: &str, depth: usize, act: Act) {
        let (on_error, retrying) = (crate::definition::OnError::Fail, Retrying::default());
        self.nodes.push(Node { id: step.to_owned(), when: None, on_error, retrying, depth, act });
    }

    fn branch(&mut self, frame: Frame, branch: &Branch, place: &[PathSegment], nesting: usize) {
        let (at, id, depth) = (self.nodes.len(), frame.id.clone(), frame.depth);
        self.push(frame, Act::Jump(at));
        let mut cases = Vec::new();
        let mut ends = Vec::new();
        let mut always_met = false;
        for (position, case) in branch.cases.iter().enumerate() {
            let place = below(&below(place, "cases"), position);
            let when = self.condition(&case.when, below(&place, "when"));
            let met = when.as_ref().and_then(constant);
            if always_met {
                self.tell(place.clone(), "unreachable", "a case before is always met, so this one is never done");
            } else if met == Some(false) {
                self.tell(below(&place, "when"), "unreachable", "this is never met, so the case is never done");
            }
            always_met |= met == Some(true);
            let start = self.nodes.len();
            self.steps(&case.steps, &below(&place, "steps"), nesting + 1, depth);
            ends.push(self.nodes.len());
            self.jump(&id, depth, Act::Jump(0));
            cases.extend(when.map(|when| (when, start)));
        }
        let otherwise = self.nodes.len();
        if always_met && !branch.otherwise.is_empty() {
            self.tell(below(place, "otherwise"), "unreachable", "a case is always met, so this is never done");
        }
        self.steps(&branch.otherwise, &below(place, "otherwise"), nesting + 1, depth);
        let after = self.nodes.len();
        for end in ends {
            self.nodes[end].act = Act::Jump(after);
        }
        self.nodes[at].act = Act::Branch { cases, otherwise, after };
    }

    fn for_each(&mut self, frame: Frame, each: &ForEach, place: &[PathSegment], nesting: usize) {
        let (at, id, depth) = (self.nodes.len(), frame.id.clone(), frame.depth);
        let list = self.template(&serde_json::Value::String(each.list.clone()), &below(place, "in"));
        let item = match &list {
            Template::Value(Hole::Outside(_, Shape::List(item))) => (**item).clone(),
            Template::Value(Hole::Outside(_, Shape::Any)) => Shape::Any,
            Template::Value(Hole::Rule(rule)) if rule.ty == RuleType::TextList => Shape::Value(Some(RuleType::Text)),
            Template::Value(Hole::Outside(_, Shape::Value(Some(RuleType::TextList)))) => {
                Shape::Value(Some(RuleType::Text))
            }
            Template::Constant(serde_json::Value::Null) => Shape::Any,
            _ => {
                let message = "this is no list; it is written as in `{{ steps.find.output.nodes }}`";
                self.tell(below(place, "in"), "type", message);
                Shape::Any
            }
        };
        let named = self.names.module.is_some_and(|module| module.field_named(&each.item).is_some());
        let is_taken =
            TAKEN.contains(&each.item.as_str()) || self.names.items.iter().any(|(name, _)| *name == each.item);
        if named || is_taken {
            self.tell(below(place, "as"), "unique", format!("`{}` means something else in rules already", each.item));
        }
        let (max, concurrency) = (each.max as usize, each.concurrency as usize);
        self.push(frame, Act::ForEach { list, item: each.item.clone(), max, concurrency, after: 0 });
        self.names.items.push((each.item.clone(), item));
        let around = self.is_beside_others;
        self.is_beside_others |= concurrency > 1;
        self.steps(&each.steps, &below(place, "steps"), nesting + 1, depth + 1);
        self.is_beside_others = around;
        self.names.items.pop();
        self.jump(&id, depth + 1, Act::Next { each: at });
        let end = self.nodes.len();
        if let Act::ForEach { after, .. } = &mut self.nodes[at].act {
            *after = end;
        }
    }

    fn call(&mut self, call: &Call, place: &[PathSegment]) -> Option<Action> {
        self.check_function(&call.plugin, &call.function, place);
        if call.timeout_ms.is_some() {
            let message = "the plugin's own `timeoutMs` holds; leave it out here";
            self.tell(below(place, "timeoutMs"), "notAvailable", message);
        }
        let input = self.template(&call.input, &below(place, "input"));
        Some(Action::Call { plugin: call.plugin.clone(), function: call.function.clone(), input })
    }

    /// Which plugin has a hook for the module is known when the workflow is saved.
    fn hook(&mut self, hook: &ToHook, place: &[PathSegment]) -> Action {
        if !self.is_about_changes {
            let message = "a hook is told of a change: the trigger has `on`";
            self.tell(place.to_vec(), "notAvailable", message);
        }
        let module = self.names.module.map(|module| module.name.as_str()).unwrap_or_default();
        match self.plugins.map(|plugins| plugins.get(&hook.plugin)) {
            Some(None) => {
                let message = format!("no plugin `{}` is installed", hook.plugin);
                self.tell(below(place, "plugin"), "unknownPlugin", message);
            }
            Some(Some(plugin)) if !self.unknown_module && !plugin.manifest().has_hook_after(module, None) => {
                let message = format!("the plugin has no hook after writes of {module}");
                self.tell(below(place, "plugin"), "unknownHook", message);
            }
            Some(Some(_)) | None => {}
        }
        Action::Hook { plugin: hook.plugin.clone() }
    }

    /// Which plugin has which job is known when the workflow is saved.
    fn job(&mut self, job: &ToJob, place: &[PathSegment]) -> Action {
        match self.plugins.map(|plugins| plugins.get(&job.plugin)) {
            Some(None) => {
                let message = format!("no plugin `{}` is installed", job.plugin);
                self.tell(below(place, "plugin"), "unknownPlugin", message);
            }
            Some(Some(plugin)) if !plugin.manifest().jobs().iter().any(|known| known.name == job.name) => {
                self.tell(below(place, "name"), "unknownJob", format!("the plugin has no job `{}`", job.name));
            }
            Some(Some(_)) | None => {}
        }
        Action::Job { plugin: job.plugin.clone(), name: job.name.clone() }
    }

    pub(super) fn check_function(&mut self, plugin: &str, function: &str, place: &[PathSegment]) {
        let Some(plugins) = self.plugins else { return };
        match plugins.functions(plugin) {
            None => {
                self.tell(below(place, "plugin"), "unknownPlugin", format!("no plugin `{plugin}` is installed"));
            }
            Some(functions) if !functions.iter().any(|known| known == function) => {
                let message = format!("the plugin has no function `{function}`; it has: {}", functions.join(", "));
                self.tell(below(place, "function"), "unknownFunction", message);
            }
            Some(_) => {}
        }
    }

    fn update(&mut self, update: &Update, place: &[PathSegment]) -> Option<Action> {
        let module = match (&update.module, self.names.module) {
            (Some(name), _) => self.module(name, below(place, "module"))?,
            (None, Some(module)) => module,
            (None, None) if self.unknown_module => return None,
            (None, None) => {
                self.tell(
                    below(place, "module"),
                    "required",
                    "the workflow has no module: say whose record is updated",
                );
                return None;
            }
        };
        let record = update.record.as_deref().map(|text| self.id_template(text, below(place, "record")));
        if record.is_none() && self.names.module.is_none_or(|own| own.id != module.id) && !self.unknown_module {
            let message = "the event is about no such record: say which one is updated, as in `{{ organizationId }}`";
            self.tell(below(place, "record"), "required", message);
        }
        let set = self.set(module, &update.set, &below(place, "set"));
        Some(Action::Update { module: module.id, record, set })
    }

    /// Which workflow is meant is known when the step is done: documents may name each other in any order.
    fn start_workflow(&mut self, start: &StartWorkflow, place: &[PathSegment]) -> Action {
        let what = "a record's id such as `{{ record.id }}`, or a list such as `{{ steps.find.output.nodes }}`";
        let records = start.records.as_ref().map(|text| self.ids_template(text, below(place, "records"), what));
        let input = self.template(&start.input, &below(place, "input"));
        Action::Start(Box::new(StartOf { workflow: start.workflow.clone(), records, input }))
    }

    fn find(&mut self, find: &Find, place: &[PathSegment]) -> Option<Action> {
        let module = self.module(&find.module, below(place, "module"))?;
        let filter = find.filter.as_ref().and_then(|filter| self.filter(module, filter, &below(place, "filter")));
        let order = self.order(module, &find.order_by, &below(place, "orderBy"));
        let mut fields = Vec::new();
        for (position, name) in find.fields.iter().enumerate().filter(|(_, name)| *name != "id") {
            fields.extend(self.stored_field(module, name, below(&below(place, "fields"), position)));
        }
        let found = FindRecords { module: module.id, filter, order, first: find.first, fields };
        Some(Action::Find(Box::new(found)))
    }

    fn wait(&mut self, wait: &Wait, place: &[PathSegment]) -> Option<Action> {
        if let Some(length) = &wait.length {
            let seconds = self.seconds(length, below(place, "for"))?;
            return Some(Action::Wait(Until::Later(seconds)));
        }
        let until = wait.until.as_deref()?;
        let place = below(place, "until");
        let template = self.template(&serde_json::Value::String(until.to_owned()), &place);
        let is_date = |ty: RuleType| matches!(ty, RuleType::Date | RuleType::DateTime);
        let fits = match &template {
            Template::Constant(serde_json::Value::Null) => true,
            Template::Constant(value) => {
                value.as_str().is_some_and(|text| crate::run::instant_of(text, chrono_tz::Tz::UTC).is_some())
            }
            Template::Value(Hole::Rule(rule)) => is_date(rule.ty),
            Template::Value(Hole::Outside(_, Shape::Value(Some(ty)))) => is_date(*ty),
            Template::Value(Hole::Outside(_, Shape::Any)) => true,
            _ => false,
        };
        if !fits {
            self.tell(place, "type", "this must be a date, or a date and time, such as `{{ closeDate }}`");
        }
        Some(Action::Wait(Until::Date(template)))
    }

    /// A record of the module whose feature `tasks` says which of its fields mean what.
    fn assign_task(&mut self, task: &AssignTask, place: &[PathSegment]) -> Option<Action> {
        let module = self.task_module(task, place)?;
        let feature = module.definition().features.unwrap_or_default()["tasks"].clone();
        let mut set = self.set(module, &task.set, &below(place, "set"));
        let owner = self.id_template(&task.to, below(place, "to"));
        let is_set =
            |set: &[(cardine_model::catalog::FieldId, Given)], field| set.iter().any(|(known, _)| *known == field);
        let mut put = |this: &mut Self, name: &str, given: Given| {
            let named = feature[name].as_str();
            let field = named.and_then(|field| crate::shape::readable_field(module, field));
            match field {
                Some(field) if !is_set(&set, field) => {
                    if let Given::Template(template) = &given {
                        this.check_type(module.field(field), template, below(place, name));
                    }
                    set.push((field, given));
                }
                Some(_) => {}
                None => {
                    let message = format!("the feature `tasks` of {} names no field for `{name}`", module.name);
                    this.tell(below(place, name), "notAvailable", message);
                }
            }
        };
        for (name, text) in [
            ("subject", Some(&task.subject)),
            ("description", task.description.as_ref()),
            ("priority", task.priority.as_ref()),
        ] {
            if let Some(text) = text {
                let template = self.template(&serde_json::Value::String(text.clone()), &below(place, name));
                put(self, name, Given::Template(template));
            }
        }
        let due = match &task.due_in {
            Some(text) => self.seconds(text, below(place, "dueIn")),
            None => Some(0),
        };
        for (name, seconds) in [("start", Some(0)), ("due", due)] {
            if let (Some(seconds), true) =
                (seconds, feature[name].is_string() || (name == "due" && task.due_in.is_some()))
            {
                put(self, name, Given::Later(seconds));
            }
        }
        // What the task is about, where it can be about such a record.
        let about = feature["about"].as_str().and_then(|name| module.field_named(name)).filter(|field| {
            let targets = field.reference().map(|to| to.targets.as_slice()).unwrap_or_default();
            self.names.module.is_some_and(|own| targets.contains(&own.id))
        });
        if let Some(field) =
            about.filter(|field| matches!(field.kind, FieldKind::Reference(_)) && !is_set(&set, field.id))
        {
            let id = self.template(&serde_json::Value::String("{{ record.id }}".to_owned()), place);
            set.push((field.id, Given::Template(id)));
        }
        set.push((Module::OWNER, Given::Template(owner)));
        Some(Action::Create { module: module.id, set })
    }

    fn task_module(&mut self, task: &AssignTask, place: &[PathSegment]) -> Option<&'a Module> {
        let has_tasks =
            |module: &&Module| module.definition().features.is_some_and(|features| features["tasks"].is_object());
        if let Some(name) = &task.module {
            let module = self.module(name, below(place, "module"))?;
            if !has_tasks(&module) {
                let message = format!("{name} has no feature `tasks`, which says what its fields mean to a task");
                self.tell(below(place, "module"), "notAvailable", message);
                return None;
            }
            return Some(module);
        }
        let catalog = self.catalog;
        let mut with_tasks = catalog.modules.iter().map(|module| &**module).filter(has_tasks);
        match (with_tasks.next(), with_tasks.next()) {
            (Some(module), None) => Some(module),
            (first, _) => {
                let message = if first.is_some() {
                    "several modules have tasks: say which"
                } else {
                    "no module has the feature `tasks`"
                };
                self.tell(below(place, "module"), "required", message);
                None
            }
        }
    }
}

/// What a condition gives whatever the record; `None` if that depends.
pub(super) fn constant(rule: &TypedRule) -> Option<bool> {
    let mut depends = false;
    rule.expr.walk(&mut |expr| {
        depends |= matches!(expr, Expr::Field(..) | Expr::Outside(..) | Expr::ActorId | Expr::Now | Expr::Today);
    });
    if depends {
        return None;
    }
    Some(rule.eval(&Nothing) == Value::Boolean(true))
}

/// A scope for rules that read nothing.
struct Nothing;

impl cardine_model::rule::Scope for Nothing {
    fn field(&self, _: cardine_model::rule::Root, _: &cardine_model::catalog::FieldPath) -> Value {
        Value::Null
    }

    fn actor_id(&self) -> Value {
        Value::Null
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::UNIX_EPOCH
    }

    fn today(&self) -> chrono::NaiveDate {
        chrono::NaiveDate::default()
    }
}
