//! The lists: where each comes from and its columns.

use super::client::Client;
use super::output::{self, Column, Form};
use clap::Args;
use serde_json::Value;

/// What every list takes.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Text to look for
    pub text: Option<String>,
    /// Only what fits, by the API's field filters; several values by comma: --filter state=running,started
    #[arg(long = "filter", value_name = "KEY=VALUE", value_parser = pair)]
    filters: Vec<(String, String)>,
    /// Field to sort by, downwards with a minus: --sort=-last_inventory
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Rows at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// All rows
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Columns of CSV and their order, by comma: -o csv --columns name,os
    #[arg(long, value_name = "NAMES")]
    columns: Option<String>,
}

impl ListArgs {
    /// Adds filters that a command has as flags of its own; those not given are left out.
    pub fn with<'a>(mut self, filters: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Self {
        self.filters.extend(filters.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
        self
    }

    fn query(&self) -> Vec<(&str, &str)> {
        let mut query: Vec<(&str, &str)> = self.filters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        query.extend(self.text.as_deref().map(|q| ("q", q)));
        query.extend(self.sort.as_deref().map(|s| ("sort", s)));
        query.extend(self.columns.as_deref().map(|c| ("columns", c)));
        query
    }
}

/// Reads `KEY=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not KEY=VALUE"))?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// A list of the API.
pub struct List {
    pub path: &'static str,
    pub columns: &'static [Column],
}

impl List {
    /// Its columns.
    pub const fn columns(&self) -> &'static [Column] {
        self.columns
    }
}

pub const DEVICES: List = List {
    path: "devices",
    columns: &[
        ("NAME", "/name"),
        ("OS", "/os"),
        ("MODEL", "/model"),
        ("SERIAL", "/serial"),
        ("AGENT", "/agent/protocol"),
        ("ONLINE", "/agent/online"),
        ("LAST INVENTORY", "/last_inventory"),
        ("VERIFIED", "/verified"),
        ("ID", "/id"),
    ],
};
pub const AGENTS: List = List {
    path: "agents",
    columns: &[
        ("DEVICE", "/device/name"),
        ("PROTOCOL", "/protocol"),
        ("VERSION", "/version"),
        ("ADDRESS", "/address"),
        ("ONLINE", "/online"),
        ("LAST CONTACT", "/last_contact"),
        ("VERIFIED", "/verified"),
        ("QUARANTINE", "/quarantine/since"),
        ("LAST WAKE", "/wake/last/outcome"),
        ("ID", "/id"),
    ],
};
pub const GROUPS: List = List {
    path: "groups",
    columns: &[
        ("NAME", "/name"),
        ("DEVICES", "/count"),
        ("KIND", "/kind"),
        ("DESCRIPTION", "/description"),
        ("UPDATED", "/updated"),
        ("ID", "/id"),
    ],
};
pub const REPORTS: List = List {
    path: "reports",
    columns: &[("NAME", "/name"), ("DESCRIPTION", "/description"), ("AUTHOR", "/author"), ("UPDATED", "/updated"), ("ID", "/id")],
};
pub const RESULTS: &[Column] = &[("AT", "/at"), ("BY", "/by"), ("ROWS", "/count"), ("MORE", "/more"), ("ID", "/id")];
pub const DUPLICATES: List = List {
    path: "duplicates",
    columns: &[
        ("POINTS", "/points"),
        ("KIND", "/kind"),
        ("DEVICE", "/devices/0/name"),
        ("OTHER", "/devices/1/name"),
        ("STATE", "/state"),
        ("WHY", "/reason/text"),
        ("SINCE", "/at"),
        ("ID", "/id"),
    ],
};
pub const ORGS: List = List { path: "orgs", columns: &[("NAME", "/name"), ("CREATED", "/created"), ("ID", "/id")] };
pub const TASKS: List = List {
    path: "tasks",
    columns: &[
        ("NAME", "/doc/name"),
        ("VERSION", "/version"),
        ("RUNS", "/runs"),
        ("LAST RUN", "/last_run/number"),
        ("STATE", "/last_run/state"),
        ("VERDICT", "/last_run/verdict"),
        ("UPDATED", "/updated"),
        ("ID", "/id"),
    ],
};
pub const ACTIONS: &[Column] = &[("TYPE", "/type"), ("SCOPE", "/scope"), ("REPEATS", "/repeats"), ("NEEDS", "/needs"), ("HELP", "/help")];
pub const CRASHES: List = List {
    path: "crashes",
    columns: &[
        ("AT", "/at"),
        ("DEVICE", "/device_name"),
        ("KIND", "/kind"),
        ("VERSION", "/version"),
        ("MESSAGE", "/message"),
        ("PLACE", "/place"),
        ("ID", "/id"),
    ],
};
pub const MESSAGES: List = List {
    path: "messages",
    columns: &[("AT", "/at"), ("LEVEL", "/level"), ("TITLE", "/title"), ("TASK", "/task"), ("READ BY", "/read/by"), ("ID", "/id")],
};
pub const APPROVALS: List = List {
    path: "approvals",
    columns: &[
        ("TASK", "/task/name"),
        ("VERSION", "/version"),
        ("MACHINES", "/count"),
        ("STATE", "/state"),
        ("ASKED BY", "/asked_by"),
        ("ASKED", "/asked"),
        ("DECIDED BY", "/decision/by"),
        ("NOTE", "/note"),
        ("ID", "/id"),
    ],
};
pub const RUNS: List = List {
    path: "runs",
    columns: &[
        ("RUN", "/number"),
        ("TASK", "/task/name"),
        ("STATE", "/state"),
        ("VERDICT", "/verdict"),
        ("TARGETS", "/targeted"),
        ("OK", "/counts/ok"),
        ("ERROR", "/counts/error"),
        ("UNKNOWN", "/counts/unknown"),
        ("CREATED", "/created"),
        ("BY", "/started_by"),
        ("ID", "/id"),
    ],
};
pub const ASSIGNMENTS: &[Column] = &[
    ("TASK", "/task/name"),
    ("STEP", "/step"),
    ("DEVICE", "/device/name"),
    ("SLICE", "/slice"),
    ("STATE", "/state"),
    ("ATTEMPT", "/attempt"),
    ("REASON", "/reason/text"),
    ("CREATED", "/created"),
    ("ID", "/id"),
];
pub const SOFTWARE: List = List {
    path: "software",
    columns: &[("NAME", "/name"), ("PUBLISHER", "/publisher"), ("VERSIONS", "/versions"), ("NEWEST", "/newest"), ("DEVICES", "/devices")],
};
pub const VERSIONS: List = List {
    path: "software/versions",
    columns: &[("NAME", "/name"), ("VERSION", "/version"), ("PUBLISHER", "/publisher"), ("ARCH", "/arch"), ("DEVICES", "/devices")],
};
pub const HOLDERS: List = List {
    path: "software/devices",
    columns: &[
        ("DEVICE", "/device/name"),
        ("OS", "/device/os"),
        ("PROGRAM", "/name"),
        ("VERSION", "/version"),
        ("ARCH", "/arch"),
        ("SINCE", "/since"),
        ("LAST INVENTORY", "/device/last_inventory"),
        ("ID", "/device/id"),
    ],
};
pub const APPEARED: List = List {
    path: "software/appeared",
    columns: &[
        ("PROGRAM", "/name"),
        ("VERSION", "/version"),
        ("PUBLISHER", "/publisher"),
        ("DEVICES", "/devices"),
        ("NEW", "/new_to_fleet"),
        ("FIRST", "/first_at"),
        ("LAST", "/last_at"),
    ],
};
pub const CHANGES: List = List {
    path: "changes",
    columns: &[
        ("AT", "/at"),
        ("DEVICE", "/device/name"),
        ("SECTION", "/section"),
        ("KIND", "/kind"),
        ("CAME", "/added_count"),
        ("WENT", "/removed_count"),
        ("SUCH AS", "/sample"),
    ],
};
pub const HISTORY: &[Column] =
    &[("AT", "/at"), ("SECTION", "/section"), ("KIND", "/kind"), ("CAME", "/added_count"), ("WENT", "/removed_count"), ("AGENT", "/agent")];
pub const QUEUE: List = List { path: "queue", columns: ASSIGNMENTS };
pub const USERS: List = List {
    path: "users",
    columns: &[
        ("NAME", "/name"),
        ("ROLE", "/role"),
        ("ORG", "/org"),
        ("LAST LOGIN", "/last_login"),
        ("DISABLED", "/disabled"),
        ("ID", "/id"),
    ],
};
pub const TOKENS: List = List {
    path: "tokens",
    columns: &[("NAME", "/name"), ("ROLE", "/role"), ("ORG", "/org"), ("LAST USED", "/last_used"), ("EXPIRES", "/expires"), ("ID", "/id")],
};
pub const JOIN_TOKENS: List = List {
    path: "join-tokens",
    columns: &[("NAME", "/name"), ("ORG", "/org"), ("USES LEFT", "/uses_left"), ("USED", "/used"), ("EXPIRES", "/expires"), ("ID", "/id")],
};
pub const AGENT_CREDENTIALS: List = List {
    path: "agent-credentials",
    columns: &[("NAME", "/name"), ("ORG", "/org"), ("VERIFIES", "/verified"), ("CREATED", "/created"), ("ID", "/id")],
};
pub const AUDIT: List = List {
    path: "audit",
    columns: &[
        ("AT", "/at"),
        ("WHO", "/actor"),
        ("DID", "/verb"),
        ("TO", "/object/kind"),
        ("NAME", "/object/name"),
        ("REQUEST", "/request_id"),
    ],
};

/// The API's greatest page.
const PAGE: usize = 1_000;

/// Shows a list.
pub async fn list(client: &Client, list: &List, args: &ListArgs, form: Form) -> anyhow::Result<()> {
    at(client, list.path, list.columns, args, form).await
}

/// Shows the list of a path.
pub async fn at(client: &Client, path: &str, columns: &[Column], args: &ListArgs, form: Form) -> anyhow::Result<()> {
    if form == Form::Csv {
        let mut query = args.query();
        query.push(("format", "csv"));
        return client.pieces(path, &query, output::bytes).await;
    }
    let wanted = if args.all { usize::MAX } else { args.limit.max(1) };
    let mut items: Vec<Value> = Vec::new();
    let mut cursor: Option<String> = None;
    let mut total = Value::Null;
    loop {
        let limit = (wanted - items.len()).min(PAGE).to_string();
        let mut query = args.query();
        query.push(("limit", limit.as_str()));
        query.extend(cursor.as_deref().map(|c| ("cursor", c)));
        let mut page = client.get(path, &query).await?;
        total = if total.is_null() { page["total"].take() } else { total };
        if let Value::Array(new) = page["items"].take() {
            items.extend(new);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() || items.len() >= wanted {
            break;
        }
    }
    let of = total.as_i64().map_or_else(String::new, |n| format!(" of {n}"));
    let rest = cursor.is_some().then(|| format!("{}{of} shown; --all shows everything, --limit N more", items.len()));
    output::items(&items, columns, rest.as_deref(), form)
}
