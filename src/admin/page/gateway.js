// The gateway itself: ready or not, the configuration in force, stores, and secrets that first contacts brought.
import { reload } from "./changes.js";
import { data, h, orDash } from "./dom.js";
import { ago, count, exact, size, time } from "./format.js";
import { state } from "./state.js";

export function gateway() {
  const { config, ready, stats, contacts } = state;
  const held = stats?.journal;
  return h("div", {}, h("h1", { tabindex: "-1" }, "Gateway"),
    h("div", { class: "columns even" },
      card("Readiness", [
        ["State", ready ? h("strong", {}, ready.status === "ready" ? "Ready" : "Not ready") : orDash(null)],
        ...(ready?.reasons ?? []).map((why) => ["Because", data(why)]),
        ["Dedupe store", !ready ? orDash(null) : ready.status === "ready" ? "reachable" : (ready.reasons ?? []).some((why) => /store/i.test(why)) ? "failing, see above" : "reachable"],
        ["Running since", stats ? `${time(stats.started)} (${ago(stats.started)})` : orDash(null)],
      ]),
      card("Configuration", config ? [
        ["Hash", data(config.hash, { class: "code" })],
        ["Loaded", h("span", { title: exact(config.loaded_at * 1000) }, `${time(config.loaded_at * 1000)} (${ago(config.loaded_at * 1000)})`)],
        ["Routes", count(config.routes)],
        ["Last error", config.last_error ? [config.last_error_at ? `${ago(config.last_error_at * 1000)}: ` : "", data(config.last_error)] : "none"],
        ["Needs a restart", config.needs_restart.length ? config.needs_restart.join(", ") : "nothing"],
      ] : [], h("button", { type: "button", id: "reload", onclick: reload }, "Load again")),
      card("Journal", held ? [
        ["State", !held.enabled ? "off" : held.durable ? "on disk" : "in memory: a restart empties it"],
        ["Held", `${count(held.entries)} deliveries, ${size(held.bytes)}`],
        ["Oldest", held.oldest ? `${time(held.oldest)} (${ago(held.oldest)})` : orDash(null)],
        ["Not taken down", held.dropped ? `${count(held.dropped)} since the start: more came than could be written` : "none"],
        ["Error", held.error ? data(held.error) : "none"],
      ] : [])),
    config?.warnings.length ? h("section", { class: "card" }, h("h2", {}, "Warnings"), h("ul", {}, config.warnings.map((warning) => h("li", {}, data(warning))))) : null,
    h("section", { class: "card" }, h("h2", {}, "First contacts"),
      contacts.length ? [h("p", {}, "These senders hand over their secret in their first request. Put each into the route's ", h("code", {}, "secrets"), "; it then disappears from here."),
        h("div", { class: "scroll" }, h("table", {}, h("caption", { class: "unseen" }, "Secrets that first contacts brought"), h("thead", {}, h("tr", {}, ["Route", "Provider", "Secret", "From", "When"].map((name) => h("th", { scope: "col" }, name)))),
          h("tbody", {}, contacts.map((contact) => h("tr", {}, h("th", { scope: "row" }, data(contact.route)), h("td", {}, orDash(contact.provider)), h("td", {}, secret(contact.value)),
            h("td", {}, orDash(contact.client)), h("td", {}, time(contact.at * 1000)))))))] : h("p", { class: "muted" }, "None.")));
}

/** Hidden until it is asked for: screens are shared. */
function secret(value) {
  return h("button", { type: "button", class: "small", onclick: (event) => event.currentTarget.replaceWith(data(value, { class: "code" })) }, "Show");
}

function card(title, rows, ...more) {
  return h("section", { class: "card" }, h("h2", {}, title), h("dl", { class: "facts narrow" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))), more);
}
