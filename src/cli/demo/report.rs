//! What the demonstration prints.

use std::net::SocketAddr;

use super::super::output::{Paint, Table};
use super::receiver::Arrival;
use super::scenes::Scene;
use super::{PATH, PROVIDER, SECRET};

/// Who is there.
pub(super) fn opening(paint: Paint, gateway: SocketAddr, receiver: SocketAddr) -> String {
    format!(
        "{}\n\n  sender ({PROVIDER})  ->  gateway http://{gateway}{PATH}  ->  receiver http://{receiver}\n\n",
        paint.strong("Deliveries through real sockets")
    )
}

/// A line for each delivery.
pub(super) fn table(paint: Paint, scenes: &[Scene]) -> String {
    let mut table = Table::new(&["", "SENT", "THE SENDER IS TOLD", "THE RECEIVER GETS", "WHY"]);
    for scene in scenes {
        let mark = if scene.is_as_promised() { "ok" } else { "NO" };
        table.row([
            mark.to_owned(),
            scene.sent.to_owned(),
            told(scene),
            received(scene),
            scene.why.to_owned(),
        ]);
    }
    table.render(paint, |row, column, cell| {
        let Some(scene) = scenes.get(row) else { return cell.to_owned() };
        match column {
            0 if scene.is_as_promised() => paint.good(cell),
            0 => paint.bad(cell),
            2 if scene.answer.status < 300 => paint.good(cell),
            2 => paint.caution(cell),
            4 => paint.faint(cell),
            _ => cell.to_owned(),
        }
    })
}

/// The sum of it.
pub(super) fn summary(paint: Paint, scenes: &[Scene], arrivals: usize) -> String {
    let accepted =
        scenes.iter().filter(|scene| scene.answer.status < 300 && !scene.arrivals.is_empty()).count();
    let kept = scenes.iter().filter(|scene| scene.is_as_promised()).count();
    let count = format!("{kept} of {} as promised", scenes.len());
    let count = if kept == scenes.len() { paint.good(&count) } else { paint.bad(&count) };
    format!(
        "\n{} deliveries sent, receiver saw {accepted} events ({arrivals} requests, one of them a retry); {count}.\n",
        scenes.len()
    )
}

/// Where to go from here.
pub(super) fn next_steps(paint: Paint) -> String {
    format!(
        "\n{}\n\
         \x20 sealpost run --provider github --secret env:GITHUB_WEBHOOK_SECRET --upstream http://127.0.0.1:3000\n\
         \x20 sealpost send --provider github --secret env:GITHUB_WEBHOOK_SECRET --body event.json --url http://127.0.0.1:8080/\n\
         \x20 sealpost sign …      the headers alone, or a curl command\n\
         \x20 sealpost explain …   why a captured delivery does not verify\n\
         \x20 sealpost demo --keep leaves this gateway running\n",
        paint.strong("Next")
    )
}

/// How to play with what keeps running.
pub(super) fn keeping(paint: Paint, gateway: SocketAddr, admin: Option<SocketAddr>) -> String {
    let page = admin.map_or_else(String::new, |admin| {
        format!("  page and metrics  http://{admin}/  http://{admin}/metrics\n")
    });
    format!(
        "\n{}\n{page}  deliveries        http://{gateway}{PATH}\n\n\
         \x20 echo '{{\"id\":\"evt-100\",\"type\":\"SecretUpdated\"}}' |\n\
         \x20   DEMO_SECRET={SECRET} sealpost send --provider {PROVIDER} --secret env:DEMO_SECRET \\\n\
         \x20     --body - --repeat 2 --url http://{gateway}{PATH}\n\n",
        paint.strong("Running until Ctrl-C")
    )
}

/// A line for a delivery that reached the receiver while it is kept running.
pub(super) fn arrival(paint: Paint, arrival: &Arrival) -> String {
    let event: String = arrival.event.chars().filter(|c| !c.is_control()).take(64).collect();
    let count = format!("{} bytes", arrival.body.len());
    format!("receiver got {} (attempt {}, {count})\n", paint.good(&event), arrival.attempt)
}

fn told(scene: &Scene) -> String {
    let said = match (&scene.answer.result, scene.answer.status) {
        (Some(result), _) => format!(" {result}"),
        (None, 200..300) => String::new(),
        (None, _) => serde_json::from_str::<serde_json::Value>(&scene.answer.body)
            .ok()
            .and_then(|body| body.get("error")?.as_str().map(|error| format!(" {error}")))
            .unwrap_or_default(),
    };
    format!("{}{said}", scene.answer.status)
}

fn received(scene: &Scene) -> String {
    match scene.arrivals.as_slice() {
        [] => "-".to_owned(),
        [one] if scene.same_bytes => format!("{}, attempt {}", one.event, one.attempt),
        [_] => "other bytes than were sent".to_owned(),
        many => format!("{} copies", many.len()),
    }
}
