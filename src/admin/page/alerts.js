// What needs attention now, found from the statistics: refusals that began, an upstream that fails, a file that cannot be
// loaded. For refusals one refused delivery is explained again after each reload, so that it says when the secret is mended.
import { get } from "./api.js";
import { announce, data, h, sentence } from "./dom.js";
import { icon } from "./badge.js";
import { releaseAll, reload } from "./changes.js";
import { ago, count, deliveries, toMinute } from "./format.js";
import { route, state, watch } from "./state.js";
import { reason } from "./words.js";

const ENOUGH = 3;
const REFUSALS = ["signature_mismatch", "signature_malformed", "signature_missing", "timestamp_too_old", "timestamp_in_future", "timestamp_missing", "timestamp_malformed", "event_id_missing"];
const UPSTREAM = ["upstream_unreachable", "upstream_timeout", "upstream_failed"];

/** By route: what was found out about its refusals, and for which configuration and number. */
const found = new Map();
const spoken = new Set();

export function begin(place) {
  const draw = () => show(place);
  watch(() => {
    draw();
    for (const trouble of refused()) investigate(trouble).then((news) => news && draw());
  });
}

/** Routes whose refusals rose: at least three in the hour, and since the first of them nothing matched or half was refused. */
function refused() {
  return (state.stats?.routes ?? []).flatMap((stats) => {
    const [word, times] = most(stats.reasons, REFUSALS);
    if (times < ENOUGH) return [];
    const matched = Math.max(0, ...stats.secrets.map((secret) => secret.last_matched ?? 0));
    const after = stats.series.filter((point) => point.at + state.stats.bucket_seconds * 1000 > matched);
    const run = after.filter((point) => point.refused > 0);
    const number = Math.min(times, run.reduce((all, point) => all + point.refused, 0));
    const silent = run.length > 0 && number >= ENOUGH;
    if (!silent && times * 2 < stats.requests) return [];
    const since = silent ? Math.max(run[0].at, matched) : stats.series.find((point) => point.refused > 0)?.at ?? state.stats.since;
    return [{ stats, word, number: silent ? number : times, since, matched, silent }];
  });
}

function most(reasons, words) {
  return words.map((word) => [word, reasons[word] ?? 0]).reduce((best, next) => (next[1] > best[1] ? next : best));
}

/** Finds the first refusal, how many can be released, and what the newest is explained as. */
async function investigate({ stats, word, number, since, matched, silent }) {
  const key = `${state.config?.hash} ${state.config?.loaded_at} ${word} ${number} ${stats.series.reduce((all, point) => all + point.accepted, 0)}`;
  if (found.get(stats.route)?.key === key) return false;
  const before = found.get(stats.route);
  found.set(stats.route, { ...before, key });
  try {
    // It may have begun long before the hour that the numbers are of: since nothing matched any more.
    const from = silent ? matched : since;
    const page = await get("api/deliveries", { route: stats.route, reason: word, since: String(from), limit: "500" });
    const kept = page.deliveries.filter((delivery) => delivery.releasable);
    const open = page.deliveries.filter((delivery) => !delivery.released && !delivery.origin);
    const first = page.next === null && open.length ? open[open.length - 1].time : since;
    const explained = kept.length ? await get(`api/deliveries/${encodeURIComponent(kept[0].id)}/explain`).catch(() => null) : null;
    found.set(stats.route, { key, from, first, open: open.length, kept: kept.length, more: page.next !== null, explained });
  } catch {
    found.set(stats.route, { key });
  }
  return true;
}

function show(place) {
  const all = [
    ...(state.broken ? [broken()] : []),
    ...configuration(),
    ...readiness(),
    ...refused().map(refusals).filter(Boolean),
    ...upstreams(),
    ...journal(),
    ...contacts(),
  ];
  // Nothing is drawn anew that says the same: a button must not vanish under a finger, nor be read out again.
  const words = all.map((alert) => alert.textContent).join("\n");
  if (words === place.dataset.words) return;
  const focused = place.contains(document.activeElement) ? document.activeElement.textContent : null;
  place.dataset.words = words;
  // What is new is said once; the times in it go on without being said.
  for (const alert of all) {
    const title = alert.querySelector(".strong").textContent;
    const about = `${alert.className} ${title.replace(/[\d,.:]+/g, "")}`;
    if (!spoken.has(about)) announce(title);
    spoken.add(about);
  }
  place.replaceChildren(...all);
  if (focused !== null) [...place.querySelectorAll("button, a")].find((element) => element.textContent === focused)?.focus();
}

function alert(kind, title, content, ...actions) {
  return h("div", { class: `alert ${kind}` }, icon({ bad: "refused", warn: "declined", good: "accepted" }[kind] ?? "answered"),
    h("div", {}, h("p", { class: "strong" }, title), content), h("div", { class: "actions" }, actions));
}

function refusals({ stats, word, number, since, matched, silent }) {
  const known = found.get(stats.route) ?? {};
  if (known.open === 0) return null; // all of them were released
  const first = known.first ?? since;
  const times = known.open !== undefined && !known.more ? known.open : number;
  const loaded = (state.config?.loaded_at ?? 0) * 1000;
  const never = silent && matched < loaded;
  const about = [data(stats.route), `: ${count(times)} refused with `, h("code", {}, word), ` since ${toMinute(first)}`,
    never ? ", never matched since the last reload" : silent && matched ? `, last matched ${ago(matched)}` : ""];
  const look = h("a", { class: "button", href: `#/?route=${encodeURIComponent(stats.route)}&reason=${word}` }, "Look at them");
  const open = h("button", { type: "button", class: known.explained?.verified ? "primary" : "", onclick: () => releaseAll(stats.route, { reasons: [word], since: known.more ? known.from || null : first, expected: known.more ? null : known.kept }) },
    known.more ? "Release all …" : `Release ${count(known.kept ?? 0)} …`);
  if (known.explained?.verified) {
    return alert("good", [data(stats.route), `: mended. The newest of ${deliveries(times)} refused with `, h("code", {}, word), " would verify now."],
      h("p", {}, "Release them: each is verified again as it was received, and what verifies is forwarded in order."), look, open);
  }
  const likely = known.explained?.likely?.[0];
  return alert("bad", about,
    [h("p", {}, likely ? [h("strong", {}, likely.proven ? "Proven: " : "Likely: "), sentence(likely.advice)]
      : [word === "signature_mismatch" && never ? h("strong", {}, "Likely a wrong secret. ") : "", reason(word).todo ?? ""]),
    known.kept === 0 && h("p", { class: "muted" }, "Their bodies are not kept, so they cannot be released: set ", h("code", {}, "journal: { bodies: refused }"), " on the route.")],
    look, known.kept > 0 && open, h("button", { type: "button", onclick: reload }, "Load the configuration again"));
}

function upstreams() {
  return (state.stats?.routes ?? []).flatMap((stats) => {
    const [word, times] = most(stats.reasons, UPSTREAM);
    const busy = stats.series.filter((point) => point.accepted + point.declined + point.failed > 0);
    const last = busy[busy.length - 1];
    if (times < ENOUGH || !last || last.failed === 0 || last.accepted > last.failed) return [];
    const since = failedSince(busy);
    return [alert("bad", [data(stats.route), ": ", reason(word).title.replace(/^T/, "t"), `, ${deliveries(times)} since ${toMinute(since)}`],
      h("p", {}, h("code", {}, route(stats.route)?.upstream ?? ""), ". ", reason(word).todo),
      h("a", { class: "button", href: `#/?route=${encodeURIComponent(stats.route)}&outcome=failed` }, "Look at them"))];
  });
}

/** Back to the last stretch in which something was accepted. */
function failedSince(busy) {
  let since = busy[busy.length - 1].at;
  for (const point of [...busy].reverse()) {
    if (point.failed === 0) break;
    since = point.at;
  }
  return since;
}

function configuration() {
  const { config } = state;
  if (!config) return [];
  const all = [];
  if (config.last_error) {
    all.push(alert("bad", `The configuration file cannot be used${config.last_error_at ? ` (${ago(config.last_error_at * 1000)})` : ""}; the one before stays in force.`,
      h("pre", { class: "said" }, config.last_error), h("button", { type: "button", onclick: reload }, "Load it again")));
  }
  if (config.needs_restart.length) all.push(alert("warn", `A restart is needed for ${config.needs_restart.join(", ")}.`, null));
  return all;
}

function readiness() {
  if (!state.ready || state.ready.status === "ready") return [];
  return [alert("bad", "Not ready: no deliveries are sent here.", h("ul", {}, (state.ready.reasons ?? []).map((why) => h("li", {}, data(why)))))];
}

function journal() {
  const held = state.stats?.journal;
  return held?.error ? [alert("warn", "The journal is not written to disk.", h("p", {}, data(held.error)))] : [];
}

function contacts() {
  return state.contacts.length === 0 ? [] : [alert("warn", state.contacts.length === 1 ? "A sender has brought its secret." : `${count(state.contacts.length)} senders have brought their secrets.`,
    h("p", {}, "Put it into the configuration, so that the next start knows it."), h("a", { class: "button", href: "#/gateway" }, "See it"))];
}

function broken() {
  return alert("bad", "The gateway does not answer.", h("p", {}, data(state.broken), ". This page asks again every 10 seconds."));
}
