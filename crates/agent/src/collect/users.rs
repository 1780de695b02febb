//! The sections `users` (who is logged in), `local_users` and `local_groups`.

use super::machine::{Fields, Machine};
use muster_core::inventory::Row;
use muster_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of one record of `utmp` and `wtmp` (`utmp(5)`, the form that 32- and 64-bit programs share).
const RECORD: usize = 384;
/// A record of this kind is somebody's session.
const USER_PROCESS: i16 = 7;
/// How much of the end of `wtmp` is read for the last login, bytes.
const TAIL_BYTES: u64 = 256 << 10;

/// A session of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// Login name.
    pub user: String,
    /// When it began.
    pub at: Option<Timestamp>,
}

/// Who is logged in now, oldest first. Systems without `utmp` tell through their login manager's files.
pub(crate) fn sessions(machine: &Machine) -> Vec<Session> {
    let records = ["run/utmp", "var/run/utmp"].into_iter().find_map(|file| machine.bytes(file)).unwrap_or_default();
    let mut found = records_of(&records);
    if found.is_empty() {
        let names = machine.list("run/systemd/sessions");
        found = names.iter().filter_map(|name| managed(&machine.text(&format!("run/systemd/sessions/{name}"))?)).collect();
    }
    found
}

/// Who logged in last, also when nobody is there now.
pub(crate) fn last(machine: &Machine, now: &[Session]) -> Option<Session> {
    let past = machine.tail("var/log/wtmp", TAIL_BYTES, RECORD as u64).unwrap_or_default();
    records_of(&past).into_iter().chain(now.iter().cloned()).max_by_key(|session| session.at)
}

/// The section `users`: each login name once.
pub(crate) fn logged_in(sessions: &[Session]) -> Vec<Row> {
    let mut names: Vec<&str> = sessions.iter().map(|session| session.user.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| Fields::default().text("login", Some(name)).row()).collect()
}

/// Sessions in the bytes of `utmp` or `wtmp`.
fn records_of(bytes: &[u8]) -> Vec<Session> {
    bytes.chunks_exact(RECORD).filter_map(record).collect()
}

fn record(bytes: &[u8]) -> Option<Session> {
    let kind = i16::from_ne_bytes(bytes.get(0..2)?.try_into().ok()?);
    let user = String::from_utf8_lossy(bytes.get(44..76)?.split(|b| *b == 0).next()?).into_owned();
    let seconds = i32::from_ne_bytes(bytes.get(340..344)?.try_into().ok()?);
    (kind == USER_PROCESS && !user.is_empty()).then(|| Session { user, at: Some(Timestamp::from_seconds(i64::from(seconds))) })
}

/// A session file of systemd's login manager.
fn managed(text: &str) -> Option<Session> {
    let field = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let at = field("REALTIME").and_then(|micros| micros.parse::<i64>().ok()).map(|micros| Timestamp(micros / 1000));
    (field("CLASS") == Some("user")).then_some(())?;
    Some(Session { user: field("USER")?.to_owned(), at })
}

/// The section `local_users`.
pub(crate) fn local_users(passwd: &str) -> Vec<Row> {
    let row = |line: &str| {
        let [login, _, id, _, gecos, home, shell] = line.split(':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let fields = Fields::default().text("login", Some(login)).text("id", id.parse::<u32>().ok().map(|id| id.to_string()));
        let fields = fields.text("name", gecos.split(',').next()).text("home", Some(home)).text("shell", Some(shell));
        Some(fields.row()).filter(|row| row.contains_key("id") && row.contains_key("login"))
    };
    passwd.lines().filter_map(row).collect()
}

/// The section `local_groups`.
pub(crate) fn local_groups(group: &str) -> Vec<Row> {
    let row = |line: &str| {
        let [name, _, id, members] = line.split(':').collect::<Vec<_>>()[..] else {
            return None;
        };
        let members: Vec<Value> = members.split(',').filter(|name| !name.is_empty()).map(Value::from).collect();
        let fields = Fields::default().text("name", Some(name)).text("id", id.parse::<u32>().ok().map(|id| id.to_string()));
        let fields = fields.json("members", (!members.is_empty()).then_some(Value::Array(members)));
        Some(fields.row()).filter(|row| row.contains_key("id") && row.contains_key("name"))
    };
    group.lines().filter_map(row).collect()
}

/// User number → login name.
pub(crate) fn names(passwd: &str) -> BTreeMap<u32, String> {
    let pair = |line: &str| {
        let mut parts = line.split(':');
        let (name, id) = (parts.next()?, parts.nth(1)?);
        Some((id.parse().ok()?, name.to_owned()))
    };
    passwd.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn utmp(kind: i16, user: &str, at: i32) -> Vec<u8> {
        let mut bytes = vec![0; RECORD];
        bytes[0..2].copy_from_slice(&kind.to_ne_bytes());
        bytes[44..44 + user.len()].copy_from_slice(user.as_bytes());
        bytes[340..344].copy_from_slice(&at.to_ne_bytes());
        bytes
    }

    #[test]
    fn sessions_are_the_user_records_and_a_torn_one_is_left_out() {
        let mut bytes = [utmp(2, "reboot", 1), utmp(7, "ann", 5), utmp(7, "bob", 3), utmp(8, "", 9), utmp(7, "ann", 2)].concat();
        bytes.extend_from_slice(&[7; 100]);
        let found = records_of(&bytes);
        assert_eq!(found.iter().map(|s| s.user.as_str()).collect::<Vec<_>>(), ["ann", "bob", "ann"]);
        assert_eq!(json!(logged_in(&found)), json!([{"login": "ann"}, {"login": "bob"}]));
        let last = last(&Machine::at("/not/here"), &found).expect("somebody");
        assert_eq!((last.user.as_str(), last.at), ("ann", Some(Timestamp::from_seconds(5))));
    }

    #[test]
    fn the_login_manager_knows_sessions_too() {
        let session = managed("UID=1\nUSER=ann\nCLASS=user\nREALTIME=5000000\n").expect("session");
        assert_eq!((session.user.as_str(), session.at), ("ann", Some(Timestamp::from_seconds(5))));
        assert_eq!(managed("USER=gdm\nCLASS=greeter\n"), None);
    }

    #[test]
    fn accounts_and_groups_are_read() {
        let passwd = "ann:x:1000:1000:Ann Example,,,:/home/ann:/bin/sh\nodd\nbad:x:no:1::/:/\n";
        let expected = json!([{"login": "ann", "id": "1000", "name": "Ann Example", "home": "/home/ann", "shell": "/bin/sh"}]);
        assert_eq!(json!(local_users(passwd)), expected);
        assert_eq!(names(passwd), BTreeMap::from([(1000, "ann".to_owned())]));
        let groups = local_groups("wheel:x:10:ann,bob\nempty:x:11:\nodd:x\n");
        assert_eq!(json!(groups), json!([{"name": "wheel", "id": "10", "members": ["ann", "bob"]}, {"name": "empty", "id": "11"}]));
    }
}
