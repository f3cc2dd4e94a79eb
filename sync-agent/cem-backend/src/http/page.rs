//! The guest's page, reached by the code on a receipt: `GET /g/{secret}`. Static HTML without a script; its picture is the
//! code that a kiosk's scanner reads, and it loads itself anew before that code ends.
//!
//! Whoever has no such receipt gets the same 404 for every secret. The answers are kept by nobody on the way.

use super::{App, error::HttpError, random};
use crate::{codes, store::now_ms};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use cem_contract::codes::GUEST_CODE_ROTATES_S;
use fast_qr::{ECL, QRBuilder};
use std::fmt::Write as _;

/// White around the code that readers need: four modules, ISO/IEC 18004.
const QUIET: usize = 4;

const STYLE: &str = "body{font-family:system-ui,sans-serif;margin:0;padding:6vmin;background:#fff;color:#1c1917;text-align:center}\
h1{font-size:1.5rem;margin:0 0 .75rem}p{font-size:1.1rem;line-height:1.5;margin:.75rem auto;max-width:30rem}\
img{width:min(88vw,60vh);height:auto;display:block;margin:1.5rem auto}";

/// What the page says.
struct Words {
    tag: &'static str,
    title: &'static str,
    hold: &'static str,
    rule: &'static str,
    nobody: &'static str,
    gone: &'static str,
    picture: &'static str,
}

const WORDS: [Words; 3] = [
    Words {
        tag: "en",
        title: "Your code",
        hold: "Hold it to the scanner of the kiosk.",
        rule: "It counts once and changes by itself. Show it to nobody else.",
        nobody: "This order was made without a name. There is nothing to show here.",
        gone: "There is no page at this address. Look at the code on your receipt again.",
        picture: "QR code for the kiosk's scanner",
    },
    Words {
        tag: "de",
        title: "Ihr Code",
        hold: "Halten Sie ihn an den Scanner des Kiosks.",
        rule: "Er gilt einmal und wechselt von selbst. Zeigen Sie ihn sonst niemandem.",
        nobody: "Diese Bestellung wurde ohne Namen aufgegeben. Hier gibt es nichts zu zeigen.",
        gone: "Unter dieser Adresse gibt es keine Seite. Sehen Sie sich den Code auf Ihrem Beleg noch einmal an.",
        picture: "QR-Code für den Scanner des Kiosks",
    },
    Words {
        tag: "ru",
        title: "Ваш код",
        hold: "Поднесите его к сканеру киоска.",
        rule: "Он действует один раз и меняется сам. Не показывайте его никому другому.",
        nobody: "Этот заказ сделан без имени. Показать здесь нечего.",
        gone: "По этому адресу страницы нет. Проверьте код на вашем чеке.",
        picture: "QR-код для сканера киоска",
    },
];

/// `GET /g/{secret}`.
pub(super) async fn page(State(app): State<App>, Path(secret): Path<String>, headers: HeaderMap) -> Result<Response, HttpError> {
    let words = words(&headers);
    let asked = secret.clone();
    let found = app.store.read(move |connection| {
        let Some(order) = codes::order_of_page(connection, &asked)? else { return Ok(None) };
        Ok(Some(codes::guest_of(connection, &order)?.is_some()))
    });
    Ok(match found.await? {
        None => html(StatusCode::NOT_FOUND, words, &format!("<p>{}</p>", words.gone)),
        Some(false) => html(StatusCode::OK, words, &format!("<p>{}</p>", words.nobody)),
        Some(true) => {
            // Only hex digits: it was found by them.
            let body = format!(
                "<h1>{}</h1><p>{}</p><img src=\"/g/{secret}/code.svg\" alt=\"{}\"><p>{}</p>",
                words.title, words.hold, words.picture, words.rule
            );
            html(StatusCode::OK, words, &body)
        }
    })
}

/// `GET /g/{secret}/code.svg`: a new code each time.
pub(super) async fn code(State(app): State<App>, Path(secret): Path<String>) -> Result<Response, HttpError> {
    let found = app.store.read(move |connection| {
        let Some(order) = codes::order_of_page(connection, &secret)? else { return Ok(None) };
        Ok(codes::guest_of(connection, &order)?.map(|_| order))
    });
    let order = found.await?.ok_or_else(|| HttpError::not_found("there is no code at this path"))?;
    let code = codes::make(&app.key, &order, random()?, now_ms());
    let picture = code.as_deref().and_then(svg).ok_or_else(|| HttpError::not_found("there is no code at this path"))?;
    Ok(unseen((StatusCode::OK, [(header::CONTENT_TYPE, "image/svg+xml")], picture).into_response()))
}

/// The first language of the browser that the page speaks, else English.
fn words(headers: &HeaderMap) -> &'static Words {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut tags = wanted.split(',').filter_map(|tag| tag.trim().get(..2));
    tags.find_map(|tag| WORDS.iter().find(|words| words.tag.eq_ignore_ascii_case(tag))).unwrap_or(&WORDS[0])
}

fn html(status: StatusCode, words: &Words, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"refresh\" content=\"{GUEST_CODE_ROTATES_S}\">\
         <title>{}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        words.tag, words.title
    );
    unseen((status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
}

/// Kept by no cache, told to no other site, found by no search engine, and free of anything that is not ours.
fn unseen(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-robots-tag", "noindex"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    let side = code.size + 2 * QUIET;
    let mut path = String::new();
    for y in 0..code.size {
        for x in (0..code.size).filter(|x| code[y][*x].value()) {
            write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET).ok()?;
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/><path d=\"{path}\"/></svg>"
    ))
}
