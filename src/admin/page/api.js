// The admin API: one place that knows the token, asks for it, and reads the stream of deliveries.
import { h, put } from "./dom.js";

const KEPT = "sealpost-token";
const LONGEST_LINE = 1 << 20;
const SILENCE = 45_000; // the gateway says something every 15 s

let token = sessionStorage.getItem(KEPT);
let asking = null;

/** What the gateway answered instead of what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The answer as JSON. `query` leaves out what is empty. */
export async function get(path, query = {}, signal = undefined) {
  return (await ask("GET", path, query, {}, signal)).json();
}

/** Changes something. */
export async function post(path, query = {}) {
  return (await ask("POST", path, query)).json();
}

/** The answer as bytes. */
export async function bytes(path) {
  return new Uint8Array(await (await ask("GET", path)).arrayBuffer());
}

/** Also for answers that are not 2xx but say something, such as readiness. */
export async function status(path) {
  const answer = await send("GET", path, {}, {});
  return answer.json();
}

async function ask(method, path, query = {}, headers = {}, signal = undefined) {
  for (;;) {
    const used = token;
    const answer = await send(method, path, query, headers, signal);
    if (answer.ok) return answer;
    if (answer.status === 401) {
      // Somebody else may have been given the right one meanwhile.
      if (token === used) await newToken(used !== null);
      continue;
    }
    const said = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, typeof said.error === "string" ? said.error : `HTTP ${answer.status}`);
  }
}

function send(method, path, query, headers, signal) {
  const set = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const target = path + (set.length ? `?${new URLSearchParams(set)}` : "");
  const authorization = token === null ? {} : { Authorization: `Bearer ${token}` };
  // The mode stays `cors`: under `no-referrer` any other one sends `Origin: null`, which the gateway refuses.
  return fetch(target, {
    method,
    headers: { ...headers, ...authorization },
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
    signal,
  });
}

/** Asks the operator, once for everybody who waits. The token stays in this tab and goes with it. */
function newToken(wrong) {
  asking ??= new Promise((resolve) => {
    const field = h("input", {
      id: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true,
      "aria-describedby": "token-note",
    });
    const dialog = h("dialog", { class: "token", "aria-labelledby": "token-title" },
      h("form", { method: "dialog", onsubmit: (event) => {
        event.preventDefault();
        const given = field.value.trim();
        // What cannot stand in a header would end as an error that says nothing.
        if (!/^[\x21-\x7e]+$/.test(given)) return field.focus();
        token = given;
        sessionStorage.setItem(KEPT, token);
        dialog.close();
        dialog.remove();
        asking = null;
        resolve();
      } },
      h("h2", { id: "token-title" }, "Token"),
      wrong && h("p", { class: "error", role: "alert" }, "That token is not the right one."),
      h("p", { id: "token-note" }, "This gateway's admin address has a token (", h("code", {}, "admin.token"),
        "). It is kept in this tab only and forgotten when the tab is closed."),
      h("label", { for: "token" }, "Bearer token"), field,
      h("div", { class: "actions" }, h("button", { class: "primary", type: "submit" }, "Open"))));
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    put(document.getElementById("dialogs"), dialog);
    dialog.showModal();
    field.focus();
  });
  return asking;
}

/**
 * Reads the stream of deliveries until `signal` ends it, and connects again when it breaks.
 * `on` has `open()`, `delivery(summary)`, `lagged(missed)` and `lost(message)`.
 */
export async function stream(query, signal, on) {
  let last = null;
  let pause = 1_000;
  while (!signal.aborted) {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    signal.addEventListener("abort", end);
    let silence = setTimeout(end, SILENCE);
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const answer = await ask("GET", "api/deliveries/stream", query, headers, attempt.signal);
      on.open();
      pause = 1_000;
      for await (const event of events(answer.body, () => {
        clearTimeout(silence);
        silence = setTimeout(end, SILENCE);
      })) {
        if (event.id !== null) last = event.id;
        if (event.name === "delivery") on.delivery(JSON.parse(event.data));
        if (event.name === "lagged") on.lagged(JSON.parse(event.data).missed);
      }
    } catch (error) {
      if (!signal.aborted) on.lost(error instanceof Refused ? error.message : "");
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", end);
    }
    if (signal.aborted) return;
    on.lost("");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 15_000);
  }
}

/** Server-sent events; EventSource could not send the token. */
async function* events(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: "", id: null };
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    rest += value;
    if (rest.length > LONGEST_LINE) throw new Error("the stream has a line without end");
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (event.data !== "") yield event;
        event = { name: "message", data: "", id: null };
        continue;
      }
      const [, name, text] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "event") event.name = text;
      if (name === "data") event.data += text;
      if (name === "id") event.id = text;
    }
  }
}
