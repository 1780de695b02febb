//! Reading a document: every fault with its place.

use super::*;
use crate::limits::{ATTEMPTS_MAX, IN_FLIGHT_MAX, NAME_CHARS_MAX, NOTES_CHARS_MAX, TASK_GROUPS_MAX, TASK_STEPS_MAX, WAVES_MAX};
use crate::nearest::nearest;
use crate::query::Query;
use serde_json::Map;

const LATER_TARGETS: &[&str] = &["subnets"];

#[derive(Default)]
pub(super) struct Reader {
    pub(super) faults: Vec<BadTask>,
}

impl Reader {
    pub(super) fn fault(&mut self, pointer: &str, what: impl Into<String>) {
        self.faults.push(BadTask { pointer: pointer.to_owned(), what: what.into() });
    }

    /// Checks an object's keys; gives the object.
    pub(super) fn object<'v>(&mut self, at: &str, value: &'v Value, known: &[&str], later: &[&str]) -> Option<&'v Map<String, Value>> {
        let Some(map) = value.as_object() else {
            self.fault(at, format!("an object with keys such as {} is expected here", known.join(", ")));
            return None;
        };
        for key in map.keys().filter(|k| !known.contains(&k.as_str())) {
            let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            if later.contains(&key.as_str()) {
                self.fault(&pointer, format!("'{key}' is not available in this version of Muster; remove it"));
            } else {
                let hint = nearest(key, known.iter().copied()).map_or(String::new(), |near| format!("; did you mean '{near}'?"));
                self.fault(&pointer, format!("there is no key '{key}' here{hint}"));
            }
        }
        Some(map)
    }

    pub(super) fn text(&mut self, at: &str, value: Option<&Value>, chars_max: usize) -> Option<String> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) if s.chars().count() <= chars_max => Some(s.clone()),
            Some(Value::String(s)) => {
                self.fault(at, format!("this text has {} characters; at most {chars_max} are kept", s.chars().count()));
                None
            }
            Some(other) => {
                self.fault(at, format!("a text is expected here, not {}", kind_of(other)));
                None
            }
        }
    }

    pub(super) fn texts(&mut self, at: &str, value: Option<&Value>, count_max: usize) -> Vec<String> {
        self.texts_of(at, value, count_max, NAME_CHARS_MAX)
    }

    /// The same with a length of their own.
    pub(super) fn texts_of(&mut self, at: &str, value: Option<&Value>, count_max: usize, chars_max: usize) -> Vec<String> {
        match value {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) if list.len() <= count_max => {
                list.iter().enumerate().filter_map(|(i, v)| self.text(&format!("{at}/{i}"), Some(v), chars_max)).collect()
            }
            Some(Value::Array(list)) => {
                self.fault(at, format!("{} entries; at most {count_max} are taken. Use a query instead", list.len()));
                Vec::new()
            }
            Some(other) => {
                self.fault(at, format!("a list of texts is expected here, not {}", kind_of(other)));
                Vec::new()
            }
        }
    }

    pub(super) fn span(&mut self, at: &str, value: Option<&Value>) -> Option<Span> {
        let text = self.text(at, value, 40)?;
        let span = Span::parse(&text).filter(|s| s.0 <= Duration::from_secs(366 * 86_400));
        if span.is_none() {
            self.fault(at, format!("'{text}' is not a duration of at most a year: write a number and a unit, such as 30s, 15m, 24h"));
        }
        span
    }

    fn query(&mut self, at: &str, value: Option<&Value>) -> Option<String> {
        let text = self.text(at, value, crate::limits::QUERY_BYTES_MAX)?;
        match Query::parse(&text) {
            Ok(_) => Some(text),
            Err(bad) => {
                self.fault(at, bad.what);
                None
            }
        }
    }

    pub(super) fn task(&mut self, value: &Value) -> Option<TaskDoc> {
        const KNOWN: &[&str] = &[
            "name",
            "description",
            "labels",
            "mode",
            "targets",
            "actors",
            "schedule",
            "window",
            "delivery",
            "rollout",
            "priority",
            "retry",
            "steps",
        ];
        let map = self.object("", value, KNOWN, &[])?;
        let name = self.text("/name", map.get("name"), NAME_CHARS_MAX).map(|n| n.trim().to_owned());
        if name.as_deref().is_none_or(str::is_empty) && !self.faults.iter().any(|f| f.pointer == "/name") {
            self.fault("/name", "a task needs a name");
        }
        let description = self.text("/description", map.get("description"), NOTES_CHARS_MAX).unwrap_or_default();
        let labels = self.texts("/labels", map.get("labels"), 50);
        let mode = self.word("/mode", map.get("mode"), &[("client_job", Mode::ClientJob), ("server_job", Mode::ServerJob)]);
        let targets = map.get("targets").map_or_else(Targets::default, |t| self.targets(t));
        let actors = given(map.get("actors")).map_or_else(Actors::default, |a| self.actors(a));
        let schedule = given(map.get("schedule")).and_then(|s| self.schedule("/schedule", s));
        let window = given(map.get("window")).and_then(|w| self.window("/window", w));
        let delivery = self.word("/delivery", map.get("delivery"), &[("pull", Delivery::Pull), ("push", Delivery::Push)]);
        let rollout = given(map.get("rollout")).map_or_else(Rollout::default, |r| self.rollout(r));
        let priority = self.priority(map.get("priority"));
        let retry = map.get("retry").map_or_else(Retry::default, |r| self.retry("/retry", r));
        let steps = self.steps(map.get("steps"));
        let (mode, delivery) = (mode.unwrap_or_default(), delivery.unwrap_or_default());
        self.flow(mode, &steps);
        if mode == Mode::ServerJob && targets.late_joiners {
            self.fault("/targets/late_joiners", "the targets of a server job go through its steps together, so nobody can join later; leave it out, or set mode: client_job");
        }
        if mode == Mode::ServerJob && !rollout.waves.is_empty() {
            self.fault("/rollout/waves", "a server job goes on for all targets together; waves are for client jobs");
        }
        if schedule.as_ref().is_some_and(|schedule| schedule.offline) {
            self.offline(mode, &rollout, &steps);
        }
        if delivery == Delivery::Push && !steps.is_empty() && steps.iter().all(|s| s.scope() == Scope::Server) {
            self.fault("/delivery", "a step of the server is not delivered to agents; remove 'delivery'");
        }
        let doc = TaskDoc {
            name: name?,
            description,
            labels,
            mode,
            targets,
            actors,
            schedule,
            window,
            delivery,
            rollout,
            priority,
            retry,
            steps,
        };
        self.pooled(&doc);
        Some(doc)
    }

    /// One of a few words, and what it stands for; none when absent or wrong.
    pub(super) fn word<T: Copy>(&mut self, at: &str, value: Option<&Value>, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(at, value, NAME_CHARS_MAX)?;
        self.word_of(at, at.rsplit('/').next().unwrap_or(at), &text, known)
    }

    /// The same for a word that is there; `what` it is one of.
    pub(super) fn word_of<T: Copy>(&mut self, at: &str, what: &str, text: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let hint = nearest(text, words.iter().copied()).map_or(String::new(), |near| format!(". Did you mean '{near}'?"));
            self.fault(at, format!("there is no {what} '{text}'; there are {}{hint}", words.join(", ")));
        }
        found
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, at: &str, value: Option<&Value>, bounds: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let value = given(value)?;
        let number = value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| bounds.contains(n));
        if number.is_none() {
            let key = at.rsplit('/').next().unwrap_or(at);
            self.fault(at, format!("{key} is {value}; it is a whole number from {} to {}", bounds.start(), bounds.end()));
        }
        number
    }

    fn rollout(&mut self, value: &Value) -> Rollout {
        const KNOWN: &[&str] = &["max_in_flight", "waves", "wait", "halt_on_error_rate", "halt_on_lost_rate"];
        let Some(map) = self.object("/rollout", value, KNOWN, &[]) else {
            return Rollout::default();
        };
        let rollout = Rollout {
            max_in_flight: self.number("/rollout/max_in_flight", map.get("max_in_flight"), 1..=IN_FLIGHT_MAX),
            waves: self.waves(map.get("waves")),
            wait: self.span("/rollout/wait", map.get("wait")),
            halt_on_error_rate: self.share("/rollout/halt_on_error_rate", map.get("halt_on_error_rate")),
            halt_on_lost_rate: self.share("/rollout/halt_on_lost_rate", map.get("halt_on_lost_rate")),
        };
        if rollout.waves.is_empty() && rollout.wait.is_some() {
            self.fault("/rollout/wait", "it is waited between waves, and there are none; name 'waves' such as [1%, 25%, 100%]");
        }
        if rollout.halt_on_lost_rate.is_some() && rollout.wait.is_none_or(|wait| wait.0 < Duration::from_secs(60)) {
            let what = "whether machines are lost shows only after a while; name a 'wait' of at least 60s that is longer than their agents stay away";
            self.fault("/rollout/halt_on_lost_rate", what);
        }
        rollout
    }

    fn share(&mut self, at: &str, value: Option<&Value>) -> Option<Share> {
        let text = self.text(at, value, 20)?;
        let share = Share::parse(&text);
        if share.is_none() {
            self.fault(at, format!("'{text}' is no share; write a percentage such as 5% or 0.5%"));
        }
        share
    }

    fn waves(&mut self, value: Option<&Value>) -> Vec<Share> {
        let texts = self.texts_of("/rollout/waves", value, WAVES_MAX, 20);
        let mut waves: Vec<Share> = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let at = format!("/rollout/waves/{i}");
            match Share::parse(text).filter(|share| share.hundredths() > 0) {
                None => self.fault(&at, format!("'{text}' is no share of the targets, such as 1% or 25%")),
                Some(share) if waves.last().is_some_and(|last| *last >= share) => {
                    self.fault(
                        &at,
                        format!(
                            "{share} is no more than the wave before; each share counts from the first target on, as in [1%, 25%, 100%]"
                        ),
                    );
                }
                Some(share) => waves.push(share),
            }
        }
        waves
    }

    fn priority(&mut self, value: Option<&Value>) -> u8 {
        match value {
            None | Some(Value::Null) => default_priority(),
            Some(v) => v.as_u64().filter(|p| *p <= 9).and_then(|p| u8::try_from(p).ok()).unwrap_or_else(|| {
                self.fault("/priority", format!("{v} is no priority; it is a whole number from 0 (first) to 9 (last)"));
                default_priority()
            }),
        }
    }

    fn targets(&mut self, value: &Value) -> Targets {
        let Some(map) =
            self.object("/targets", value, &["devices", "groups", "query", "all", "ip_ranges", "exclude", "late_joiners"], LATER_TARGETS)
        else {
            return Targets::default();
        };
        let (all, late_joiners) =
            (self.is_true("/targets/all", map.get("all")), self.is_true("/targets/late_joiners", map.get("late_joiners")));
        Targets {
            devices: self.texts("/targets/devices", map.get("devices"), 10_000),
            groups: self.texts("/targets/groups", map.get("groups"), TASK_GROUPS_MAX),
            query: self.query("/targets/query", map.get("query")),
            all,
            ip_ranges: self.ranges("/targets/ip_ranges", map.get("ip_ranges")),
            exclude: map.get("exclude").map_or_else(Exclude::default, |e| self.exclude(e)),
            late_joiners,
        }
    }

    pub(super) fn is_true(&mut self, at: &str, value: Option<&Value>) -> bool {
        match value {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(other) => {
                self.fault(at, format!("true is expected here, not {}", kind_of(other)));
                false
            }
        }
    }

    fn exclude(&mut self, value: &Value) -> Exclude {
        let at = "/targets/exclude";
        let Some(map) = self.object(at, value, &["devices", "groups", "query", "tags", "ip_ranges"], LATER_TARGETS) else {
            return Exclude::default();
        };
        Exclude {
            devices: self.texts(&format!("{at}/devices"), map.get("devices"), 10_000),
            groups: self.texts(&format!("{at}/groups"), map.get("groups"), TASK_GROUPS_MAX),
            query: self.query(&format!("{at}/query"), map.get("query")),
            tags: self.texts(&format!("{at}/tags"), map.get("tags"), 1_000),
            ip_ranges: self.ranges(&format!("{at}/ip_ranges"), map.get("ip_ranges")),
        }
    }

    fn retry(&mut self, at: &str, value: &Value) -> Retry {
        let mut retry = Retry::default();
        let Some(map) = self.object(at, value, &["attempts", "backoff", "on"], &[]) else {
            return retry;
        };
        if let Some(v) = map.get("attempts") {
            match v.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=ATTEMPTS_MAX).contains(n)) {
                Some(attempts) => retry.attempts = attempts,
                None => self.fault(&format!("{at}/attempts"), format!("{v} attempts; it is a whole number from 1 to {ATTEMPTS_MAX}")),
            }
        }
        if let Some(backoff) = self.span(&format!("{at}/backoff"), map.get("backoff")) {
            retry.backoff = backoff;
        }
        if map.contains_key("on") {
            retry.on = self.texts(&format!("{at}/on"), map.get("on"), 2);
            for (i, word) in retry.on.clone().iter().enumerate().filter(|(_, w)| !["error", "unknown"].contains(&w.as_str())) {
                self.fault(&format!("{at}/on/{i}"), format!("'{word}' is no outcome to retry on; there are error and unknown"));
            }
        }
        retry
    }

    fn steps(&mut self, value: Option<&Value>) -> Vec<Step> {
        let list = match value {
            Some(Value::Array(list)) if !list.is_empty() => list,
            None | Some(Value::Null | Value::Array(_)) => {
                self.fault("/steps", "a task needs at least one step, such as {id: collect, action: {type: inventory}}");
                return Vec::new();
            }
            Some(other) => {
                self.fault("/steps", format!("a list of steps is expected here, not {}", kind_of(other)));
                return Vec::new();
            }
        };
        if list.len() > TASK_STEPS_MAX {
            self.fault("/steps", format!("{} steps; at most {TASK_STEPS_MAX} are taken", list.len()));
        }
        list.iter().take(TASK_STEPS_MAX).enumerate().filter_map(|(i, step)| self.step(i, step)).collect()
    }

    fn step(&mut self, index: usize, value: &Value) -> Option<Step> {
        const KNOWN: &[&str] = &["id", "action", "scope", "timeout", "retry", "idempotent", "when", "on_error", "outputs", "barrier"];
        let at = format!("/steps/{index}");
        let map = self.object(&at, value, KNOWN, &[])?;
        let id = self.text(&format!("{at}/id"), map.get("id"), 60).unwrap_or_else(|| format!("step{}", index + 1));
        if !is_step_id(&id) {
            self.fault(&format!("{at}/id"), format!("'{id}' is no step id; use letters, digits and _, beginning with a letter"));
        }
        let timeout = self.span(&format!("{at}/timeout"), map.get("timeout"));
        if timeout.is_some_and(|t| t.0 < Duration::from_secs(10)) {
            self.fault(&format!("{at}/timeout"), "a step needs at least 10s");
        }
        let retry = given(map.get("retry")).map(|r| self.retry(&format!("{at}/retry"), r));
        let idempotent = self.truth(&format!("{at}/idempotent"), map.get("idempotent"));
        let when = self.when(&format!("{at}/when"), map.get("when"));
        let on_error = given(map.get("on_error")).and_then(|v| self.on_error(&format!("{at}/on_error"), v));
        let outputs = self.outputs(&format!("{at}/outputs"), map.get("outputs"));
        let barrier = self.barrier(&format!("{at}/barrier"), map.get("barrier"));
        let Some(action) = map.get("action") else {
            self.fault(&format!("{at}/action"), "a step needs an action, such as {type: inventory}");
            return None;
        };
        let action = self.action(&format!("{at}/action"), action);
        let scope = self.scope(&format!("{at}/scope"), map.get("scope"), action.as_ref());
        if idempotent == Some(true) && action.as_ref().is_some_and(|a| !a.may_be_idempotent()) {
            self.fault(&format!("{at}/idempotent"), "this action is not safe to repeat, and true does not make it so; remove 'idempotent'");
        }
        Some(Step { id, action: action?, scope, timeout, retry, idempotent, when, on_error, outputs, barrier })
    }

    /// Where the step is done, when it is written: what its action's type says, but for what both sides can do.
    fn scope(&mut self, at: &str, value: Option<&Value>, action: Option<&Action>) -> Option<Scope> {
        if value.and_then(Value::as_str) == Some("relay") {
            self.fault(at, "the scope 'relay' is not available in this version of Muster; remove it");
            return None;
        }
        let scope = self.word(at, value, &[("server", Scope::Server), ("client", Scope::Client)])?;
        if let Some(action) = action.filter(|a| !a.may_be_done_by(scope)) {
            let (kind, own) = (action.kind(), action.scope().as_str());
            self.fault(at, format!("{kind} has the scope '{own}', not '{}'; remove 'scope'", scope.as_str()));
        }
        if let (Some(Action::RunScript(script)), Scope::Server, Some(at)) = (action, scope, at.strip_suffix("/scope")) {
            self.in_sandbox(at, script);
        }
        Some(scope)
    }

    /// What a script of the server has not.
    fn in_sandbox(&mut self, at: &str, script: &Script) {
        let keys =
            [("user", script.user.is_some()), ("directory", script.directory.is_some()), ("cpu_percent", script.cpu_percent.is_some())];
        for (key, _) in keys.into_iter().filter(|(_, is)| *is) {
            let what = format!("the server runs scripts as nobody, in a sandbox with a directory of its own; remove '{key}'");
            self.fault(&format!("{at}/action/{key}"), what);
        }
    }

    fn truth(&mut self, at: &str, value: Option<&Value>) -> Option<bool> {
        let value = given(value)?;
        if !value.is_boolean() {
            self.fault(at, format!("true or false is expected here, not {}", kind_of(value)));
        }
        value.as_bool()
    }
}

/// A value that is there and not null.
pub(super) fn given(value: Option<&Value>) -> Option<&Value> {
    value.filter(|v| !v.is_null())
}

pub(super) fn is_step_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_alphabetic()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
