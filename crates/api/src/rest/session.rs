//! Signing in and out, the own password.

use super::NOTHING;
use super::orgs::Names;
use crate::auth::{COOKIE, Credential, Ctx, Signed, peer, request_id};
use crate::json::Body;
use crate::metrics::SignIn as Outcome;
use crate::problem::Problem;
use crate::state::App;
use crate::view::{self, Named};
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_core::access::{Actor, Caller, Person};
use muster_engine::access::{self, NOBODY_HASH};
use muster_engine::{Cx, Error, Rx};

const WRONG: &str = "this name and password do not fit";

fn wrong() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "access/wrong-password", WRONG)
}

/// The session's cookie; without a secret, its removal.
fn cookie(app: &App, secret: Option<&str>) -> Result<HeaderValue, Problem> {
    let secure = if app.options().secure_cookies { "; Secure" } else { "" };
    let (value, age) = secret.map_or(("", "; Max-Age=0"), |secret| (secret, ""));
    HeaderValue::from_str(&format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}"))
        .map_err(|e| Problem::internal(format!("the cookie cannot be written: {e}")))
}

/// Signs in with name and password; gives the session's cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", operation_id = "session_create", security(()),
    request_body = view::SignIn, responses((status = 200, description = "Who signed in.", body = view::Me)))]
pub async fn session_create(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (id, address) = (request_id(&parts), peer(&parts));
    let given: view::SignIn = Body::from_request(Request::from_parts(parts, body), &app).await?.object()?;
    let (name, now) = (given.name.trim().to_owned(), app.engine().now());
    let (key, nobody) = (name.to_lowercase(), app.nobody(&id));
    app.sign_ins().check(&key, &address, now).inspect_err(|_| app.counters().sign_in(Outcome::Limited))?;
    let person = app.engine().read(&nobody, move |rx, _| access::login_look_up(rx, &name)).await?;
    // An unknown name takes as long as a known one.
    let hash = person.as_ref().map_or(NOBODY_HASH, |p| &p.password).to_owned();
    let fits = app.gate().matches(given.password, hash.clone()).await?;
    let Some(person) = person.filter(|_| fits) else {
        app.sign_ins().failed(&key, &address, now);
        app.counters().sign_in(Outcome::Wrong);
        return Err(wrong());
    };
    let (secret, row) = app.engine().write("session.begin", &nobody, move |tx, cx| access::session_begin(tx, cx, person.id, &hash)).await?;
    app.sign_ins().succeeded(&key, &address);
    app.counters().sign_in(Outcome::Ok);
    let caller = Caller { actor: Actor::User(row.person.id), role: row.person.role, scope: row.person.org };
    let cx = app.engine().cx(caller, &row.person.name, nobody.org, &id);
    let signed = Signed::Person { person: Box::new(row.person), csrf: row.csrf };
    let me = app.engine().read(&cx, me(&app, signed)).await?;
    Ok(([(header::SET_COOKIE, cookie(&app, Some(&secret))?)], Json(me)).into_response())
}

/// The query for who calls.
fn me(app: &App, signed: Signed) -> impl FnOnce(&mut Rx, &Cx) -> Result<view::Me, Error> + Send + 'static {
    let version = app.options().version.to_owned();
    move |rx, cx| {
        let names = Names::load(rx, cx)?;
        let orgs = access::org_list(rx, cx)?.into_iter().map(|o| Named::new(o.id, o.name)).collect();
        let (id, name, role, org) = match &signed {
            Signed::Person { person, .. } => (person.id.to_string(), &person.name, person.role, person.org),
            Signed::Token(token) => (token.id.to_string(), &token.name, token.role, token.org),
        };
        let user = view::MeUser { id, name: name.clone(), role: role.into(), org: names.of(org) };
        let (csrf, must_change_password) = match signed {
            Signed::Person { person, csrf } => (csrf, person.must_change),
            Signed::Token(_) => (String::new(), false),
        };
        Ok(view::Me { user, orgs, csrf, version, server_time: cx.now.into(), must_change_password })
    }
}

/// Shows who calls.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", operation_id = "session_view",
    responses((status = 200, description = "Who calls.", body = view::Me)))]
pub async fn session_view(ctx: Ctx) -> Result<Json<view::Me>, Problem> {
    Ok(Json(ctx.read(me(&ctx.app, ctx.signed.clone())).await?))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", operation_id = "session_delete",
    responses((status = 204, description = "The session has ended.")))]
pub async fn session_delete(ctx: Ctx) -> Result<Response, Problem> {
    if let Credential::Session(secret) = ctx.credential.clone() {
        ctx.write("session.end", move |tx, _| access::session_end(tx, &secret)).await?;
    }
    Ok((NOTHING, [(header::SET_COOKIE, cookie(&ctx.app, None)?)]).into_response())
}

fn own_person(ctx: &Ctx) -> Result<&Person, Problem> {
    match &ctx.signed {
        Signed::Person { person, .. } => Ok(person),
        Signed::Token(_) => Err(Error::denied("only people have passwords").into()),
    }
}

/// Changes the own password; all other sessions end.
#[utoipa::path(post, path = "/api/v1/session/password", tag = "session", operation_id = "session_password",
    request_body = view::PasswordChange, responses((status = 204, description = "The password is changed.")))]
pub async fn session_password(ctx: Ctx, body: Body) -> Result<StatusCode, Problem> {
    let person = own_person(&ctx)?;
    let given: view::PasswordChange = body.object()?;
    access::password_check("/new", &given.new)?;
    let (app, now, key) = (&ctx.app, ctx.now(), person.name.to_lowercase());
    app.sign_ins().check(&key, "session", now)?;
    let old = person.password.clone();
    if !app.gate().matches(given.old, old.clone()).await? {
        app.sign_ins().failed(&key, "session", now);
        return Err(Problem::invalid("/old", "this is not the password so far"));
    }
    let new = app.gate().hash(given.new).await?;
    let keep = match &ctx.credential {
        Credential::Session(secret) => Some(secret.clone()),
        Credential::Bearer(_) => None,
    };
    ctx.write("session.password", move |tx, cx| access::password_change(tx, cx, &old, &new, keep.as_deref())).await?;
    Ok(NOTHING)
}
