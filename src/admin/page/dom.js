// Builds the page. Text from outside only ever becomes a text node or an attribute that cannot run: there is no
// innerHTML anywhere, and no address of a link or a request is taken from a delivery as it is.

/** Controls, and what changes the direction or the look of a text without being seen. */
const UNSEEN = new RegExp(
  "[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb]|[\\u{e0000}-\\u{e0fff}]|[\\ud800-\\udfff]",
  "gu",
);

/** A text node for each run of plain text, and a marked `U+202E` for each character that could deceive. */
export function shown(text, keep = "") {
  const parts = [];
  let from = 0;
  for (const match of text.matchAll(UNSEEN)) {
    if (keep.includes(match[0])) continue;
    if (match.index > from) parts.push(document.createTextNode(text.slice(from, match.index)));
    const mark = document.createElement("span");
    mark.className = "unseen-character";
    mark.textContent = `U+${match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    parts.push(mark);
    from = match.index + match[0].length;
  }
  if (from < text.length) parts.push(document.createTextNode(text.slice(from)));
  return parts;
}

/** Appends strings, numbers, nodes and lists of them; leaves out null and false. */
export function put(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    if (child instanceof Node) parent.append(child);
    else parent.append(...shown(String(child)));
  }
  return parent;
}

/** `h("p", { class: "x", onclick: f }, …children)`. A function is a listener, true an attribute without value. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  set(element, attributes);
  return put(element, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  set(element, attributes);
  return put(element, children);
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** Text from outside, isolated so that its direction does not reach its neighbours. */
export function data(text, attributes = {}) {
  return h("bdi", attributes, text);
}

/** A sentence of the gateway's: what stands in backticks is code. */
export function sentence(text) {
  return h("bdi", {}, text.split(/(`[^`]+`)/).map((part) => (/^`.+`$/.test(part) ? h("code", {}, part.slice(1, -1)) : part)));
}

/** Only what is set, with a dash for the rest. */
export function orDash(value, make = data) {
  return value === null || value === undefined || value === "" ? h("span", { class: "faint" }, "–") : make(value);
}

/** Says something to screen readers, at most once in ten seconds; what comes between is dropped for the newest. */
let waiting = null;
let said = 0;
export function announce(text) {
  const say = () => {
    said = Date.now();
    document.getElementById("announce").textContent = waiting;
    waiting = null;
  };
  const first = waiting === null;
  waiting = text;
  if (first) setTimeout(say, Math.max(0, said + 10_000 - Date.now()));
}

/** A short message that goes by itself. */
let going;
export function toast(text, bad = false) {
  const place = document.getElementById("toast");
  place.replaceChildren(h("p", { class: bad ? "bad" : "" }, text));
  clearTimeout(going);
  going = setTimeout(() => place.replaceChildren(), bad ? 12_000 : 5_000);
}
