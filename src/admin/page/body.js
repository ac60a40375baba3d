// A body as it is: JSON laid out beside its raw text, bytes as hex. Numbers, repeated keys and order stay as they came.
import { bytes } from "./api.js";
import { h, put, shown, toast } from "./dom.js";
import { size } from "./format.js";
import { save } from "./exports.js";

const COLOURED = 20_000; // pieces of JSON that get a colour
const DRAWN = 256 * 1024; // bytes that are drawn at once
const DEEPEST = 40; // levels that are indented

const PIECE = /("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*)|(true|false|null)|([{}[\],:])/g;

/** The text laid out, as pieces `[kind, text]`; null if it is no JSON. */
export function laidOut(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const pieces = [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  let before = "";
  for (const [, string, number, word, sign] of text.matchAll(PIECE)) {
    if (sign === "{" || sign === "[") {
      if (before === "{" || before === "[") pieces.push(["", line()]);
      depth += 1;
      pieces.push(["sign", sign]);
    } else if (sign === "}" || sign === "]") {
      depth -= 1;
      if (before !== "{" && before !== "[") pieces.push(["", line()]);
      pieces.push(["sign", sign]);
    } else if (sign === ",") {
      pieces.push(["sign", ","], ["", line()]);
    } else if (sign === ":") {
      pieces.push(["sign", ": "]);
      const name = pieces[pieces.length - 2];
      if (name[0] === "string") name[0] = "name";
    } else {
      if (before === "{" || before === "[") pieces.push(["", line()]);
      pieces.push([string ? "string" : number ? "number" : "word", string ?? number ?? word]);
    }
    before = sign ?? "";
  }
  return pieces;
}

function json(pieces) {
  const place = h("code", { class: "json" });
  if (pieces.length > COLOURED) return put(place, shown(pieces.map(([, text]) => text).join(""), "\n"));
  for (const [kind, text] of pieces) {
    const made = shown(text, "\n");
    if (kind === "" || kind === "sign") place.append(...made);
    else place.append(h("span", { class: kind }, made));
  }
  return place;
}

/** Sixteen bytes a line: offset, hex, what of it is text. */
export function hex(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.subarray(at, at + 16)];
    const codes = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = row.map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${codes.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

/** The panel of a delivery's body. */
export function panel(delivery) {
  const { request } = delivery;
  const place = h("div", { class: "bodies" });
  let text = request.body;
  let whole = null;
  let cut = request.body_truncated || text === null;

  async function load() {
    whole ??= await bytes(`api/deliveries/${encodeURIComponent(delivery.id)}/body`);
    return whole;
  }
  async function all() {
    const data = await load();
    cut = data.length > DRAWN;
    text = decoded(data.subarray(0, DRAWN), cut);
    draw();
  }
  async function tried(work) {
    try {
      await work();
    } catch (error) {
      toast(error.message, true);
    }
  }
  function draw() {
    const pieces = text === null || cut ? null : laidOut(text);
    place.replaceChildren();
    if (delivery.received === 0) return put(place, h("p", { class: "muted" }, "The body is empty."));
    if (pieces) put(place, view("Laid out", "pretty", json(pieces)));
    if (text === null && whole === null) put(place, h("p", { class: "muted" }, `${size(delivery.received)} that are no UTF-8 text.`));
    if (text !== null) put(place, view(pieces ? "As received" : "Text", "raw", h("code", {}, shown(text, "\n\t"))));
    else if (whole !== null) put(place, view("Bytes", "hex", h("code", {}, hex(whole.subarray(0, 16 * 1024)))));
    put(place, h("p", { class: "actions start" },
      cut && text !== null && h("span", { class: "muted" }, `The first ${size(new TextEncoder().encode(text).length)} of ${size(delivery.received)}. `),
      request.body_truncated && whole === null && h("button", { type: "button", id: "load-all", onclick: () => tried(all) }, `Load all (${size(delivery.received)})`),
      text === null && whole === null && h("button", { type: "button", onclick: () => tried(async () => { await load(); draw(); }) }, "Show the bytes"),
      text !== null && h("button", { type: "button", id: "as-bytes", onclick: (event) => {
        event.currentTarget.remove();
        tried(async () => put(place, view("Bytes", "hex", h("code", {}, hex((await load()).subarray(0, 16 * 1024))))));
      } }, "As bytes"),
      h("button", { type: "button", onclick: () => tried(async () => save(`${delivery.id}.body`, await load(), "application/octet-stream")) }, "Download")));
  }
  draw();
  return place;
}

function decoded(data, cut) {
  try {
    // A character may be cut in two at the end; only then is a broken end no reason to call it binary.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data, { stream: cut });
  } catch {
    return null;
  }
}

function view(title, kind, content) {
  return h("section", { class: `view ${kind}` }, h("h4", {}, title),
    h("pre", { tabindex: "0", role: "region", "aria-label": `Body: ${title.toLowerCase()}` }, content));
}
