use super::*;

fn resolve(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Result<Config, Problems> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let flags = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
    Config::resolve(Some(("muster.toml", file)), environment, &flags)
}

fn problems(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Vec<String> {
    resolve(file, environment, flags).expect_err("has problems").0
}

#[test]
fn flags_beat_the_environment_beats_the_file_beats_the_default() {
    let file = "listen = \"127.0.0.1:1\"";
    let variable: &[_] = &[("MUSTER_LISTEN", "127.0.0.1:2")];
    for (file, variables, flags, port) in [
        ("", &[][..], &[][..], 8350),
        (file, &[], &[], 1),
        (file, variable, &[], 2),
        (file, variable, &[("listen", "127.0.0.1:3")], 3),
        ("", &[], &[("listen", "localhost:4")], 4),
    ] {
        assert_eq!(resolve(file, variables, flags).expect("valid").listen.port(), port);
    }
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_known_one() {
    for (file, environment, place, hint) in [
        ("lisen = \"x\"", &[][..], "muster.toml, key 'lisen'", "'listen'"),
        ("max_conections = 4", &[], "muster.toml, key 'max_conections'", "'max_connections'"),
        ("", &[("MUSTER_DATABSE", "x")], "variable MUSTER_DATABSE", "MUSTER_DATABASE"),
        ("", &[("MUSTER_TOKN", "x")], "variable MUSTER_TOKN", "MUSTER_TOKEN"),
    ] {
        let found = problems(file, environment, &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(place) && found[0].contains(&format!("did you mean {hint}?")), "{}", found[0]);
    }
}

#[test]
fn variables_of_other_programs_are_left_alone() {
    let set = [("MUSTER_AGENT_SERVER", "x"), ("MUSTER_TOKEN", "x"), ("MUSTER_SERVER", "x"), ("PATH", "x")];
    assert!(resolve("", &set, &[]).is_ok());
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(
        "listen = 5\nlog_format = \"xml\"\nnonsense_of_mine = 1",
        &[("MUSTER_MAX_CONNECTIONS", "0")],
        &[("database", "mysql://x"), ("header_timeout", "5")],
    );
    assert_eq!(found.len(), 6, "{found:?}");
    for part in ["key 'listen'", "key 'log_format'", "nonsense_of_mine", "MUSTER_MAX_CONNECTIONS", "--database", "--header-timeout"] {
        assert!(found.iter().any(|p| p.contains(part)), "{part}: {found:?}");
    }
    assert!(problems("listen = ", &[], &[])[0].starts_with("muster.toml, line 1"));
}

#[test]
fn loopback_is_plain_and_the_rest_is_encrypted_unless_asked_otherwise() {
    for (file, plain) in [
        ("", true),
        ("listen = \"[::1]:0\"", true),
        ("tls = true", false),
        ("listen = \"0.0.0.0:8350\"", false),
        ("listen = \"0.0.0.0:8350\"\nplain_http = true", true),
        ("tls_cert = \"a\"\ntls_key = \"b\"", false),
    ] {
        assert_eq!(resolve(file, &[], &[]).expect(file).protection == Protection::Plain, plain, "{file}");
    }
    for (file, part) in [
        ("tls = true\nplain_http = true", "exclude each other"),
        ("tls_cert = \"a\"", "tls_key is missing"),
        ("tls_key = \"a\"", "tls_cert is missing"),
        ("listen = \"0.0.0.0:1\"\ntls = false", "plain_http = true"),
    ] {
        assert!(problems(file, &[], &[])[0].contains(part), "{file}");
    }
}

#[test]
fn sizes_are_read_with_their_unit_and_limits_that_cannot_hold_together_are_problems() {
    let doors = resolve("max_body = \"2MiB\"\nmax_connections = 10", &[("MUSTER_MIN_BODY_RATE", "512B")], &[]).expect("valid").doors;
    assert_eq!((doors.body, doors.body_rate, doors.connections_per_source), (2 << 20, 512, 5));
    for (file, part) in [
        ("max_body = \"17MB\"", "such as 64KiB"),
        ("max_body = 5", "in quotes"),
        ("max_body = \"25MiB\"", "muster.toml, key 'max_body': 25MiB is more than 20MiB"),
        ("max_inflated = \"65MiB\"\nmax_in_flight = \"1GiB\"", "more than 64MiB"),
        ("max_inflated = \"32MiB\"", "may take 256MiB"),
        ("max_in_flight = \"63MiB\"", "may take 64MiB"),
    ] {
        let found = problems(file, &[], &[]);
        assert!(found.len() == 1 && found[0].contains(part), "{file}: {found:?}");
    }
}

#[test]
fn a_mail_server_and_a_sender_belong_together_and_a_password_is_encrypted() {
    let both = "smtp = \"smtps://muster:secret@mail\"\nmail_from = \"Muster <muster@example.org>\"";
    let config = resolve(both, &[], &[]).expect("valid");
    assert!(config.mail.is_some() && config.show().contains("smtps://muster:***@mail"), "{}", config.show());
    for (file, part) in [
        ("smtp = \"smtps://mail\"", "mail_from is missing"),
        ("mail_from = \"muster@example.org\"", "smtp is missing"),
        ("smtp = \"mail:25\"\nmail_from = \"a@b.example\"", "must begin with smtps://"),
        ("smtp = \"smtp://muster:secret@mail\"\nmail_from = \"a@b.example\"", "a password needs encryption"),
        ("smtp = \"smtp://mail\"\nmail_from = \"nobody\"", "not a mail address"),
    ] {
        let found = problems(file, &[], &[]);
        assert!(found.iter().any(|p| p.contains(part)), "{file}: {found:?}");
        assert!(!found.iter().any(|p| p.contains("secret")), "{found:?}");
    }
}

#[test]
fn every_key_is_in_the_manual_with_its_default() {
    let manual = include_str!("../../../../docs/configuration.md");
    for key in KEYS {
        let row = manual.lines().find(|line| line.starts_with(&format!("| `{}` | `{}`", key.name, variable(key.name))));
        assert!(row.is_some(), "docs/configuration.md has no row for '{}'", key.name);
        let is_plain = matches!(key.kind, value::Kind::Size | value::Kind::Duration);
        assert!(
            !is_plain || row.is_some_and(|r| r.contains(&format!("`{}`", key.default))),
            "{}: the manual tells another default",
            key.name
        );
    }
}

#[test]
fn the_shown_configuration_hides_passwords_and_reads_back_as_itself() {
    let file =
        "database = \"postgres://muster:secret@db/muster?sslmode=disable&password=secret\"\ndata = \"/tmp/d\"\nheader_timeout = \"5s\"";
    let shown = resolve(file, &[], &[]).expect("valid").show();
    assert!(!shown.contains("secret") && shown.contains("postgres://muster:***@db/muster?sslmode=disable&password=***"), "{shown}");
    let again = resolve(&shown, &[], &[]).expect("reads back");
    assert_eq!(again.show(), shown);
    assert_eq!((again.keys, again.header_timeout), (PathBuf::from("/tmp/d/keys"), Duration::from_secs(5)));
}
