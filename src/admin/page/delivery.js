// One delivery opened: what was decided and why, in plain words; its moments, facts, headers and body; what can be done.
import { get } from "./api.js";
import { badge, icon } from "./badge.js";
import { panel } from "./body.js";
import { forget, redeliver, release } from "./changes.js";
import { data, h, orDash, put, sentence, svg, toast } from "./dom.js";
import { copy, curl, save, vector, whole } from "./exports.js";
import { ago, exact, size, span, time, toMinute, took } from "./format.js";
import { state } from "./state.js";
import { MOMENTS, OUTCOMES, STATES, VERDICTS, reason } from "./words.js";

/** Draws the delivery of this id into `place`. `neighbours` says what is newer and older on the list. */
export async function open(place, id, neighbours) {
  put(place, h("p", { class: "muted" }, "Loading …"));
  let delivery;
  try {
    delivery = await get(`api/deliveries/${encodeURIComponent(id)}`);
  } catch (error) {
    place.replaceChildren(h("div", { class: "card" }, h("h1", { tabindex: "-1" }, "Not here"),
      h("p", {}, error.status === 404 ? ["The journal holds no delivery ", data(id, { class: "code" }), ". It keeps a bounded number of them; the oldest go first."] : error.message),
      h("p", {}, h("a", { href: "#/" }, "All deliveries"))));
    return;
  }
  if (!place.isConnected) return;
  draw(place, delivery, neighbours);
  place.querySelector("h1")?.focus({ preventScroll: true });
  explain(place.querySelector("#explanation"), delivery);
}

function draw(place, delivery, { newer, older }) {
  const words = reason(delivery.reason);
  const again = async (change) => {
    if (!(await change(delivery))) return;
    const now = await get(`api/deliveries/${encodeURIComponent(delivery.id)}`).catch(() => null);
    if (now && place.isConnected) {
      draw(place, now, { newer, older });
      explain(place.querySelector("#explanation"), now);
    }
  };
  place.replaceChildren(
    h("nav", { class: "trail", "aria-label": "Delivery" },
      h("a", { href: "#/", id: "back", class: "button" }, "← All deliveries"),
      h("span", { class: "grow" }),
      newer && h("a", { class: "button", id: "newer", href: `#/deliveries/${encodeURIComponent(newer)}` }, "Newer"),
      older && h("a", { class: "button", id: "older", href: `#/deliveries/${encodeURIComponent(older)}` }, "Older")),
    h("header", { class: "opened" },
      h("div", { class: "grow" },
        h("h1", { tabindex: "-1" }, icon(delivery.outcome), words.title),
        h("p", { class: "muted about" }, delivery.event_type && [data(delivery.event_type, { class: "strong" }), " · "], delivery.event_id && [data(delivery.event_id, { class: "code" }), " · "],
          delivery.route ? h("a", { href: `#/?route=${encodeURIComponent(delivery.route)}` }, data(delivery.route)) : "no route",
          ` · ${time(delivery.time)} (${ago(delivery.time)})`)),
      h("div", { class: "actions" },
        delivery.releasable && h("button", { type: "button", class: "primary", id: "release", onclick: () => again(release) }, "Release …"),
        delivery.redeliverable && h("button", { type: "button", id: "redeliver", onclick: () => again(redeliver) }, "Deliver again …"),
        delivery.request && h("button", { type: "button", id: "curl", onclick: () => asCurl(delivery) }, "Copy as curl"),
        delivery.request && h("button", { type: "button", id: "fixture", onclick: () => asVector(delivery) }, "Save as fixture"))),
    h("div", { class: "columns" },
      h("section", { class: "card verdict", "aria-labelledby": "why" }, h("h2", { id: "why" }, "Why"),
        h("p", {}, h("span", { class: `pill ${delivery.outcome}` }, OUTCOMES[delivery.outcome]?.label ?? delivery.outcome), " ", badge(delivery)),
        h("p", {}, words.plain, delivery.shadow && " The route is in shadow mode: it was let through all the same."),
        delivery.why && h("p", { class: "said" }, sentence(delivery.why)),
        h("div", { id: "explanation" }),
        h("p", { class: "told" }, told(delivery)),
        possible(delivery), results(delivery)),
      h("section", { class: "card", "aria-labelledby": "moments" }, h("h2", { id: "moments" }, "Timeline"), timeline(delivery))),
    h("section", { class: "card", "aria-labelledby": "facts" }, h("h2", { id: "facts" }, "Facts"), facts(delivery)),
    request(delivery));
}

function told(delivery) {
  const words = ["The sender was told ", h("strong", {}, String(delivery.status)), ". "];
  if (delivery.origin) {
    return [delivery.origin.kind === "release" ? "Released from " : "Delivered again from ", h("a", { href: `#/deliveries/${encodeURIComponent(delivery.origin.id)}` }, data(delivery.origin.id, { class: "code" })), `; the answer was ${delivery.status}.`];
  }
  if (delivery.status >= 200 && delivery.status < 300) return [...words, "It does not send it again."];
  if (delivery.retries === "no") return [...words, h("strong", {}, "It will not send it again"), "."];
  if (delivery.retries === "yes") {
    const next = delivery.next_retry_at;
    if (next && next < Date.now()) return [...words, `It tries again; that was expected ${ago(next)} (${toMinute(next)}).`];
    return [...words, "It tries again", next ? `, expected ${ago(next)} (${toMinute(next)})` : "", "."];
  }
  return [...words, "Whether it tries again is not known."];
}

function possible(delivery) {
  if (delivery.releasable || delivery.redeliverable || delivery.outcome === "accepted") return null;
  const why = delivery.outcome === "refused" ? delivery.why_not_releasable : delivery.why_not_redeliverable ?? delivery.why_not_releasable;
  return why ? h("p", { class: "muted" }, "It cannot be released: ", sentence(why), ".") : null;
}

function results(delivery) {
  if (!delivery.results.length) return null;
  return [h("h3", {}, "Since then"), h("ul", { class: "plain" }, delivery.results.map((result) =>
    h("li", {}, time(result.time), " ", result.kind === "release" ? "released: " : "delivered again: ",
      h("a", { href: `#/deliveries/${encodeURIComponent(result.id)}` }, h("code", {}, result.reason), ` ${result.status}`))))];
}

async function explain(place, delivery) {
  if (!place || delivery.origin || !delivery.request) return advise(place, delivery);
  let found;
  try {
    found = await get(`api/deliveries/${encodeURIComponent(delivery.id)}/explain`);
  } catch {
    return advise(place, delivery);
  }
  if (delivery.verified && found.verified) return;
  const likely = found.likely.map((mistake) => h("li", {},
    h("span", { class: mistake.proven ? "tag good" : "tag" }, mistake.proven ? "proven" : "likely"), " ", sentence(mistake.advice)));
  place.replaceChildren(
    found.verified && h("p", { class: "note good" }, icon("accepted"), h("span", {}, "With the configuration in force now it ", h("strong", {}, "would verify"),
      found.secret ? [" (secret ", data(found.secret, { class: "code" }), ")"] : "", delivery.releasable ? ". Release it to forward it." : ".")) || "",
    !found.verified && found.reason !== delivery.reason ? h("p", { class: "said" }, "Now: ", sentence(found.detail)) : "",
    likely.length ? h("h3", {}, found.together ? "Only together these explain it" : likely.length > 1 ? "Likely mistakes, best first" : "Likely mistake") : "",
    likely.length ? h("ul", { class: "plain" }, likely) : "",
    found.facts.length ? h("details", {}, h("summary", {}, "What was seen"),
      h("dl", { class: "facts narrow" }, found.facts.map((fact) => h("div", {}, h("dt", {}, fact.about), h("dd", {}, sentence(fact.text)))))) : "");
  if (!likely.length && !found.verified) advise(place, delivery);
}

function advise(place, delivery) {
  const { todo } = reason(delivery.reason);
  if (place && todo) put(place, h("p", { class: "todo" }, todo));
}

function timeline(delivery) {
  const total = Math.max(1, delivery.took_us, ...delivery.timeline.map((moment) => moment.at_us));
  let before = 0;
  return h("ol", { class: "timeline" }, delivery.timeline.map((moment) => {
    const from = before;
    before = moment.at_us;
    return h("li", {}, h("span", {}, MOMENTS[moment.event] ?? moment.event), h("span", { class: "number" }, took(moment.at_us)),
      svg("svg", { class: "stretch", viewBox: "0 0 1000 6", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { class: "rail", width: 1000, height: 6 }),
        svg("rect", { class: moment.event === "upstream" ? "theirs" : "ours", x: (from / total) * 995, width: Math.max(5, ((moment.at_us - from) / total) * 1000), height: 6 })),
      h("span", { class: "number faint" }, moment.at_us > from ? `+${took(moment.at_us - from)}` : ""));
  }));
}

function facts(delivery) {
  const current = state.config?.hash === delivery.config_hash;
  const code = (text) => data(text, { class: "code" });
  const age = delivery.signature_age_ms;
  const rows = [
    ["Delivery", code(delivery.id)],
    ["Received", `${exact(delivery.time)}`],
    ["Sender", orDash(delivery.sender)],
    ["Client", orDash(delivery.client, code)],
    ["Request", delivery.method ? [code(delivery.method), " ", orDash(delivery.path, code)] : orDash(null)],
    ["Event", orDash(delivery.event_id, code)],
    ["Event type", orDash(delivery.event_type)],
    ["Attempt", delivery.attempt ? String(delivery.attempt) : orDash(null)],
    ["Secret that matched", orDash(delivery.secret)],
    ["Age of the signature", age === null ? orDash(null) : age < 0 ? `${span(-age)} ahead of our clock` : span(age)],
    ["Dedupe", delivery.dedupe.verdict ? VERDICTS[delivery.dedupe.verdict] ?? delivery.dedupe.verdict : orDash(null)],
    ["Dedupe key", delivery.dedupe.key ? [code(delivery.dedupe.key), " ", lookup(delivery.dedupe.key)] : orDash(null)],
    ["Upstream", delivery.upstream_status === null ? orDash(null) : `${delivery.upstream_status} after ${took(delivery.upstream_us)}`],
    ["Told to the sender", `${delivery.status} after ${took(delivery.took_us)}`],
    ["Body", `${size(delivery.received)} received, ${size(delivery.sent)} answered`],
    ["SHA-256", orDash(delivery.body_sha256, code)],
    ["XXH3-128", orDash(delivery.body_xxh128, code)],
    ["Configuration", [code(delivery.config_hash), current ? " (in force now)" : " (changed since)"]],
  ];
  return h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function lookup(key) {
  const place = h("span", {}, h("button", { type: "button", class: "small", onclick: async () => {
    try {
      const known = await get("api/dedupe", { key });
      place.replaceChildren(h("span", { class: "muted" }, `${STATES[known.state] ?? known.state}${known.until ? ` Remembered until ${toMinute(known.until)}.` : ""} `),
        (known.state === "accepted" || known.state === "released") ? h("button", { type: "button", class: "small", onclick: () => forget(key) }, "Forget …") : "");
    } catch (error) {
      toast(error.message, true);
    }
  } }, "Ask the store"));
  return place;
}

function request(delivery) {
  if (!delivery.request) {
    return h("section", { class: "card" }, h("h2", {}, "Request"), h("p", { class: "muted" }, "Headers and body are not kept for this one. The route's ",
      h("code", {}, "journal: { bodies: none | refused | all }"), " says which are."));
  }
  const { headers, redacted } = delivery.request;
  return h("section", { class: "card", "aria-labelledby": "request" }, h("h2", { id: "request" }, "Request"),
    h("p", { class: "code target" }, data(delivery.method ?? ""), " ", data(delivery.request.target)),
    redacted.length > 0 && h("p", { class: "muted" }, "Redacted: ", redacted.map((text, index) => [index ? ", " : "", data(text, { class: "code" })])),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Headers" }, h("table", { class: "headers" },
      h("caption", { class: "unseen" }, "Headers in the order received"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Header"), h("th", { scope: "col" }, "Value"))),
      h("tbody", {}, headers.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, data(name)), h("td", { class: value === "[redacted]" ? "muted" : "" }, data(value))))))),
    h("h3", {}, "Body"), panel(delivery));
}

async function asCurl(delivery) {
  try {
    const copied = await copy(curl(delivery, await whole(delivery)));
    if (copied) toast(delivery.request.redacted.length ? "Copied. Fill in what is redacted; set GATEWAY to the gateway's address." : "Copied. Set GATEWAY to the gateway's address.");
  } catch (error) {
    toast(error.message, true);
  }
}

async function asVector(delivery) {
  try {
    save(`${delivery.id}.vectors.yaml`, vector(delivery, await whole(delivery)), "application/yaml");
    toast("Saved. Put the secret in before it is used.");
  } catch (error) {
    toast(error.message, true);
  }
}
