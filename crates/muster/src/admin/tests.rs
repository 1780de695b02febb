use super::*;
use crate::open::take_data;

fn config(data: &std::path::Path) -> Config {
    Config::resolve(None, [], &vec![("data", data.display().to_string())]).expect("valid")
}

#[test]
fn people_and_tokens_are_added_while_a_server_has_the_database_open() {
    let place = tempfile::tempdir().expect("a directory");
    let config = config(place.path());
    let server = open(&config).expect("open");
    let lock = take_data(&config).expect("taken");
    let password = add_user(&config, "ada", Role::Admin, None, None).expect("added").expect("made up");
    let person = server.engine.read_now(&here(&server), |rx, _| access::login_look_up(rx, "ada")).expect("read").expect("there");
    assert!(access::password_matches(&password, &person.password) && person.must_change && person.org.is_none());
    assert_eq!(add_user(&config, "bob", Role::Viewer, Some("default"), Some("long enough it is".into())).expect("added"), None);
    let token = create_token(&config, "ci", Role::Operator, None, None).expect("made");
    let (caller, _) = server.engine.read_now(&here(&server), move |rx, _| access::token_view(rx, &token)).expect("read").expect("known");
    assert_eq!((caller.role, caller.scope), (Role::Operator, None));
    let wanted = Joining { name: "site".into(), uses: Some(2), verified: true, group: None, expires_in: None };
    assert!(create_join_token(&config, None, wanted).expect("made").starts_with("mjoin_"));
    drop(lock);
}

#[test]
fn what_cannot_be_added_says_why() {
    let place = tempfile::tempdir().expect("a directory");
    let config = config(place.path());
    let told = |result: anyhow::Result<Option<String>>| format!("{:#}", result.expect_err("refused"));
    assert!(told(add_user(&config, "ada", Role::Admin, Some("nowhere"), None)).contains("no organization nowhere"));
    assert!(told(add_user(&config, "ada", Role::Admin, None, Some("short".into()))).contains("10"));
    add_user(&config, "ada", Role::Admin, None, None).expect("added");
    assert!(told(add_user(&config, "ada", Role::Admin, None, None)).contains("already"));
}

#[test]
fn a_backup_taken_while_open_is_restored_with_all_that_is_in_it() {
    let (old, new) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (source, target) = (config(old.path()), config(new.path()));
    let file = old.path().join("copy.db");
    add_user(&source, "ada", Role::Admin, None, None).expect("added");
    let server = open(&source).expect("open");
    copy::backup(&source, &file).expect("copied");
    drop(server);
    copy::restore(&target, &file, false).expect("restored");
    let restored = open(&target).expect("open");
    assert!(restored.engine.read_now(&here(&restored), |rx, _| access::login_look_up(rx, "ada")).expect("read").is_some());
    assert_eq!(check::check(&restored).expect("checked"), Vec::<String>::new());
    drop(restored);
    assert!(format!("{:#}", copy::restore(&target, &file, false).expect_err("refused")).contains("--force"));
    copy::restore(&target, &file, true).expect("replaced");
}

#[test]
fn nothing_is_restored_under_a_server_or_from_rubbish() {
    let place = tempfile::tempdir().expect("a directory");
    let config = config(&place.path().join("data"));
    let rubbish = place.path().join("rubbish");
    std::fs::write(&rubbish, b"not a database at all").expect("written");
    let lock = take_data(&config).expect("taken");
    assert!(format!("{:#}", copy::restore(&config, &rubbish, true).expect_err("refused")).contains("stop it first"));
    drop(lock);
    assert!(format!("{:#}", copy::restore(&config, &rubbish, true).expect_err("refused")).contains("no backup of Muster"));
    assert!(!config.database_file().exists());
    assert!(format!("{:#}", existing(&config).err().expect("refused")).contains("there is no database"));
}
