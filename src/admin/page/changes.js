// What changes something: release, redeliver, forget, reload. Each says first what will happen, and afterwards what did.
import { post } from "./api.js";
import { data, h, put, sentence, toast } from "./dom.js";
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

/** All refused deliveries of a route, of some reasons, since a moment. `narrowed`: the list that was looked at shows fewer. */
export async function releaseAll(name, { reasons = [], since = null, expected = null, narrowed = false } = {}) {
  const words = reasons.map((word, index) => [index ? ", " : "", h("code", {}, word)]);
  const loaded = state.config ? ` (loaded ${ago(state.config.loaded_at * 1000)})` : "";
  const sure = await confirm("Release refused deliveries?", "Release all",
    h("p", {}, expected === null ? "All deliveries" : h("strong", {}, deliveries(expected)), " of ", data(name, { class: "strong" }), " that were refused",
      words.length ? [" with ", words] : "", since === null ? "" : ` since ${toMinute(since)}`, ":"),
    narrowed && h("p", { class: "strong" }, "A release goes by route, reason and time alone: those that the list does not show now are tried as well."),
    h("ul", {}, h("li", {}, `Each is verified again as it was received, with the configuration in force now${loaded}.`),
      h("li", {}, "Those that verify are forwarded to ", upstream(name), " in the order in which they came."),
      h("li", {}, "Those that do not stay refused, and can be released later."),
      h("li", {}, "What a sender's own retry has brought meanwhile is not forwarded twice.")));
  if (!sure) return null;
  return released({ route: name, reason: reasons.join(","), since: since === null ? "" : String(since) });
}

/** Deliveries of one call, so that it can be said how far it is. */
const AT_ONCE = 250;

/** Call after call until nothing is left. What was not accepted is not tried twice: each call goes on behind the last one. */
async function released(query) {
  const all = { route: query.route, results: [], accepted: 0, left: 0, stopped: null, ended: null };
  const going = progress(() => { all.ended ??= "You stopped it."; });
  try {
    for (let after = ""; after !== null && all.ended === null;) {
      const part = await post("api/release", { ...query, after, limit: String(AT_ONCE) });
      all.results.push(...part.results);
      all.accepted += part.accepted;
      all.left = part.left;
      all.stopped = part.stopped;
      after = part.next;
      if (after !== null) going.tell(all);
    }
  } catch (error) {
    all.ended = `${error.message}.`;
  }
  going.close();
  refreshSoon();
  await report(all);
  return all;
}

/** How far a release is. It appears with the first thing it has to tell; closing it stops after the call under way. */
function progress(stop) {
  const bar = h("progress", { "aria-label": "Tried so far" });
  const words = h("p", { role: "status" });
  const dialog = h("dialog", { class: "progress", "aria-labelledby": "progress-title" },
    h("h2", { id: "progress-title" }, "Releasing"), bar, words,
    h("div", { class: "actions" }, h("button", { type: "button", id: "progress-stop", onclick: () => dialog.close() }, "Stop")));
  let over = false;
  dialog.addEventListener("close", () => {
    if (!over) stop();
    over = true;
    dialog.remove();
  });
  return {
    tell({ results, accepted, left }) {
      if (over) return;
      if (!dialog.isConnected) {
        put(document.getElementById("dialogs"), dialog);
        dialog.showModal();
      }
      bar.max = results.length + left;
      bar.value = results.length;
      words.textContent = `${count(results.length)} tried, ${count(accepted)} accepted, ${count(left)} to go`;
    },
    close() {
      over = true;
      dialog.close();
      dialog.remove();
    },
  };
}

function report({ route, results, accepted, left, stopped, ended }) {
  const rest = new Map();
  for (const result of results.filter((result) => !result.accepted)) {
    const kind = result.result === "forwarded" ? `forwarded ${result.status}` : result.result;
    const known = rest.get(kind) ?? { times: 0, result };
    rest.set(kind, { ...known, times: known.times + 1 });
  }
  return confirm(results.length ? `${count(accepted)} of ${deliveries(results.length)} accepted` : "Nothing to release", "",
    results.length > 0 || ended === null
      ? h("p", {}, results.length === 0 ? "No refused delivery with a kept body matches. The route's journal.bodies says what is kept."
        : rest.size === 0 ? `The upstream has all of ${left ? "these" : "them"}.` : "The upstream does not have these yet:") : null,
    rest.size > 0 && h("ul", {}, [...rest.values()].map(({ times, result }) => h("li", {}, `${count(times)} × `, declined(result, times)))),
    stopped !== null && h("p", { class: "warn" }, "It stopped ", stopped === "forwarded" ? "there" : ["at ", h("code", {}, stopped)],
      ": what comes later would overtake. Release again once that is mended."),
    ended !== null && h("p", { class: "warn" }, ended),
    left > 0 && h("p", {}, `${deliveries(left)} of `, data(route), left === 1 ? " was" : " were", " not tried and can be released later."));
}

/** Why the upstream does not have it: in plain words, and exactly for one of them. */
function declined(result, times) {
  if (result.result === "forwarded") return `the upstream answered ${result.status}`;
  const why = result.why === null ? "" : [times > 1 ? "; the first: " : ": ", sentence(result.why)];
  if (result.result === "not_possible") return ["not possible", why];
  return [h("code", {}, result.result), ` (${reason(result.result).title})`, why];
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
