// The routes: rates, refusals by reason, times, upstream, and the secrets with their last match.
import { releaseAll } from "./changes.js";
import { bars, sum } from "./chart.js";
import { data, h, orDash } from "./dom.js";
import { ago, count, exact, rate, span, size, took } from "./format.js";
import { secretsOf, state, statsOf } from "./state.js";
import { reason } from "./words.js";

const DAY = 86_400_000;
const FAILURES = ["upstream_unreachable", "upstream_failed", "upstream_timeout"];

export function routes() {
  const { unrouted } = state.stats ?? {};
  return h("div", { class: "routes" }, h("h1", { tabindex: "-1" }, "Routes"),
    h("p", { class: "muted" }, "The last hour. The times are those of whole requests and of the upstream's part."),
    state.routes.map(card),
    unrouted?.requests ? h("article", { class: "card route" }, h("h2", {}, "No route"),
      h("p", { class: "muted" }, `${count(unrouted.requests)} requests in the last hour that no route took.`), refusals(unrouted),
      h("p", {}, h("a", { href: "#/?route=-" }, "Look at them"))) : null);
}

function card(route) {
  const stats = statsOf(route.name);
  const series = stats ? sum([stats.series]) : [];
  const all = (part) => series.reduce((sum, point) => sum + point[part], 0);
  return h("article", { class: "card route", id: `route-${encodeURIComponent(route.name)}`, "aria-labelledby": `name-${encodeURIComponent(route.name)}` },
    h("header", {}, h("div", { class: "grow" },
      h("h2", { id: `name-${encodeURIComponent(route.name)}` }, h("a", { href: `#/?route=${encodeURIComponent(route.name)}` }, data(route.name)), route.mode === "shadow" ? [" ", h("span", { class: "tag warn" }, "shadow mode")] : ""),
      h("p", { class: "muted" }, data(route.provider), " · ", data(`${route.host ?? ""}${route.path}`, { class: "code" }), " → ", data(route.upstream, { class: "code" }))),
    stats?.reasons && series.length && all("refused") ? h("button", { type: "button", onclick: () => releaseAll(route.name) }, "Release refused …") : null),
    stats ? h("div", { class: "route-grid" },
      h("div", {}, h("div", { class: "number-boxes" }, box("requests", count(stats.requests)), box("rate", rate(stats.rate)), box("accepted", count(all("accepted")), "accepted"),
        box("refused", count(all("refused")), all("refused") ? "refused" : ""), stats.shadow > 0 && box("would be refused", count(stats.shadow), "declined")),
      bars(series, state.stats.bucket_seconds, `Route ${route.name}`, 44)),
      h("div", {}, h("table", { class: "times" }, h("caption", { class: "unseen" }, "Times"), h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "p50"), h("th", { scope: "col" }, "p99"))),
        h("tbody", {}, line("Whole request", stats.took_us), line("Upstream", stats.upstream_us))), upstream(route, stats), refusals(stats))) : h("p", { class: "muted" }, "No numbers yet."),
    secrets(route), settings(route));
}

function box(name, value, kind = "") {
  return h("div", { class: `number-box ${kind}` }, h("span", { class: "value number" }, value), h("span", { class: "name" }, name));
}

function line(name, times) {
  return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "number" }, took(times.p50)), h("td", { class: "number" }, took(times.p99)));
}

function upstream(route, stats) {
  const failures = FAILURES.filter((word) => stats.reasons[word]);
  const last = [...stats.series].reverse().find((point) => point.accepted + point.declined + point.failed > 0);
  const words = !last ? ["Upstream: nothing was sent to it in the last hour.", ""]
    : last.failed > 0 && last.accepted === 0 ? [`Upstream: failing (${failures.map((word) => `${count(stats.reasons[word])} ${word}`).join(", ")}).`, "bad"]
    : failures.length ? [`Upstream: answers, with ${failures.map((word) => `${count(stats.reasons[word])} ${word}`).join(", ")} in the last hour.`, "warn"]
    : last.declined > 0 && last.accepted === 0 ? ["Upstream: answers, but not with 2xx.", "warn"] : ["Upstream: answers.", ""];
  return h("p", { class: `upstream ${words[1]}` }, words[0]);
}

function refusals(stats) {
  const listed = Object.entries(stats.reasons).filter(([word]) => !["Let through", "Upstream"].includes(reason(word).group)).sort((a, b) => b[1] - a[1]);
  if (!listed.length) return h("p", { class: "muted" }, "Nothing refused.");
  const most = listed[0][1];
  const name = stats.route === null ? "-" : stats.route;
  return h("ul", { class: "reasons", "aria-label": "Refusals by reason" }, listed.map(([word, times]) => h("li", {},
    h("a", { href: `#/?route=${encodeURIComponent(name)}&reason=${encodeURIComponent(word)}`, title: reason(word).title }, h("code", {}, word)),
    h("meter", { min: "0", max: String(most), value: String(times), "aria-hidden": "true" }), h("span", { class: "number" }, count(times)))));
}

function secrets(route) {
  const all = secretsOf(route.name);
  if (!all.length) return null;
  const newest = Math.max(0, ...all.map((secret) => secret.last_matched ?? 0));
  // The roles stand here because a phone shows rows as cards, and a row that is no table row loses its own.
  return h("table", { class: "secrets", role: "table" }, h("caption", {}, "Secrets"),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ["Name", "Matched", "Last", ""].map((name) =>
      h("th", { scope: "col", role: "columnheader", class: name === "Matched" ? "number" : "" }, name || h("span", { class: "unseen" }, "Advice"))))),
    h("tbody", { role: "rowgroup" }, all.map((secret) => h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader" }, data(secret.name)),
      h("td", { class: "number", role: "cell" }, count(secret.count)),
      h("td", { role: "cell", title: secret.last_matched ? exact(secret.last_matched) : null }, secret.last_matched ? ago(secret.last_matched) : "never"),
      h("td", { role: "cell" }, advice(secret, all, newest))))));
}

/** What to do with a secret: an old one beside one that matches can go; one that ends soon has to be renewed. */
function advice(secret, all, newest) {
  const now = Date.now();
  const tags = [];
  if (secret.not_after && secret.not_after < now) tags.push(h("span", { class: "tag warn" }, `ended ${ago(secret.not_after)}`));
  else if (secret.not_after) tags.push(h("span", { class: secret.not_after - now < 14 * DAY ? "tag warn" : "tag", title: exact(secret.not_after) }, `ends ${ago(secret.not_after)}`));
  if (secret.not_before && secret.not_before > now) tags.push(h("span", { class: "tag" }, `begins ${ago(secret.not_before)}`));
  const replaced = all.length > 1 && newest > now - DAY && (secret.last_matched ?? state.stats.started) < newest - DAY;
  if (replaced && now - state.stats.started > DAY) {
    tags.push(h("span", { class: "tag good" }, secret.last_matched ? `last matched ${ago(secret.last_matched)}, safe to remove` : "never matched, another one does: safe to remove once the rotation is over"));
  }
  return tags;
}

function settings(route) {
  const dedupe = route.dedupe ? `${route.dedupe.key.join(", ")} for ${span(route.dedupe.ttl_seconds * 1000)}` : "off";
  const rows = [
    ["Methods", route.methods.join(", ")], ["Dedupe", dedupe],
    ["Tolerance", route.tolerance ? `${span(route.tolerance.past_seconds * 1000)} past, ${span(route.tolerance.future_seconds * 1000)} ahead` : "off"],
    ["Events", route.events ? route.events.join(", ") : "all"], ["Timeout", span(route.timeout_ms)], ["Largest body", size(route.body)],
    ["Kept", route.journal ? { none: "no bodies", refused: "bodies of refused deliveries", all: "all bodies" }[route.journal.bodies] : null],
    ["Redacted", route.journal?.redact.length ? route.journal.redact.join(", ") : null],
  ];
  return h("details", {}, h("summary", {}, "Settings"), h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, orDash(value))))));
}
