//! A delivery as one row of a table.

use serde_json::Value;

use crate::cli::grid::{Column, whole};
use crate::cli::output::Paint;
use crate::cli::plain::{plain, time, took};

/// The column that is coloured by the outcome.
const RESULT: usize = 3;

/// The columns of a list; `follow` leaves room for what is still to come.
pub(super) fn columns(follow: bool) -> Vec<Column> {
    let wide = |width: usize| if follow { width } else { 0 };
    vec![
        whole("TIME"),
        whole("ID"),
        whole("ROUTE").cut_to(8).goes(5).wide(wide(10)),
        whole("RESULT").wide(wide(18)),
        whole("STATUS").goes(4),
        whole("TOOK").goes(1).wide(wide(7)),
        whole("EVENT").cut_to(10).goes(3).wide(wide(20)),
        whole("EVENT ID").cut_to(8).goes(2).wide(wide(20)),
    ]
}

/// The cells of a delivery.
pub(super) fn cells(delivery: &Value) -> Vec<String> {
    let text = |key: &str| delivery[key].as_str().map_or_else(|| "-".to_owned(), plain);
    vec![
        time(delivery["time"].as_i64().unwrap_or_default()),
        text("id"),
        text("route"),
        result(delivery),
        delivery["status"].to_string(),
        took(delivery["took_us"].as_i64().unwrap_or_default()),
        text("event_type"),
        text("event_id"),
    ]
}

/// The reason's word, and what has to be known to read it rightly.
pub(super) fn result(delivery: &Value) -> String {
    let word = plain(delivery["reason"].as_str().unwrap_or("-"));
    if delivery["shadow"] == true {
        return format!("{word} (shadow)");
    }
    match delivery["origin"]["kind"].as_str() {
        Some(kind) => format!("{word} ({})", plain(kind)),
        None => word,
    }
}

/// Colours a cell of a delivery.
pub(super) fn painted(delivery: &Value, paint: Paint, column: usize, cell: &str) -> String {
    if column == RESULT { by_outcome(delivery, paint, cell) } else { cell.to_owned() }
}

/// Colours a text by what really became of a delivery.
pub(super) fn by_outcome(delivery: &Value, paint: Paint, text: &str) -> String {
    match delivery["outcome"].as_str() {
        _ if delivery["shadow"] == true => paint.caution(text),
        Some("accepted" | "answered") => paint.good(text),
        Some("refused") => paint.bad(text),
        _ => paint.caution(text),
    }
}
