//! `/api/v1/…`: one module per area; each handler reads a request, calls the engine, gives a view.

mod actions;
mod agent_credentials;
mod agents;
mod approvals;
mod assignments;
mod audit;
mod brake;
mod crashes;
mod devices;
mod events;
mod groups;
mod history;
mod identity;
mod messages;
mod orgs;
mod overview;
mod queue;
mod reports;
mod runs;
mod schedules;
mod session;
mod settings;
mod software;
mod tasks;
mod tokens;
mod users;

use crate::problem::{Problem, ProblemDocument};
use crate::state::App;
use axum::http::StatusCode;
use muster_engine::Error;
use std::str::FromStr;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Info, OpenApi, Ref, ResponseBuilder, SecurityRequirement};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All operations, each route with its description.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(session::session_create, session::session_view, session::session_delete))
        .routes(routes!(session::session_password))
        .routes(routes!(overview::overview_view))
        .routes(routes!(events::event_stream))
        .routes(routes!(devices::device_list))
        .routes(routes!(devices::device_view, devices::device_update, devices::device_delete))
        .routes(routes!(devices::device_inventory))
        .routes(routes!(history::device_history))
        .routes(routes!(history::device_changes))
        .routes(routes!(devices::device_assignments))
        .routes(routes!(devices::device_book))
        .routes(routes!(groups::group_list, groups::group_create))
        .routes(routes!(groups::group_view, groups::group_update, groups::group_delete))
        .routes(routes!(groups::group_members))
        .routes(routes!(agents::agent_list))
        .routes(routes!(agents::agent_view, agents::agent_update))
        .routes(routes!(agents::agent_revoke))
        .routes(routes!(agents::agent_wakes))
        .routes(routes!(crashes::crash_list))
        .routes(routes!(crashes::crash_view))
        .routes(routes!(identity::device_identity))
        .routes(routes!(identity::device_merge))
        .routes(routes!(identity::device_split))
        .routes(routes!(identity::identity_undo))
        .routes(routes!(identity::duplicate_list))
        .routes(routes!(identity::duplicate_view))
        .routes(routes!(identity::duplicate_dismiss))
        .routes(routes!(identity::duplicate_reopen))
        .routes(routes!(history::change_list))
        .routes(routes!(software::software_list))
        .routes(routes!(software::software_versions))
        .routes(routes!(software::software_devices))
        .routes(routes!(software::software_appeared))
        .routes(routes!(agent_credentials::agent_credential_list, agent_credentials::agent_credential_create))
        .routes(routes!(agent_credentials::agent_credential_delete))
        .routes(routes!(tasks::task_list, tasks::task_create))
        .routes(routes!(tasks::task_check))
        .routes(routes!(tasks::task_forecast))
        .routes(routes!(actions::action_list))
        .routes(routes!(approvals::approval_list))
        .routes(routes!(approvals::approval_view))
        .routes(routes!(approvals::approval_ask))
        .routes(routes!(approvals::approval_approve))
        .routes(routes!(approvals::approval_reject))
        .routes(routes!(tasks::task_view, tasks::task_update, tasks::task_delete))
        .routes(routes!(tasks::task_preview))
        .routes(routes!(tasks::run_start))
        .routes(routes!(schedules::schedule_view, schedules::schedule_switch))
        .routes(routes!(schedules::occurrence_list))
        .routes(routes!(schedules::occurrence_start))
        .routes(routes!(schedules::task_approve))
        .routes(routes!(schedules::schedule_preview))
        .routes(routes!(schedules::calendar_view))
        .routes(routes!(messages::message_list))
        .routes(routes!(messages::message_read))
        .routes(routes!(reports::view_list))
        .routes(routes!(reports::report_ask))
        .routes(routes!(reports::report_list, reports::report_create))
        .routes(routes!(reports::report_view, reports::report_update, reports::report_delete))
        .routes(routes!(reports::report_run))
        .routes(routes!(reports::report_results))
        .routes(routes!(reports::report_result))
        .routes(routes!(runs::run_list))
        .routes(routes!(runs::run_view))
        .routes(routes!(runs::run_assignments))
        .routes(routes!(runs::run_targets))
        .routes(routes!(runs::run_pool))
        .routes(routes!(runs::run_retry))
        .routes(routes!(runs::run_events))
        .routes(routes!(runs::run_cancel))
        .routes(routes!(runs::run_pause))
        .routes(routes!(runs::run_resume))
        .routes(routes!(assignments::assignment_view))
        .routes(routes!(assignments::assignment_why))
        .routes(routes!(assignments::assignment_cancel))
        .routes(routes!(queue::queue_list))
        .routes(routes!(queue::queue_cancel))
        .routes(routes!(queue::queue_delay))
        .routes(routes!(queue::queue_prioritise))
        .routes(routes!(brake::brake_view, brake::brake_pull, brake::brake_release))
        .routes(routes!(users::user_list, users::user_create))
        .routes(routes!(users::user_view, users::user_update, users::user_delete))
        .routes(routes!(tokens::token_list, tokens::token_create))
        .routes(routes!(tokens::token_delete))
        .routes(routes!(tokens::join_token_list, tokens::join_token_create))
        .routes(routes!(tokens::join_token_delete))
        .routes(routes!(orgs::org_list, orgs::org_create))
        .routes(routes!(settings::settings_view, settings::settings_update))
        .routes(routes!(audit::audit_list))
}

const ABOUT: &str = "Fleet management over REST. Send `Authorization: Bearer TOKEN`, or sign in with `POST /api/v1/session` and send \
    its cookie, with `X-CSRF-Token` on writes. `Muster-Org` names the organization to act in, for callers who see several. Lists give \
    `items`, `next` (to be sent as `cursor`) and `total`. Writes take `Idempotency-Key` (POST) and `If-Match` (PATCH, PUT). Errors are \
    problem documents (RFC 9457) with a stable `type`.";

/// The document with what all operations share.
pub(crate) fn completed(mut document: OpenApi, version: &str) -> OpenApi {
    let mut info = Info::new("Muster", version);
    info.description = Some(ABOUT.to_owned());
    document.info = info;
    document.servers = None;
    let components = document.components.get_or_insert_with(Default::default);
    let mut schemas = Vec::new();
    ProblemDocument::schemas(&mut schemas);
    components.schemas.extend(schemas);
    components.schemas.insert("Problem".to_owned(), ProblemDocument::schema());
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let cookie = ApiKey::Cookie(ApiKeyValue::new(crate::auth::COOKIE));
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().for_each(complete);
    }
    document
}

fn complete(operation: &mut Operation) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let refusal = ResponseBuilder::new().description("A refusal.").content("application/problem+json", content).build();
    operation.responses.responses.insert("default".to_owned(), refusal.into());
    if operation.security.is_none() {
        let either = ["token", "session"].map(|scheme| SecurityRequirement::new::<_, [&str; 0], &str>(scheme, []));
        operation.security = Some(either.to_vec());
    }
}

/// The description of all operations, with full paths.
pub fn openapi() -> OpenApi {
    completed(routes().into_openapi(), "1")
}

/// An id of a path. A text that is none names nothing.
pub(crate) fn id<T: FromStr>(key: &'static str, what: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Error::not_found(key, what, text.chars().take(60).collect::<String>()).into())
}

/// 204.
pub(crate) const NOTHING: StatusCode = StatusCode::NO_CONTENT;

/// An instant of a body.
pub(crate) fn instant(pointer: &str, text: Option<&str>) -> Result<Option<muster_core::time::Timestamp>, Problem> {
    let read = |text: &str| {
        muster_core::time::Timestamp::parse(text)
            .ok_or_else(|| Problem::invalid(pointer, format!("'{text}' is not an RFC 3339 instant such as 2026-11-21T08:00:00Z")))
    };
    text.map(read).transpose()
}
