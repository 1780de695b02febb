//! Organizations, people, tokens, sessions, audit, idempotency keys.

use super::house::{HERE, NOW, THERE, all_pages, id, later, org, orgs, read, write};
use super::world::{World, on_all};
use crate::KeptAnswer;
use muster_core::access::{AgentCredential, AuditEntry, JoinToken, Person, Role, Token};
use muster_core::ids::{AgentCredentialId, JoinTokenId, OrgId, TokenId, UserId};
use muster_core::page::PageRequest;
use muster_core::time::Timestamp;
use serde_json::json;
use std::time::Duration;

on_all! {
    an_organization_keeps_its_name_to_itself
    settings_change_only_at_the_version_that_was_read
    a_person_is_saved_only_at_the_version_that_was_read
    only_those_who_can_sign_in_everywhere_are_admins
    people_are_listed_by_name_in_their_scope
    a_session_lives_until_its_end_and_no_longer
    all_sessions_but_one_end_together
    a_token_opens_until_it_ends_or_is_removed
    a_join_token_is_used_as_often_as_it_says
    a_credential_of_agents_is_found_by_its_name_until_it_is_removed
    the_audit_log_goes_backwards_page_by_page
    the_audit_log_of_an_organization_is_its_own
    an_answer_is_kept_for_a_day
}

fn person(n: u128, org: Option<OrgId>, name: &str) -> Person {
    Person {
        id: UserId(id(n)),
        org,
        name: name.to_owned(),
        role: Role::Admin,
        password: "phc".to_owned(),
        must_change: true,
        created: NOW,
        last_login: None,
        disabled: false,
        version: 1,
    }
}

fn an_organization_keeps_its_name_to_itself(w: &World) {
    orgs(w);
    assert!(!write(w, |tx| tx.org_insert(&org(OrgId(id(3)), "here"))));
    let found = read(w, |rx| Ok((rx.orgs()?, rx.org(HERE)?, rx.org_named("there")?, rx.org(OrgId(id(3)))?, rx.org_named("")?)));
    assert_eq!(found, (vec![org(HERE, "here"), org(THERE, "there")], Some(org(HERE, "here")), Some(org(THERE, "there")), None, None));
}

fn a_credential_of_agents_is_found_by_its_name_until_it_is_removed(w: &World) {
    orgs(w);
    let credential = |n: u128, org, name: &str| AgentCredential {
        id: AgentCredentialId(id(n)),
        org,
        name: name.to_owned(),
        secret: "phc".to_owned(),
        verified: n == 5,
        created: NOW,
    };
    let (five, six) = (credential(5, HERE, "paris"), credential(6, THERE, "rome"));
    let all = [five.clone(), six.clone()];
    write(w, move |tx| all.iter().try_for_each(|c| tx.agent_credential_insert(c)));
    assert_eq!(read(w, |rx| rx.agent_credential_named("paris")), Some(five.clone()));
    assert_eq!(read(w, |rx| Ok((rx.agent_credential(AgentCredentialId(id(6)))?, rx.agent_credential_named("Paris")?))), (Some(six), None));
    let page = PageRequest::default();
    assert_eq!(read(w, move |rx| rx.agent_credentials(HERE, &page)).items, [five]);
    let remove = |w: &World| write(w, |tx| tx.agent_credential_delete(AgentCredentialId(id(5))));
    assert_eq!((remove(w), remove(w)), (true, false));
    assert_eq!(read(w, |rx| rx.agent_credential_named("paris")), None);
}

fn settings_change_only_at_the_version_that_was_read(w: &World) {
    orgs(w);
    let mut changed = org(HERE, "here");
    changed.settings.size_guard = 7;
    let again = changed.clone();
    assert!(write(w, move |tx| tx.settings_update(&changed)));
    let stale = again.clone();
    assert!(!write(w, move |tx| tx.settings_update(&stale)));
    let found = read(w, |rx| Ok((rx.org(HERE)?.unwrap(), rx.org(THERE)?.unwrap())));
    assert_eq!((found.0.settings, found.0.settings_version), (again.settings, 2));
    assert_eq!(found.1, org(THERE, "there"));
}

fn a_person_is_saved_only_at_the_version_that_was_read(w: &World) {
    orgs(w);
    let ann = person(10, None, "ann");
    let (first, namesake) = (ann.clone(), person(11, Some(HERE), "ann"));
    assert!(write(w, move |tx| tx.person_insert(&first)));
    assert!(!write(w, move |tx| tx.person_insert(&namesake)));
    assert_eq!(read(w, |rx| rx.person_named("ann")), Some(ann.clone()));
    let changed = Person { org: Some(HERE), role: Role::Viewer, last_login: Some(later(1)), disabled: true, must_change: false, ..ann };
    let (saved, stale) = (changed.clone(), changed.clone());
    assert!(write(w, move |tx| tx.person_update(&saved)));
    assert!(!write(w, move |tx| tx.person_update(&stale)));
    assert_eq!(read(w, |rx| rx.person(UserId(id(10)))), Some(Person { version: 2, ..changed }));
    assert_eq!(write(w, |tx| Ok((tx.person_delete(UserId(id(10)))?, tx.person_delete(UserId(id(10)))?))), (true, false));
    assert_eq!(read(w, |rx| Ok((rx.person(UserId(id(10)))?, rx.person_named("ann")?))), (None, None));
}

fn only_those_who_can_sign_in_everywhere_are_admins(w: &World) {
    orgs(w);
    let off = Person { disabled: true, ..person(12, None, "off") };
    let viewer = Person { role: Role::Viewer, ..person(13, None, "viewer") };
    for p in [person(10, None, "ann"), person(11, Some(HERE), "bob"), off, viewer] {
        write(w, move |tx| tx.person_insert(&p));
    }
    assert_eq!(read(w, |rx| rx.admins()), 1);
}

fn people_are_listed_by_name_in_their_scope(w: &World) {
    orgs(w);
    for (n, org, name) in [(10, Some(HERE), "c"), (11, None, "a"), (12, Some(THERE), "b"), (13, Some(HERE), "Z")] {
        write(w, move |tx| tx.person_insert(&person(n, org, name)));
    }
    for (scope, sort, names) in
        [(None, "name", "Z a b c"), (None, "-name", "c b a Z"), (Some(HERE), "name", "Z c"), (Some(OrgId(id(9))), "name", "")]
    {
        let found: Vec<String> = all_pages(w, 1, sort, move |rx, page| rx.people(scope, page)).into_iter().map(|p| p.name).collect();
        assert_eq!(found.join(" "), names, "{scope:?} {sort}");
    }
}

fn begun(w: &World, n: u128, hash: &'static [u8], expires: Timestamp) {
    write(w, move |tx| tx.session_insert(hash, UserId(id(n)), "csrf", NOW, expires));
}

fn a_session_lives_until_its_end_and_no_longer(w: &World) {
    let ann = person(10, None, "ann");
    let p = ann.clone();
    write(w, move |tx| tx.person_insert(&p));
    begun(w, 10, b"one", later(60));
    let found = read(w, |rx| rx.session(b"one", later(59))).unwrap();
    assert_eq!((found.person.clone(), found.csrf.as_str(), found.expires), (ann.clone(), "csrf", later(60)));
    assert_eq!(read(w, |rx| Ok((rx.session(b"one", later(60))?, rx.session(b"two", NOW)?))), (None, None));
    // The next sign-in clears away what has ended.
    write(w, |tx| tx.session_insert(b"two", UserId(id(10)), "csrf", later(60), later(120)));
    assert_eq!(read(w, |rx| rx.session(b"one", NOW)), None);
    write(w, |tx| tx.session_delete(b"two"));
    assert_eq!(read(w, |rx| rx.session(b"two", NOW)), None);
    begun(w, 10, b"three", later(60));
    write(w, move |tx| tx.person_update(&Person { disabled: true, ..ann.clone() }));
    assert_eq!(read(w, |rx| rx.session(b"three", NOW)), None, "who is disabled is signed out");
    write(w, |tx| tx.person_delete(UserId(id(10))));
    assert_eq!(read(w, |rx| rx.session(b"three", NOW)), None);
}

fn all_sessions_but_one_end_together(w: &World) {
    for (n, name) in [(10, "ann"), (11, "bob")] {
        write(w, move |tx| tx.person_insert(&person(n, None, name)));
    }
    for (n, hash) in [(10, &b"a1"[..]), (10, b"a2"), (10, b"a3"), (11, b"b1")] {
        begun(w, n, hash, later(60));
    }
    let alive = |w: &World| {
        let hashes = [&b"a1"[..], b"a2", b"a3", b"b1"];
        read(w, move |rx| hashes.iter().map(|h| Ok(rx.session(h, NOW)?.is_some())).collect::<Result<Vec<_>, _>>())
    };
    write(w, |tx| tx.sessions_delete(UserId(id(10)), Some(b"a2")));
    assert_eq!(alive(w), [false, true, false, true]);
    write(w, |tx| tx.sessions_delete(UserId(id(10)), None));
    assert_eq!(alive(w), [false, false, false, true]);
}

fn a_token_opens_until_it_ends_or_is_removed(w: &World) {
    orgs(w);
    let token = |n: u128, org, expires| Token {
        id: TokenId(id(n)),
        org,
        name: format!("t{n}"),
        role: Role::Operator,
        created: NOW,
        last_used: None,
        expires,
    };
    let (ends, stays) = (token(20, Some(HERE), Some(later(60))), token(21, None, None));
    let all = [ends.clone(), stays.clone()];
    write(w, move |tx| all.iter().try_for_each(|t| tx.token_insert(t, t.name.as_bytes())));
    let found = read(w, |rx| Ok((rx.token_of(b"t20", later(59))?, rx.token_of(b"t20", later(60))?, rx.token_of(b"t21", later(9_999))?)));
    assert_eq!(found, (Some(ends.clone()), None, Some(stays.clone())));
    write(w, |tx| tx.token_used(TokenId(id(20)), later(5)));
    assert_eq!(read(w, |rx| rx.token(TokenId(id(20)))), Some(Token { last_used: Some(later(5)), ..ends }));
    let names = |scope| all_pages(w, 1, "name", move |rx, p| rx.tokens(scope, p)).iter().map(|t| t.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(None), names(Some(HERE)), names(Some(THERE))), (vec!["t20".into(), "t21".into()], vec!["t20".into()], vec![]));
    assert_eq!(write(w, |tx| Ok((tx.token_delete(TokenId(id(21)))?, tx.token_delete(TokenId(id(21)))?))), (true, false));
    assert_eq!(read(w, |rx| rx.token_of(b"t21", NOW)), None);
}

fn a_join_token_is_used_as_often_as_it_says(w: &World) {
    orgs(w);
    let token = |n: u128, uses_left, expires| JoinToken {
        id: JoinTokenId(id(n)),
        org: HERE,
        name: format!("j{n}"),
        uses_left,
        used: 0,
        verified: n == 30,
        group: None,
        created: NOW,
        expires,
    };
    let all = [token(30, Some(2), Some(later(60))), token(31, None, None), token(32, Some(0), None)];
    let made = all.clone();
    write(w, move |tx| made.iter().try_for_each(|t| tx.join_token_insert(t, t.name.as_bytes())));
    assert_eq!(all_pages(w, 2, "name", |rx, p| rx.join_tokens(HERE, p)), all);
    assert_eq!(all_pages(w, 2, "name", |rx, p| rx.join_tokens(THERE, p)), []);
    let used = |hash: &'static [u8], at| write(w, move |tx| tx.join_token_use(hash, at));
    assert_eq!(used(b"j30", later(60)), None, "over");
    assert_eq!(used(b"j30", NOW).map(|t| (t.uses_left, t.used, t.verified)), Some((Some(1), 1, true)));
    assert_eq!(used(b"j30", NOW).map(|t| (t.uses_left, t.used)), Some((Some(0), 2)));
    assert_eq!(used(b"j30", NOW), None, "used up");
    assert_eq!(used(b"j31", NOW).map(|t| (t.uses_left, t.used)), Some((None, 1)));
    assert_eq!((used(b"j32", NOW), used(b"nobody", NOW)), (None, None));
    assert_eq!(read(w, |rx| rx.join_token(JoinTokenId(id(30)))).map(|t| t.used), Some(2), "a refused use counts nothing");
    assert!(write(w, |tx| tx.join_token_delete(JoinTokenId(id(31)))));
    assert_eq!((read(w, |rx| rx.join_token(JoinTokenId(id(31)))), used(b"j31", NOW)), (None, None));
}

fn entry(n: u128, actor: &str, verb: &str) -> AuditEntry {
    AuditEntry {
        id: id(n),
        at: NOW,
        actor: actor.to_owned(),
        verb: verb.to_owned(),
        object_kind: "device".to_owned(),
        object_id: Some(id(n + 1)),
        object_name: "pc".to_owned(),
        before: None,
        after: Some(json!({"name": "ü"})),
        request: "r".to_owned(),
    }
}

fn the_audit_log_goes_backwards_page_by_page(w: &World) {
    orgs(w);
    write(w, |tx| (1..=7).try_for_each(|n| tx.audit_insert(Some(HERE), &entry(n, "ann", "device_update"))));
    for sort in ["-at", "at"] {
        let found = all_pages(w, 2, sort, |rx, page| rx.audit(HERE, false, None, None, page));
        assert_eq!(found, (1..=7).rev().map(|n| entry(n, "ann", "device_update")).collect::<Vec<_>>(), "{sort}");
    }
}

fn the_audit_log_of_an_organization_is_its_own(w: &World) {
    orgs(w);
    write(w, |tx| {
        tx.audit_insert(Some(HERE), &entry(1, "ann", "device_update"))?;
        tx.audit_insert(Some(THERE), &entry(2, "ann", "device_update"))?;
        tx.audit_insert(None, &entry(3, "ann", "user_create"))?;
        tx.audit_insert(Some(HERE), &entry(4, "bob", "device_delete"))
    });
    let seen = |org, house, actor, verb| {
        let page = read(w, move |rx| rx.audit(org, house, actor, verb, &PageRequest::default()));
        page.items.iter().map(|e| e.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!((seen(HERE, true, None, None), seen(HERE, false, None, None)), (vec![4, 3, 1], vec![4, 1]));
    assert_eq!((seen(THERE, true, None, None), seen(THERE, false, None, None)), (vec![3, 2], vec![2]));
    assert_eq!(seen(HERE, true, Some("ann"), None), [3, 1]);
    assert_eq!(seen(HERE, true, Some("ann"), Some("device_update")), [1]);
}

fn an_answer_is_kept_for_a_day(w: &World) {
    let answer = KeptAnswer { request: vec![1, 2], status: 201, body: "{}".to_owned() };
    let kept = answer.clone();
    write(w, move |tx| tx.answer_keep("ann", "k", &kept, NOW));
    let found = read(w, |rx| Ok((rx.kept_answer("ann", "k")?, rx.kept_answer("bob", "k")?, rx.kept_answer("ann", "other")?)));
    assert_eq!(found, (Some(answer.clone()), None, None));
    w.clock.advance(Duration::from_secs(86_400));
    assert_eq!(read(w, |rx| rx.kept_answer("ann", "k")), Some(answer.clone()));
    w.clock.advance(Duration::from_millis(1));
    assert_eq!(read(w, |rx| rx.kept_answer("ann", "k")), None);
    // The key can be used anew.
    let anew = KeptAnswer { status: 200, ..answer };
    let (kept, now) = (anew.clone(), NOW.plus(Duration::from_millis(86_400_001)));
    write(w, move |tx| tx.answer_keep("ann", "k", &kept, now));
    assert_eq!(read(w, |rx| rx.kept_answer("ann", "k")), Some(anew));
}
