//! Acts on many things, done in commands that are each bounded.

use crate::auth::Ctx;
use crate::json::Body;
use crate::problem::Problem;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use muster_engine::{Cx, Error, Rx, Tx, idempotency};
use std::ops::AddAssign;

/// Checks an act, then does it piece by piece until one does nothing, and answers with the sum, as JSON. A repeated request gets
/// its answer again: that is kept with the last piece.
pub(crate) async fn in_pieces<T, N, C, P, A>(
    ctx: &Ctx,
    name: &'static str,
    body: &Body,
    check: C,
    piece: P,
    answer: A,
) -> Result<Response, Problem>
where
    C: FnOnce(&mut Rx, &Cx) -> Result<T, Error> + Send + 'static,
    P: Fn(&mut Tx, &Cx, &T, bool) -> Result<N, Error> + Clone + Send + 'static,
    A: Fn(&mut Tx, &Cx, N) -> Result<String, Error> + Clone + Send + 'static,
    T: Clone + Send + 'static,
    N: AddAssign + Copy + Default + PartialEq + Send + 'static,
{
    let once = ctx.once(&body.bytes);
    let look = once.clone();
    let looked = move |rx: &mut Rx, cx: &Cx| match look.map_or(Ok(None), |once| idempotency::kept(rx, cx, &once))? {
        Some(kept) => Ok(Err(kept)),
        None => check(rx, cx).map(Ok),
    };
    let aim = match ctx.read(looked).await? {
        Ok(aim) => aim,
        Err(kept) => return Ok(json(kept)),
    };
    let (mut done, mut first) = (N::default(), true);
    loop {
        let (aim, piece, answer, once) = (aim.clone(), piece.clone(), answer.clone(), once.clone());
        let one = move |tx: &mut Tx, cx: &Cx| {
            let some = piece(tx, cx, &aim, first)?;
            if some != N::default() {
                return Ok((some, None));
            }
            let text = answer(tx, cx, done)?;
            if let Some(once) = &once {
                idempotency::keep(tx, cx, once, 200, &text)?;
            }
            Ok((some, Some(text)))
        };
        let (some, text) = ctx.write(name, one).await?;
        if let Some(text) = text {
            return Ok(json(text));
        }
        done += some;
        first = false;
    }
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
