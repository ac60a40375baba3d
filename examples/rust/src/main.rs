//! A webhook receiver behind Sealpost with axum.
//!
//! No signature is checked here: the gateway has done it. Listen only where the gateway reaches this, never on a public
//! address.
//!
//! ```sh
//! cargo run --locked -- [PORT]
//! ```

use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// `Json` answers 415 or 422 by itself to what is not JSON.
async fn receive(headers: HeaderMap, Json(event): Json<Value>) -> (StatusCode, Json<Value>) {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    // Do the work here, then answer. 2xx means done: the gateway will not send this event again.
    // Anything else means the sender's retry is welcome.
    println!(
        "{} {}, attempt {}, {} fields",
        header("sealpost-event-type"),
        header("sealpost-event-id"),
        header("sealpost-attempt"),
        event.as_object().map_or(0, serde_json::Map::len),
    );
    (StatusCode::OK, Json(json!({ "received": true })))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, Router::new().fallback(post(receive))).await
}
