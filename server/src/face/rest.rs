//! `/rest/`: blocks, headers, transactions and unspent outputs by plain GET, as Bitcoin Core has it.

use std::collections::BTreeSet;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bllvm_ipc::types::{BlockHash, HeadersRequest, Txid, UtxoRequest};
use serde_json::{Value, json};

use super::Face;
use super::chain::{around, block_json, hash_at, header_of, info, raw_block};
use super::error::{NO_MEMPOOL, NOT_FOUND, Outcome, PARAMETER, Refusal, WARMUP};
use super::mempool::{all_ids, find_transaction, transaction_json};
use super::message::Params;
use super::params::Args;
use super::rpc::{bound, forbidden, unauthorized};
use super::{mempool, methods, render, script};
use crate::api::auth::{Caller, Kind};
use crate::model::{Id, Scope};

/// Headers of one answer.
const MAX_HEADERS: u32 = 2000;
/// Unspent outputs of one answer.
const MAX_OUTPUTS: usize = 15;

/// The form of an answer, by the path's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bin,
    Hex,
    Json,
}

/// Answers a path below `/rest/`.
pub(super) async fn get(
    State(face): State<Face>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (parts, _) = request.into_parts();
    let caller = match face.0.api.auth.by_password(&parts).await {
        Ok(caller) if caller.modules().is_some() => return bound(),
        Ok(caller) if !caller.may(Scope::NodeRead) => return forbidden("/rest/", Scope::NodeRead),
        Ok(caller) => caller,
        Err(_) if face.0.open_rest => anybody(),
        Err(refused) => return unauthorized(&refused),
    };
    let Ok(_place) = face.0.in_line.try_acquire() else {
        let text = "Work queue depth exceeded";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let _working = face.0.at_work.acquire().await;
    match answer(&face, &caller, &path, &query).await {
        Ok(response) => response,
        Err(refusal) => refuse(&refusal),
    }
}

/// Nobody in particular, who may read and nothing else.
fn anybody() -> Caller {
    let kind = Kind::Token {
        id: Id(ulid::Ulid::nil()),
        scopes: [Scope::NodeRead].into(),
        modules: BTreeSet::new(),
    };
    Caller::new(kind, None)
}

fn refuse(refusal: &Refusal) -> Response {
    let status = match refusal.code {
        NOT_FOUND | NO_MEMPOOL => StatusCode::NOT_FOUND,
        PARAMETER => StatusCode::BAD_REQUEST,
        WARMUP => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, format!("{}\r\n", refusal.message)).into_response()
}

fn bad(text: String) -> Refusal {
    Refusal::new(PARAMETER, text)
}

async fn answer(face: &Face, caller: &Caller, path: &str, query: &str) -> Outcome<Response> {
    let (path, form) = match path.rsplit_once('.') {
        Some((path, "bin")) => (path, Form::Bin),
        Some((path, "hex")) => (path, Form::Hex),
        Some((path, "json")) => (path, Form::Json),
        _ => {
            let text = "output format not found (available: .bin, .hex, .json)";
            return Err(Refusal::new(NOT_FOUND, text));
        }
    };
    let parts: Vec<&str> = path.split('/').collect();
    match (&parts[..], form) {
        (["chaininfo"], Form::Json) => Ok(as_json(
            &info(face, caller, none("getblockchaininfo")?).await?,
        )),
        (["headers", hash], form) => {
            headers(face, number_of(query, "count").unwrap_or("5"), hash, form).await
        }
        (["headers", count, hash], form) => headers(face, count, hash, form).await,
        (["block", hash], Form::Json) => Ok(as_json(
            &block_json(face, hash_of(hash)?, 3)
                .await
                .map_err(absent(hash))?,
        )),
        (["block", "notxdetails", hash], Form::Json) => Ok(as_json(
            &block_json(face, hash_of(hash)?, 1)
                .await
                .map_err(absent(hash))?,
        )),
        (["block", hash] | ["block", "notxdetails", hash], form) => {
            let raw = raw_block(face, hash_of(hash)?)
                .await
                .map_err(absent(hash))?;
            Ok(as_bytes(&raw, form))
        }
        (["blockhashbyheight", height], form) => by_height(face, height, form).await,
        (["getutxos", "checkmempool", outputs @ ..], Form::Json) => {
            outputs_of(face, outputs, true).await
        }
        (["getutxos", outputs @ ..], Form::Json) => outputs_of(face, outputs, false).await,
        (["mempool", "info"], Form::Json) => Ok(as_json(
            &mempool::info(face, caller, none("getmempoolinfo")?).await?,
        )),
        (["mempool", "contents"], Form::Json) => contents(face, caller, query).await,
        (["tx", txid], form) => transaction(face, txid, form).await,
        _ => Err(Refusal::new(NOT_FOUND, "there is nothing at this path")),
    }
}

/// No parameters for a method that needs none.
fn none(method: &str) -> Outcome<Args> {
    let method = methods::find(method).ok_or_else(|| Refusal::new(NOT_FOUND, "no such method"))?;
    Args::read(method, Params::default())
}

fn number_of<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

fn as_json(value: &Value) -> Response {
    let body = format!("{value}\n");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Bytes, or their hex; never asked for JSON.
fn as_bytes(bytes: &[u8], form: Form) -> Response {
    match form {
        Form::Bin => ([(CONTENT_TYPE, "application/octet-stream")], bytes.to_vec()).into_response(),
        Form::Hex | Form::Json => (
            [(CONTENT_TYPE, "text/plain")],
            format!("{}\n", hex::encode(bytes)),
        )
            .into_response(),
    }
}

fn hash_of(text: &str) -> Outcome<BlockHash> {
    text.parse()
        .map_err(|_| bad(format!("Invalid hash: {text}")))
}

fn absent(hash: &str) -> impl Fn(Refusal) -> Refusal {
    move |refusal| match refusal.code {
        NOT_FOUND => Refusal::new(NOT_FOUND, format!("{hash} not found")),
        _ => refusal,
    }
}

async fn headers(face: &Face, count: &str, hash: &str, form: Form) -> Outcome<Response> {
    let count = count
        .parse::<u32>()
        .ok()
        .filter(|count| (1..=MAX_HEADERS).contains(count))
        .ok_or_else(|| {
            bad(format!(
                "Header count is invalid or out of acceptable range (1-{MAX_HEADERS}): {count}"
            ))
        })?;
    let mut found = Vec::new();
    match header_of(face, hash_of(hash)?).await {
        Ok(first) if first.in_best_chain => {
            if count > 1 {
                let request = HeadersRequest {
                    locator: vec![first.hash],
                    max: count - 1,
                };
                found = face.node().headers(request).await?.headers;
            }
            found.insert(0, first);
        }
        // As Bitcoin Core: what is not in the best chain gives an empty list.
        Ok(_) => {}
        Err(refusal) if refusal.code == NOT_FOUND => {}
        Err(refusal) => return Err(refusal),
    }
    if form != Form::Json {
        let bytes: Vec<u8> = found.iter().flat_map(|one| one.header.0.clone()).collect();
        return Ok(as_bytes(&bytes, form));
    }
    let mut shown = Vec::new();
    for header in &found {
        let around = around(face, header).await?;
        shown.push(Value::Object(render::header(header, &around)?));
    }
    Ok(as_json(&Value::Array(shown)))
}

async fn by_height(face: &Face, text: &str, form: Form) -> Outcome<Response> {
    let height = text
        .parse::<i64>()
        .ok()
        .filter(|height| *height >= 0)
        .ok_or_else(|| bad(format!("Invalid height: {text}")))?;
    let hash = hash_at(face, height)
        .await
        .map_err(|refusal| match refusal.code {
            PARAMETER => Refusal::new(NOT_FOUND, refusal.message),
            _ => refusal,
        })?;
    Ok(match form {
        Form::Bin => as_bytes(&hash.0, form),
        Form::Hex => ([(CONTENT_TYPE, "text/plain")], format!("{hash}\n")).into_response(),
        Form::Json => as_json(&json!({ "blockhash": hash })),
    })
}

async fn outputs_of(face: &Face, outputs: &[&str], include_mempool: bool) -> Outcome<Response> {
    if outputs.is_empty() {
        return Err(bad("Error: empty request".to_owned()));
    }
    if outputs.len() > MAX_OUTPUTS {
        let tried = outputs.len();
        return Err(bad(format!(
            "Error: max outpoints exceeded (max: {MAX_OUTPUTS}, tried: {tried})"
        )));
    }
    let network = face.network().await?;
    let (mut bitmap, mut shown) = (String::new(), Vec::new());
    for output in outputs {
        let request = output.split_once('-').and_then(|(txid, vout)| {
            Some(UtxoRequest {
                txid: txid.parse::<Txid>().ok()?,
                vout: vout.parse().ok()?,
                include_mempool,
            })
        });
        let request = request.ok_or_else(|| bad("Parse error".to_owned()))?;
        let coin = face.node().utxo(request).await?.coin;
        bitmap.push(if coin.is_some() { '1' } else { '0' });
        if let Some(coin) = coin {
            let locking = bitcoin::Script::from_bytes(&coin.script_pubkey.0);
            shown.push(json!({
                "height": coin.height,
                "value": render::bitcoins(coin.value_sat),
                "scriptPubKey": script::locking(locking, network),
            }));
        }
    }
    let tip = face.node().tip().await?;
    Ok(as_json(&json!({
        "chainHeight": tip.height,
        "chaintipHash": tip.hash,
        "bitmap": bitmap,
        "utxos": shown,
    })))
}

async fn contents(face: &Face, caller: &Caller, query: &str) -> Outcome<Response> {
    if number_of(query, "verbose") == Some("false") {
        return Ok(as_json(&json!(all_ids(face).await?)));
    }
    let method = methods::find("getrawmempool");
    let method = method.ok_or_else(|| Refusal::new(NOT_FOUND, "no such method"))?;
    let args = Args::read(method, Params::List(vec![json!(true)]))?;
    Ok(as_json(&mempool::list(face, caller, args).await?))
}

async fn transaction(face: &Face, text: &str, form: Form) -> Outcome<Response> {
    let txid = text
        .parse::<Txid>()
        .map_err(|_| bad(format!("Invalid hash: {text}")))?;
    let found = find_transaction(face, txid, None)
        .await
        .map_err(absent(text))?;
    if form == Form::Json {
        return Ok(as_json(&transaction_json(face, &found, 1, false).await?));
    }
    Ok(as_bytes(&found.raw.0, form))
}
