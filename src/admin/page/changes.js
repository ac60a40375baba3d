// What changes something: release, redeliver, forget, reload. Each says first what will happen, and afterwards what did.
import { post } from "./api.js";
import { data, h, put, toast } from "./dom.js";
import { ago, count, deliveries, toMinute } from "./format.js";
import { refreshSoon, route, state } from "./state.js";
import { reason } from "./words.js";

/** Asks; resolves to whether to go on. The focus goes back to where it was. */
export function confirm(title, action, ...content) {
  return new Promise((resolve) => {
    const before = document.activeElement;
    let answer = false;
    const dialog = h("dialog", { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text" },
      h("h2", { id: "dialog-title" }, title), h("div", { id: "dialog-text" }, content),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => dialog.close() }, action ? "Cancel" : "Close"),
        action && h("button", { type: "button", class: "primary", id: "dialog-go", onclick: () => {
          answer = true;
          dialog.close();
        } }, action)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(answer);
    });
    put(document.getElementById("dialogs"), dialog);
    dialog.showModal();
  });
}

function upstream(name) {
  const found = route(name);
  return found ? h("code", {}, found.upstream) : "the route's upstream";
}

/** One refused delivery. Resolves to the result, or null where nothing was done. */
export async function release(delivery) {
  const sure = await confirm("Release this delivery?", "Release",
    h("p", {}, "It is verified again as it was received (", toMinute(delivery.time), "), with the configuration in force now."),
    h("ul", {}, h("li", {}, "If it verifies, it is forwarded to ", upstream(delivery.route), "."),
      h("li", {}, "If it does not, it stays refused and nothing is forwarded."),
      h("li", {}, "If the sender's own retry was accepted meanwhile, it is a duplicate and not forwarded twice.")));
  if (!sure) return null;
  return done(() => post(`api/deliveries/${encodeURIComponent(delivery.id)}/release`), said);
}

/** One verified delivery once more. */
export async function redeliver(delivery) {
  const sure = await confirm("Deliver again?", "Deliver again",
    h("p", {}, "The same bytes go to ", upstream(delivery.route), " once more, past the dedupe store on purpose."),
    h("p", { class: "warn" }, delivery.outcome === "accepted" || delivery.outcome === "answered"
      ? "The upstream has accepted this event before and gets it a second time."
      : "The upstream may have seen this event already."));
  if (!sure) return null;
  return done(() => post(`api/deliveries/${encodeURIComponent(delivery.id)}/redeliver`), said);
}

function said(result) {
  if (result.result === "forwarded" && result.accepted) return `Forwarded: the upstream answered ${result.status}.`;
  if (result.result === "forwarded") return `Forwarded, but the upstream answered ${result.status}.`;
  if (result.result === "duplicate") return "Not needed: the upstream has accepted this event meanwhile.";
  return `Not forwarded: ${reason(result.result).title}${result.why ? ` (${result.why})` : ""}`;
}

async function done(change, words) {
  try {
    const result = await change();
    toast(words(result), !result.accepted);
    refreshSoon();
    return result;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
}

/** All refused deliveries of a route, of some reasons, since a moment. */
export async function releaseAll(name, { reasons = [], since = null, expected = null } = {}) {
  const words = reasons.map((word, index) => [index ? ", " : "", h("code", {}, word)]);
  const loaded = state.config ? ` (loaded ${ago(state.config.loaded_at * 1000)})` : "";
  const sure = await confirm("Release refused deliveries?", "Release all",
    h("p", {}, expected === null ? "All deliveries" : h("strong", {}, deliveries(expected)), " of ", data(name, { class: "strong" }), " that were refused",
      words.length ? [" with ", words] : "", since === null ? "" : ` since ${toMinute(since)}`, ":"),
    h("ul", {}, h("li", {}, `Each is verified again as it was received, with the configuration in force now${loaded}.`),
      h("li", {}, "Those that verify are forwarded to ", upstream(name), " in the order in which they came."),
      h("li", {}, "Those that do not stay refused, and can be released later."),
      h("li", {}, "What a sender's own retry has brought meanwhile is not forwarded twice.")));
  if (!sure) return null;
  return released({ route: name, reason: reasons.join(","), since: since === null ? "" : String(since) });
}

async function released(query) {
  const results = [];
  let accepted = 0;
  try {
    for (;;) {
      const part = await post("api/release", query);
      results.push(...part.results);
      accepted += part.accepted;
      if (!part.left) break;
      toast(`${deliveries(accepted)} released, ${count(part.left)} to go`);
      // What was refused again would be tried again: without progress there is no next round.
      if (!part.accepted) break;
    }
  } catch (error) {
    toast(error.message, true);
    return null;
  }
  refreshSoon();
  await report(results, accepted);
  return { results, accepted };
}

function report(results, accepted) {
  const rest = new Map();
  for (const result of results.filter((result) => !result.accepted)) {
    const word = result.result === "forwarded" ? `the upstream answered ${result.status}` : result.result;
    rest.set(word, (rest.get(word) ?? 0) + 1);
  }
  return confirm(results.length ? `${count(accepted)} of ${deliveries(results.length)} accepted` : "Nothing to release", "",
    h("p", {}, results.length === 0 ? "No refused delivery with a kept body matches. The route's journal.bodies says what is kept."
      : rest.size === 0 ? "The upstream has all of them." : "The upstream does not have these yet:"),
    rest.size > 0 && h("ul", {}, [...rest].map(([word, times]) => h("li", {}, `${count(times)} × `, h("code", {}, word)))));
}

/** Reads the configuration again. */
export async function reload() {
  try {
    const now = await post("api/reload");
    toast(now.needs_restart.length ? `Loaded. A restart is needed for ${now.needs_restart.join(", ")}.` : "The configuration was loaded again.");
  } catch (error) {
    toast(error.message, true);
  }
  refreshSoon();
}

/** Has the store forget an event. */
export async function forget(key) {
  const sure = await confirm("Forget this event?", "Forget",
    h("p", {}, "The dedupe store forgets that this event was accepted. Its next copy is forwarded to the upstream as if it were new."));
  if (!sure) return null;
  try {
    const result = await post("api/dedupe/forget", { key });
    toast(result.forgotten ? "Forgotten." : "There was nothing to forget.");
    return result;
  } catch (error) {
    toast(error.message, true);
    return null;
  }
}
