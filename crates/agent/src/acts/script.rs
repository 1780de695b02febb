//! Scripts: as whom, where, with what, and within which limits.

use super::cgroup::Group;
use super::process::{End, Kept, run as run_program, verdict};
use super::{Done, Ended};
use muster_core::tasks::doc::{Script, Shell};
use muster_wire::native::AttemptRef;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::process::Command;

/// What looking up a user may take.
const LOOK_UP: Duration = Duration::from_secs(10);
/// Where programs are looked for when the agent itself was not told.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Who runs a script.
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
    shell: String,
}

pub(super) async fn run(asked: &Script, attempt: AttemptRef, output: &Arc<Mutex<Kept>>, ended: Ended) -> Done {
    let (user, another) = match who(asked.user.as_deref()) {
        Ok(who) => who,
        Err(why) => return Done::error(why),
    };
    // The text stays off the command line, where everybody on the machine could read it; the file goes with the directory.
    let file = match file(asked, &user) {
        Ok(file) => file,
        Err(e) => return Done::error(format!("the script could not be written: {e}")),
    };
    let (group, unlimited) = match Group::new(attempt, asked.memory_mib, asked.cpu_percent) {
        Ok(group) => (group, None),
        Err(why) => (None, Some(format!("it ran without its limits, which this machine cannot keep: {why}"))),
    };
    let mut line = Vec::new();
    if another {
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        line.extend(["setpriv", "--reuid", &uid, "--regid", &gid, "--init-groups"].map(str::to_owned));
    }
    line.extend(interpreter(asked.shell).iter().map(|word| (*word).to_owned()));
    line.push(file.1.to_string_lossy().into_owned());
    line.extend(asked.arguments.iter().cloned());
    let mut command = group.as_ref().map_or_else(
        || {
            let mut command = Command::new(&line[0]);
            command.args(&line[1..]);
            command
        },
        |group| group.command(&line),
    );
    command.env_clear().envs(surroundings(&user, attempt)).envs(&asked.environment);
    match directory(asked.directory.as_deref(), &user) {
        Ok(directory) => command.current_dir(directory),
        Err(why) => return Done::error(why),
    };
    let end = run_program(command, output, ended).await;
    if let (Some(group), Ok(End::Stopped(_))) = (&group, &end) {
        group.kill();
    }
    let mut done = verdict(end, &asked.expect, output);
    let starved = group.is_some_and(Group::end).then(|| format!("it needed more than its {} MiB", asked.memory_mib.unwrap_or_default()));
    let said: Vec<String> = [done.message.take(), starved, unlimited].into_iter().flatten().collect();
    done.message = (!said.is_empty()).then(|| said.join("; "));
    done
}

/// The user, and whether that is another one than the agent's own.
fn who(asked: Option<&str>) -> Result<(User, bool), String> {
    let own = rustix::process::geteuid().as_raw();
    let user = match asked {
        Some(name) => passwd(name).ok_or_else(|| format!("this machine has no user '{name}'"))?,
        None => passwd(&own.to_string()).unwrap_or_else(|| User {
            name: own.to_string(),
            uid: own,
            gid: rustix::process::getegid().as_raw(),
            home: PathBuf::from("/"),
            shell: "/bin/sh".to_owned(),
        }),
    };
    let another = user.uid != own;
    if another && own != 0 {
        return Err(format!("only root can run a script as '{}'; this agent does not run as root", user.name));
    }
    Ok((user, another))
}

/// A user by name or number, as the machine knows it: `getent` asks directories too, the file is there without it.
fn passwd(who: &str) -> Option<User> {
    let told = crate::collect::run("getent", &["passwd", "--", who], LOOK_UP).ok();
    let text = told.or_else(|| std::fs::read_to_string("/etc/passwd").ok())?;
    text.lines().filter_map(passwd_line).find(|user| user.name == who || user.uid.to_string() == who)
}

fn passwd_line(line: &str) -> Option<User> {
    let parts: Vec<&str> = line.trim_end().split(':').collect();
    let [name, _, uid, gid, _, home, shell] = parts[..] else { return None };
    Some(User { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into(), shell: shell.to_owned() })
}

fn interpreter(shell: Shell) -> &'static [&'static str] {
    match shell {
        Shell::Sh => &["sh"],
        Shell::Bash => &["bash"],
        Shell::Python => &["python3"],
        Shell::Powershell => &["pwsh", "-NoLogo", "-NoProfile", "-NonInteractive", "-File"],
    }
}

/// The script in a directory of its own that its user alone can enter.
fn file(asked: &Script, user: &User) -> std::io::Result<(tempfile::TempDir, PathBuf)> {
    use std::io::Write as _;
    let dir = tempfile::Builder::new().prefix("muster-").permissions(std::fs::Permissions::from_mode(0o700)).tempdir()?;
    let extension = match asked.shell {
        Shell::Sh | Shell::Bash => "sh",
        Shell::Python => "py",
        Shell::Powershell => "ps1",
    };
    let path = dir.path().join(format!("script.{extension}"));
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o500).open(&path)?;
    file.write_all(asked.script.as_bytes())?;
    if user.uid != rustix::process::geteuid().as_raw() {
        chown(&path, Some(user.uid), Some(user.gid))?;
        chown(dir.path(), Some(user.uid), Some(user.gid))?;
    }
    Ok((dir, path))
}

/// What a script finds; nothing of the agent's own environment, which may hold what is not for it.
fn surroundings(user: &User, attempt: AttemptRef) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", std::env::var("PATH").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| PATH.to_owned())),
        ("HOME", user.home.to_string_lossy().into_owned()),
        ("USER", user.name.clone()),
        ("LOGNAME", user.name.clone()),
        ("SHELL", user.shell.clone()),
        ("LANG", "C.UTF-8".to_owned()),
        ("MUSTER_ASSIGNMENT", attempt.assignment.to_string()),
        ("MUSTER_ATTEMPT", attempt.attempt.to_string()),
    ]
}

fn directory(asked: Option<&str>, user: &User) -> Result<PathBuf, String> {
    match asked {
        Some(path) if Path::new(path).is_dir() => Ok(path.into()),
        Some(path) => Err(format!("'{path}' is no directory on this machine")),
        None if user.home.is_dir() => Ok(user.home.clone()),
        None => Ok("/".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_wire::native::ReportState;
    use std::collections::BTreeMap;

    fn attempt() -> AttemptRef {
        AttemptRef { assignment: "0198c0de-0000-7000-8000-000000000002".parse().expect("id"), attempt: 7 }
    }

    async fn done(asked: Script) -> Done {
        run(&asked, attempt(), &Arc::default(), Box::pin(std::future::pending())).await
    }

    fn script(text: &str) -> Script {
        Script { script: text.to_owned(), ..Script::default() }
    }

    #[tokio::test]
    async fn a_script_has_its_arguments_environment_and_directory_and_nothing_of_the_agents() {
        let environment = BTreeMap::from([("COLOUR".to_owned(), "a b".to_owned())]);
        let text = "echo \"$1|$2|$COLOUR|$PWD|$MUSTER_ATTEMPT|${CARGO_PKG_NAME-none}|$LANG\"";
        let arguments = vec!["one".to_owned(), "-n $(two)".to_owned()];
        let done = done(Script { arguments, environment, directory: Some("/usr".to_owned()), ..script(text) }).await;
        assert_eq!(done.output.as_deref(), Some("one|-n $(two)|a b|/usr|7|none|C.UTF-8\n"), "{done:?}");
        assert_eq!((done.state, done.exit_code), (ReportState::Ok, Some(0)));
    }

    #[tokio::test]
    async fn bash_and_python_read_their_own() {
        let bash = done(Script { shell: Shell::Bash, ..script("a=(1 2 3); echo ${#a[@]}") }).await;
        assert_eq!(bash.output.as_deref(), Some("3\n"), "{bash:?}");
        let python =
            done(Script { shell: Shell::Python, arguments: vec!["x".to_owned()], ..script("import sys\nprint(sys.argv[1] * 3)") }).await;
        assert_eq!(python.output.as_deref(), Some("xxx\n"), "python3 is needed: {python:?}");
    }

    #[tokio::test]
    async fn the_script_is_gone_afterwards_and_was_never_on_a_command_line() {
        let done = done(script("echo $0; tr '\\0' ' ' < /proc/$$/cmdline; # a secret")).await;
        let output = done.output.expect("output");
        let path = output.lines().next().expect("a path");
        assert!(!Path::new(path).exists() && !output.contains("secret"), "{output}");
    }

    #[tokio::test]
    async fn what_a_script_needs_and_is_not_there_is_told() {
        let user = done(Script { user: Some("nobody-of-that-name".to_owned()), ..script("true") }).await;
        assert_eq!(user.message.as_deref(), Some("this machine has no user 'nobody-of-that-name'"));
        let place = done(Script { directory: Some("/not/here".to_owned()), ..script("true") }).await;
        assert_eq!(place.message.as_deref(), Some("'/not/here' is no directory on this machine"));
    }

    #[tokio::test]
    async fn limits_are_kept_or_it_is_said_that_they_are_not() {
        let hungry = "python3 -c 'x = bytearray(300 << 20); print(len(x))'";
        let done = done(Script { memory_mib: Some(64), cpu_percent: Some(50), ..script(hungry) }).await;
        let said = done.message.clone().unwrap_or_default();
        let kept = done.state == ReportState::Error && said.contains("more than its 64 MiB");
        assert!(kept || (done.state == ReportState::Ok && said.contains("without its limits")), "{done:?}");
    }

    #[test]
    fn users_are_read_from_the_lines_of_passwd() {
        let user = passwd_line("www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin").expect("a user");
        assert_eq!((user.uid, user.gid, user.home.to_str()), (33, 33, Some("/var/www")));
        assert_eq!(passwd_line("broken:x"), None);
        assert_eq!(passwd("0").map(|user| user.name), Some("root".to_owned()));
        assert_eq!(passwd("root").map(|user| user.uid), Some(0));
    }
}
