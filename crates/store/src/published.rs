//! The views that people may ask in SQL: the same names and columns on both databases, and of one organization only.
//!
//! They are no objects of the database: a query is run with them in front of it, as the first of its `WITH`. What it may name is
//! checked before, see [`crate::sql`].

use muster_core::ids::OrgId;
use muster_core::time::Timestamp;

/// A column of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub help: &'static str,
    kind: Kind,
    /// Where it comes from.
    from: &'static str,
}

/// A view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// What its rows are.
    pub help: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// Tables, and the condition of the organization: `{org}` stands for it, and `{main}` is before a table that is named like a view.
    from: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// As it is: texts, numbers, ids.
    Plain,
    /// Milliseconds since 1970, shown as an instant in UTC.
    Instant,
    /// Milliseconds since 1970, shown as how many days ago that was.
    DaysAgo,
    /// Whether there is anything: 1 or 0.
    Is,
}

const fn plain(name: &'static str, from: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::Plain, from }
}

const fn instant(name: &'static str, from: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::Instant, from }
}

const fn days_ago(name: &'static str, from: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::DaysAgo, from }
}

const fn is(name: &'static str, from: &'static str, help: &'static str) -> Column {
    Column { name, help, kind: Kind::Is, from }
}

/// Every view there is.
pub const VIEWS: [View; 9] = [
    View {
        name: "devices",
        help: "Machines.",
        columns: &[
            plain("id", "d.id", "Its id."),
            plain("name", "d.name", "Its name, as shown."),
            plain("os", "d.os", "Its operating system."),
            plain("os_family", "d.os_family", "windows, linux, macos, …"),
            plain("manufacturer", "d.manufacturer", "Who made it."),
            plain("model", "d.model", "Its model."),
            plain("serial", "d.serial", "Its serial number."),
            plain("uuid", "d.uuid", "Its firmware's UUID."),
            plain("cpu", "d.cpu", "Its processor."),
            plain("memory_mb", "d.memory_mb", "Its memory, MB."),
            plain("tag", "coalesce(d.given_tag, d.tag)", "Its tag: the one that people gave it, or its agent's."),
            plain("notes", "d.notes", "What people noted."),
            plain("protocol", "d.protocol", "How the agent speaks that is heard for it."),
            plain("agent_version", "d.agent_version", "That agent's version."),
            plain("verified", "d.verified", "1: one of its agents is verified."),
            plain("software_count", "d.software_count", "How many programs it has."),
            instant("first_seen", "d.first_seen", "When it was first heard of."),
            instant("last_inventory", "d.last_inventory", "When its last inventory came."),
            instant("last_contact", "d.last_contact", "When it was last heard of."),
            days_ago("days_since_inventory", "d.last_inventory", "The same in days before now."),
            days_ago("days_since_contact", "d.last_contact", "The same in days before now."),
        ],
        from: "device d WHERE d.org = {org} AND d.merged_into IS NULL",
    },
    View {
        name: "agents",
        help: "Agents; a machine may have several.",
        columns: &[
            plain("id", "a.id", "Its id."),
            plain("device_id", "a.device", "Its machine."),
            plain("protocol", "a.protocol", "How it speaks: muster, glpi, fusioninventory, ocs."),
            plain("version", "a.version", "Its version."),
            plain("verified", "a.verified", "1: it may be given work."),
            is("quarantined", "a.quarantined", "1: a person put it in quarantine."),
            plain("address", "a.address", "From where it came last."),
            instant("first_contact", "a.first_contact", "When it was first heard of."),
            instant("last_contact", "a.last_contact", "When it was last heard of."),
            instant("next_contact", "a.next_contact", "When it is expected."),
            instant("last_inventory", "a.last_inventory", "When its last inventory came."),
        ],
        from: "agent a WHERE a.org = {org}",
    },
    View {
        name: "software",
        help: "Programs of machines: one row for each program on each machine.",
        columns: &[
            plain("device_id", "ds.device", "The machine."),
            plain("name", "s.name", "The program."),
            plain("version", "s.version", "Its version."),
            plain("publisher", "s.publisher", "Who publishes it."),
            plain("arch", "s.arch", "For which processor it is."),
        ],
        from: "device_software ds JOIN {main}software s ON s.id = ds.software JOIN device d ON d.id = ds.device WHERE d.org = {org} AND d.merged_into IS NULL",
    },
    View {
        name: "groups",
        help: "Groups of machines.",
        columns: &[
            plain("id", "g.id", "Its id."),
            plain("name", "g.name", "Its name."),
            plain("description", "g.description", "What it is for."),
            plain("kind", "g.kind", "static or dynamic."),
        ],
        from: "device_group g WHERE g.org = {org}",
    },
    View {
        name: "group_members",
        help: "Which machines are in which groups.",
        columns: &[plain("group_id", "m.grp", "The group."), plain("device_id", "m.device", "The machine.")],
        from: "group_member m JOIN device_group g ON g.id = m.grp WHERE g.org = {org} AND m.hidden = 0",
    },
    View {
        name: "tasks",
        help: "Tasks as they are now.",
        columns: &[
            plain("id", "t.id", "Its id."),
            plain("name", "t.name", "Its name."),
            plain("version", "t.version", "Its version."),
            plain("author", "t.author", "Who wrote that."),
            instant("created", "t.created", "When its first version was written."),
            instant("updated", "t.updated", "When its version was written."),
        ],
        from: "task t WHERE t.org = {org} AND t.deleted = 0",
    },
    View {
        name: "runs",
        help: "Runs of tasks.",
        columns: &[
            plain("id", "r.id", "Its id."),
            plain("number", "r.number", "Its number."),
            plain("task_id", "r.task", "The task."),
            plain("task_name", "r.task_name", "Its name when the run began."),
            plain("state", "r.state", "preparing, waiting, running or finished."),
            plain("verdict", "r.verdict", "How it ended: ok, error, partial or cancelled."),
            plain("targeted", "r.targeted", "How many machines it has."),
            plain("started_by", "r.started_by", "Who started it."),
            instant("created", "r.created", "When it was started."),
            instant("started", "r.started", "When the first piece was handed out."),
            instant("ended", "r.ended", "When it ended."),
        ],
        from: "run r WHERE r.org = {org}",
    },
    View {
        name: "results",
        help: "What became of each step of a run on each machine.",
        columns: &[
            plain("run_id", "a.run", "The run."),
            plain("device_id", "CASE WHEN s.pooled = 1 THEN NULL ELSE a.device END", "The machine; none for a slice of addresses."),
            plain("step", "s.name", "The step."),
            plain("action", "s.action", "What it does."),
            plain("state", "a.state", "prepared, started, running, ok, error, unknown, cancelled, expired or skipped."),
            plain("attempt", "a.attempt", "How often it was tried."),
            plain("exit_code", "a.exit_code", "The exit code of the last attempt that gave one."),
            instant("started", "a.started", "When it was first handed out."),
            instant("ended", "a.ended", "When it ended."),
        ],
        from: "assignment a JOIN run_step s ON s.run = a.run AND s.step = a.step WHERE a.org = {org}",
    },
    View {
        name: "messages",
        help: "Messages that tasks raised for people.",
        columns: &[
            plain("id", "m.id", "Its id."),
            plain("level", "m.level", "info, warning or error."),
            plain("title", "m.title", "Its title."),
            plain("text", "m.text", "Its text."),
            plain("task_name", "m.task_name", "The task that raised it."),
            plain("read_by", "m.read_by", "Who read it."),
            instant("at", "m.at", "When it was raised."),
        ],
        from: "message m WHERE m.org = {org}",
    },
];

/// The views of an organization as the first of a `WITH`.
pub(crate) fn with_views(org: OrgId, now: Timestamp, postgres: bool) -> String {
    let id = if postgres { format!("'{}'::uuid", org.0) } else { format!("x'{}'", org.0.simple()) };
    // PostgreSQL does not take the view for the table; SQLite does.
    let main = if postgres { "" } else { "main." };
    let each = |view: &View| {
        let columns: Vec<String> = view.columns.iter().map(|it| format!("{} AS {}", it.text(now, postgres), it.name)).collect();
        format!("{} AS (SELECT {} FROM {})", view.name, columns.join(", "), view.from.replace("{org}", &id).replace("{main}", main))
    };
    VIEWS.iter().map(each).collect::<Vec<_>>().join(", ")
}

impl Column {
    fn text(&self, now: Timestamp, postgres: bool) -> String {
        let from = self.from;
        match (self.kind, postgres) {
            (Kind::Plain, _) => from.to_owned(),
            (Kind::Is, _) => format!("CASE WHEN {from} IS NULL THEN 0 ELSE 1 END"),
            (Kind::DaysAgo, _) => format!("({} - {from}) / 86400000", now.millis()),
            (Kind::Instant, false) => format!("strftime('%Y-%m-%dT%H:%M:%SZ', {from} / 1000, 'unixepoch')"),
            (Kind::Instant, true) => {
                format!("to_char(to_timestamp({from} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
            }
        }
    }
}
