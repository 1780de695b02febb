//! Reading and writing schedules and windows.

use super::BadTask;
use super::read::{Reader, given, kind_of};
use crate::limits::{NAME_CHARS_MAX, SCHEDULE_EVERY_SECONDS_MIN};
use crate::settings::Span;
use crate::tasks::run::Verdict;
use crate::tasks::schedule::{Cron, Misfire, Moment, Schedule, Trigger, When, instant_text, wall_text};
use crate::tasks::window::{AtEnd, Days, Edge, Window};
use crate::tasks::zone::ZoneName;
use crate::time::Timestamp;
use jiff::civil::DateTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::time::Duration;

const FORMS: [&str; 5] = ["now", "at", "cron", "every", "on"];
const MISFIRES: &[(&str, Misfire)] = &[("skip", Misfire::Skip), ("run_once", Misfire::RunOnce)];
const AT_ENDS: &[(&str, AtEnd)] = &[("let_finish", AtEnd::LetFinish), ("stop", AtEnd::Stop)];
const VERDICTS: &[(&str, Verdict)] =
    &[("ok", Verdict::Ok), ("error", Verdict::Error), ("partial", Verdict::Partial), ("cancelled", Verdict::Cancelled)];
const EVENTS: &[(&str, Event)] = &[
    ("device_enrolled", Event::DeviceEnrolled),
    ("inventory_changed", Event::InventoryChanged),
    ("joined_group", Event::JoinedGroup),
    ("task_ended", Event::TaskEnded),
];

#[derive(Clone, Copy)]
enum Event {
    DeviceEnrolled,
    InventoryChanged,
    JoinedGroup,
    TaskEnded,
}

impl Reader {
    /// Of an object that has nothing else.
    pub(super) fn schedule_and_window(&mut self, value: &Value) -> (Option<Schedule>, Option<Window>) {
        let Some(map) = self.object("", value, &["schedule", "window"], &[]) else { return (None, None) };
        let schedule = given(map.get("schedule")).and_then(|s| self.schedule("/schedule", s));
        let window = given(map.get("window")).and_then(|w| self.window("/window", w));
        (schedule, window)
    }

    pub(super) fn schedule(&mut self, at: &str, value: &Value) -> Option<Schedule> {
        let map = self.object(at, value, &["now", "at", "cron", "every", "on", "zone", "misfire", "offline"], &[])?;
        let misfire = self.word(&format!("{at}/misfire"), map.get("misfire"), MISFIRES).unwrap_or_default();
        let forms: Vec<&str> = FORMS.into_iter().filter(|form| given(map.get(*form)).is_some()).collect();
        let [form] = forms[..] else {
            let told = if forms.is_empty() { "none".to_owned() } else { forms.join(" and ") };
            self.fault(at, format!("a schedule has one of now, at, cron, every, on; here is {told}"));
            return None;
        };
        let zone = self.zone(&format!("{at}/zone"), map.get("zone"));
        let takes_zone = form == "cron" || form == "at";
        if !takes_zone && given(map.get("zone")).is_some() {
            self.fault(&format!("{at}/zone"), format!("'{form}' goes by no clock on a wall; remove 'zone'"));
        }
        let place = format!("{at}/{form}");
        let when = match form {
            "now" => self.now(&place, map.get(form)),
            "at" => self.moment(at, map, zone),
            "cron" => self.cron(&place, map.get(form), zone.unwrap_or(ZoneName::Organization)),
            "every" => self.every(&place, map.get(form)),
            _ => self.trigger(&place, map.get(form)?).map(When::On),
        };
        let offline = self.is_true(&format!("{at}/offline"), map.get("offline"));
        if offline && form != "cron" && form != "every" {
            self.fault(&format!("{at}/offline"), "machines keep only what recurs by the clock: cron or every; leave 'offline' out");
        }
        Some(Schedule { when: when?, misfire, offline })
    }

    fn now(&mut self, at: &str, value: Option<&Value>) -> Option<When> {
        if value != Some(&Value::Bool(true)) {
            self.fault(at, "true is expected here; leave 'schedule' out for a task that a person starts");
            return None;
        }
        Some(When::Now)
    }

    fn moment(&mut self, at: &str, map: &Map<String, Value>, zone: Option<ZoneName>) -> Option<When> {
        let place = format!("{at}/at");
        let text = self.text(&place, map.get("at"), 60)?;
        let has_zone = given(map.get("zone")).is_some();
        if let Some(instant) = Timestamp::parse(&text) {
            if has_zone {
                self.fault(&format!("{at}/zone"), format!("'{text}' is an instant by itself; remove 'zone', or the offset from 'at'"));
            }
            return Some(When::At(Moment::Instant(instant)));
        }
        match text.parse::<DateTime>() {
            Ok(wall) if has_zone => Some(When::At(Moment::Wall { at: wall, zone: zone? })),
            Ok(_) => {
                self.fault(&place, format!("'{text}' says no offset; add one, such as 2026-12-01T02:00:00Z, or say 'zone'"));
                None
            }
            Err(_) => {
                self.fault(&place, format!("'{text}' is no date and time such as 2026-12-01T02:00:00Z"));
                None
            }
        }
    }

    fn cron(&mut self, at: &str, value: Option<&Value>, zone: ZoneName) -> Option<When> {
        let text = self.text(at, value, NAME_CHARS_MAX)?;
        match Cron::parse(&text) {
            Ok(cron) => Some(When::Cron { cron, zone }),
            Err(what) => {
                self.fault(at, what);
                None
            }
        }
    }

    fn every(&mut self, at: &str, value: Option<&Value>) -> Option<When> {
        let span = self.span(at, value)?;
        if span.0 < Duration::from_secs(SCHEDULE_EVERY_SECONDS_MIN) {
            self.fault(at, format!("every {span} is too often; it is at least {}", Span(Duration::from_secs(SCHEDULE_EVERY_SECONDS_MIN))));
        }
        Some(When::Every(span))
    }

    fn trigger(&mut self, at: &str, value: &Value) -> Option<Trigger> {
        let Some(map) = value.as_object() else {
            return match self.event(at, value.as_str().unwrap_or_default(), value)? {
                Event::DeviceEnrolled => Some(Trigger::DeviceEnrolled),
                Event::InventoryChanged => Some(Trigger::InventoryChanged { section: None }),
                Event::JoinedGroup => {
                    self.fault(at, "joined_group needs the group's name: {joined_group: NAME}");
                    None
                }
                Event::TaskEnded => {
                    self.fault(at, "task_ended needs the task's name: {task_ended: NAME}");
                    None
                }
            };
        };
        let names: Vec<&String> = map.keys().filter(|key| *key != "verdict").collect();
        let [name] = names[..] else {
            self.fault(
                at,
                "one event is expected here: device_enrolled, {inventory_changed: SECTION}, {joined_group: NAME} or {task_ended: NAME}",
            );
            return None;
        };
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        let event = self.event(&place, name, &map[name])?;
        if map.contains_key("verdict") && !matches!(event, Event::TaskEnded) {
            self.fault(&format!("{at}/verdict"), "a verdict is of task_ended only; remove it");
        }
        match event {
            Event::DeviceEnrolled => {
                self.fault(&place, "device_enrolled has nothing beside it; write on: device_enrolled");
                None
            }
            Event::InventoryChanged => self.section(&place, &map[name]),
            Event::JoinedGroup => {
                self.named(&place, &map[name], "joined_group needs the group's name").map(|group| Trigger::JoinedGroup { group })
            }
            Event::TaskEnded => self.task_ended(at, &place, map, name),
        }
    }

    fn event(&mut self, at: &str, word: &str, value: &Value) -> Option<Event> {
        if word.is_empty() {
            self.fault(at, format!("an event is expected here, such as device_enrolled, not {}", kind_of(value)));
            return None;
        }
        self.word_of(at, "event", word, EVENTS)
    }

    fn section(&mut self, at: &str, value: &Value) -> Option<Trigger> {
        let section = self.text(at, Some(value), NAME_CHARS_MAX)?;
        if section.is_empty() || !section.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
            self.fault(at, format!("'{section}' is no section of an inventory, such as softwares"));
            return None;
        }
        Some(Trigger::InventoryChanged { section: Some(section) })
    }

    /// The name of a group or task; `what` to say of an empty one.
    fn named(&mut self, place: &str, value: &Value, what: &str) -> Option<String> {
        let name = self.text(place, Some(value), NAME_CHARS_MAX)?.trim().to_owned();
        if name.is_empty() {
            self.fault(place, what);
        }
        Some(name)
    }

    fn task_ended(&mut self, at: &str, place: &str, map: &Map<String, Value>, name: &str) -> Option<Trigger> {
        let task = self.named(place, &map[name], "task_ended needs the task's name")?;
        let verdict = self.word(&format!("{at}/verdict"), map.get("verdict"), VERDICTS);
        Some(Trigger::TaskEnded { task, verdict })
    }

    fn zone(&mut self, at: &str, value: Option<&Value>) -> Option<ZoneName> {
        match self.text(at, value, NAME_CHARS_MAX)?.parse() {
            Ok(zone) => Some(zone),
            Err(what) => {
                self.fault(at, what);
                None
            }
        }
    }

    pub(super) fn window(&mut self, at: &str, value: &Value) -> Option<Window> {
        const KNOWN: &[&str] = &["not_before", "not_after", "days", "zone", "at_end", "longest_run"];
        let map = self.object(at, value, KNOWN, &[])?;
        let window = Window {
            not_before: self.edge(&format!("{at}/not_before"), map.get("not_before")),
            not_after: self.edge(&format!("{at}/not_after"), map.get("not_after")),
            days: self.days(&format!("{at}/days"), map.get("days")),
            zone: self.zone(&format!("{at}/zone"), map.get("zone")),
            at_end: self.word(&format!("{at}/at_end"), map.get("at_end"), AT_ENDS).unwrap_or_default(),
            longest_run: self.longest_run(&format!("{at}/longest_run"), map.get("longest_run")),
        };
        self.edges_agree(at, map, &window);
        Some(window)
    }

    /// What the parts of a window must be to each other. Parts that are there but wrong were told already.
    fn edges_agree(&mut self, at: &str, map: &Map<String, Value>, window: &Window) {
        let is_there = |key: &str| given(map.get(key)).is_some();
        let is_daily = |edge: Option<Edge>| matches!(edge, Some(Edge::Daily(_)));
        match (window.not_before, window.not_after) {
            (Some(Edge::Daily(from)), Some(Edge::Daily(to))) if from == to => {
                self.fault(&format!("{at}/not_after"), "the window opens and closes at the same time; leave it out for the whole day");
            }
            (Some(Edge::At(from)), Some(Edge::At(to))) if to <= from => {
                self.fault(&format!("{at}/not_after"), "the window closes before it opens; a later instant is expected");
            }
            (Some(Edge::Daily(_)), Some(Edge::At(_))) | (Some(Edge::At(_)), Some(Edge::Daily(_))) => {
                self.fault(&format!("{at}/not_after"), "both edges are times of day such as \"06:00\", or both are instants");
            }
            _ => {}
        }
        if is_there("days") && !is_daily(window.not_before) && (window.not_before.is_some() || !is_there("not_before")) {
            self.fault(&format!("{at}/days"), "days say when the window opens; give 'not_before' as a time of day such as \"22:00\"");
        }
        if is_there("zone") && !is_daily(window.not_before) && !is_daily(window.not_after) {
            self.fault(&format!("{at}/zone"), "without a time of day such as \"06:00\" no clock on a wall counts; remove 'zone'");
        }
        if window.at_end == AtEnd::Stop && !is_there("not_after") {
            self.fault(&format!("{at}/at_end"), "this window does not close; give 'not_after', or 'longest_run' alone");
        }
        if !["not_before", "not_after", "longest_run"].into_iter().any(is_there) {
            self.fault(at, "this window says nothing; give not_before, not_after or longest_run, or remove it");
        }
    }

    fn longest_run(&mut self, at: &str, value: Option<&Value>) -> Option<Span> {
        let span = self.span(at, value)?;
        if span.0 < Duration::from_secs(10) {
            self.fault(at, format!("longest_run is {span}; it is at least 10s"));
        }
        Some(span)
    }

    fn edge(&mut self, at: &str, value: Option<&Value>) -> Option<Edge> {
        let text = self.text(at, value, 60)?;
        let edge = time_of_day(&text).map(Edge::Daily).or_else(|| Timestamp::parse(&text).map(Edge::At));
        if edge.is_none() {
            self.fault(at, format!("'{text}' is neither a time of day such as \"06:00\" nor an instant such as 2026-12-01T06:00:00Z"));
        }
        edge
    }

    fn days(&mut self, at: &str, value: Option<&Value>) -> Days {
        let Some(value) = given(value) else { return Days::default() };
        let words = self.texts(at, Some(value), 7);
        match Days::of(words.iter().map(String::as_str)) {
            Ok(days) if words.is_empty() && value.as_array().is_some_and(Vec::is_empty) => {
                self.fault(at, "no day at all; name some, such as [sat, sun], or leave 'days' out");
                days
            }
            Ok(days) => days,
            Err(word) => {
                self.fault(at, format!("there is no day '{word}'; there are mon, tue, wed, thu, fri, sat, sun"));
                Days::default()
            }
        }
    }
}

/// Reads `06:00`.
fn time_of_day(text: &str) -> Option<jiff::civil::Time> {
    let (hour, minute) = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2)?;
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?;
    jiff::civil::Time::new(digits(hour)?, digits(minute)?, 0, 0).ok()
}

fn edge_text(edge: &Edge) -> String {
    match edge {
        Edge::Daily(time) => time.strftime("%H:%M").to_string(),
        Edge::At(at) => instant_text(*at),
    }
}

impl From<&Trigger> for Value {
    fn from(trigger: &Trigger) -> Value {
        match trigger {
            Trigger::DeviceEnrolled => json!("device_enrolled"),
            Trigger::InventoryChanged { section: None } => json!("inventory_changed"),
            Trigger::InventoryChanged { section: Some(section) } => json!({"inventory_changed": section}),
            Trigger::JoinedGroup { group } => json!({"joined_group": group}),
            Trigger::TaskEnded { task, verdict: None } => json!({"task_ended": task}),
            Trigger::TaskEnded { task, verdict: Some(verdict) } => json!({"task_ended": task, "verdict": verdict.as_str()}),
        }
    }
}

impl From<&Schedule> for Value {
    fn from(schedule: &Schedule) -> Value {
        let mut value = match &schedule.when {
            When::Now => json!({"now": true}),
            When::At(Moment::Instant(at)) => json!({"at": instant_text(*at)}),
            When::At(Moment::Wall { at, zone }) => json!({"at": wall_text(*at), "zone": zone.to_string()}),
            When::Cron { cron, zone: ZoneName::Organization } => json!({"cron": cron.as_str()}),
            When::Cron { cron, zone } => json!({"cron": cron.as_str(), "zone": zone.to_string()}),
            When::Every(span) => json!({"every": span.to_string()}),
            When::On(trigger) => json!({"on": Value::from(trigger)}),
        };
        if schedule.offline {
            value["offline"] = json!(true);
        }
        if schedule.misfire != Misfire::default() {
            value["misfire"] = json!(schedule.misfire.as_str());
        }
        value
    }
}

impl From<&Window> for Value {
    fn from(window: &Window) -> Value {
        let mut map = Map::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), value);
            }
        };
        put("not_before", window.not_before.as_ref().map(|e| edge_text(e).into()));
        put("not_after", window.not_after.as_ref().map(|e| edge_text(e).into()));
        put("days", (!window.days.is_all()).then(|| window.days.words().collect()));
        put("zone", window.zone.as_ref().map(|z| z.to_string().into()));
        put("at_end", (window.at_end != AtEnd::default()).then(|| window.at_end.as_str().into()));
        put("longest_run", window.longest_run.map(|s| s.to_string().into()));
        Value::Object(map)
    }
}

/// Reads with the document's own rules.
fn read<'de, D: Deserializer<'de>, T>(d: D, with: impl Fn(&mut Reader, &Value) -> Option<T>) -> Result<T, D::Error> {
    let value = Value::deserialize(d)?;
    let mut reader = Reader::default();
    let read = with(&mut reader, &value);
    let told = |faults: &[BadTask]| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    read.filter(|_| reader.faults.is_empty()).ok_or_else(|| D::Error::custom(told(&reader.faults)))
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Value::from(self).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        read(d, |reader, value| reader.schedule("", value))
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Value::from(self).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        read(d, |reader, value| reader.window("", value))
    }
}
