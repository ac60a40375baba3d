// A delivery to take away: as a curl command, as a vector for tests, as a file.
import { bytes } from "./api.js";
import { h } from "./dom.js";
import { confirm } from "./changes.js";

/** Headers that belong to the connection or that curl makes itself. */
const OWN = new Set(["host", "content-length", "connection", "transfer-encoding", "keep-alive", "te", "upgrade", "expect", "proxy-connection"]);
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;

/** Quoted so that a shell takes it as one word, whatever it holds. */
export function quoted(text) {
  if (!CONTROLS.test(text) && !text.includes("\n")) return `'${text.replaceAll("'", "'\\''")}'`;
  const encoded = [...new TextEncoder().encode(text)].map((byte) =>
    byte > 0x1f && byte < 0x7f && byte !== 0x27 && byte !== 0x5c ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`);
  return `$'${encoded.join("")}'`;
}

/** The delivery as a command for bash. A body that is no plain text goes through base64. */
export function curl(delivery, body) {
  const { request } = delivery;
  const lines = ["curl --path-as-is --globoff"];
  if (delivery.method && delivery.method !== "POST") lines.push(`--request ${quoted(delivery.method)}`);
  // The gateway's own address is not told by its admin address; an origin-form target begins with a slash.
  lines.push(`--url "\${GATEWAY:-http://127.0.0.1:8080}"${quoted(request.target)}`);
  const sent = request.headers.filter(([name]) => !OWN.has(name.toLowerCase()));
  for (const [name, value] of sent) lines.push(`--header ${quoted(value === "" ? `${name};` : `${name}: ${value}`)}`);
  for (const unasked of ["accept", "user-agent", "content-type"]) {
    if (!sent.some(([name]) => name.toLowerCase() === unasked)) lines.push(`--header '${unasked}:'`);
  }
  const text = plain(body);
  if (text !== null) lines.push(`--data-raw ${quoted(text)}`);
  else lines.push("--data-binary @-");
  const command = lines.join(" \\\n  ");
  return text === null ? `echo ${base64(body)} | base64 -d | ${command}` : command;
}

function plain(body) {
  if (body.length > 64 * 1024) return null;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body);
    return CONTROLS.test(text) || text.includes("\r") ? null : text;
  } catch {
    return null;
  }
}

function base64(body) {
  let text = "";
  for (let at = 0; at < body.length; at += 0x8000) text += String.fromCharCode(...body.subarray(at, at + 0x8000));
  return btoa(text);
}

/**
 * The delivery as a vector, in the form of a provider's `vectors`. JSON strings are YAML strings as well.
 * The secret is not known here, and what is redacted has to be filled in.
 */
export function vector(delivery, body) {
  const { request } = delivery;
  const text = JSON.stringify;
  const headers = new Map();
  for (const [name, value] of request.headers) {
    if (OWN.has(name.toLowerCase())) continue;
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  const refusals = /^(signature|timestamp)_(missing|malformed|mismatch|too_old|in_future)$/;
  const lines = [
    `# Delivery ${delivery.id.replace(/[^\w-]/g, "_")}, saved from the admin page.`,
    "# Put the secret in; then it runs as a vector of the sender: sealpost providers check FILE",
    ...(request.redacted.length ? [`# These values were redacted: ${request.redacted.map((place) => text(place)).join(", ")}`] : []),
    "vectors:",
    `  - name: ${text(`${delivery.event_type ?? delivery.sender ?? "delivery"} ${delivery.id}`)}`,
    "    origin: computed",
    '    secret: "THE ROUTE\'S SECRET"',
    `    method: ${text(delivery.method ?? "POST")}`,
    `    url: ${text(`https://${delivery.request.headers.find(([name]) => name.toLowerCase() === "host")?.[1] ?? "hooks.example.com"}${request.target}`)}`,
    `    now: ${Math.floor(delivery.time / 1000)}`,
    "    headers:",
    ...[...headers].map(([name, values]) => `      ${text(name)}: ${values.length === 1 ? text(values[0]) : text(values)}`),
  ];
  const readable = plain(body);
  lines.push(readable === null ? `    body_base64: ${text(base64(body))}` : `    body: ${text(readable)}`);
  if (refusals.test(delivery.reason)) lines.push(`    expect: ${delivery.reason}`);
  else {
    if (delivery.event_id) lines.push(`    id: ${text(delivery.event_id)}`);
    if (delivery.event_type) lines.push(`    type: ${text(delivery.event_type)}`);
  }
  // What YAML does not let stand in a file as it is stands there as an escape.
  return `${lines.join("\n").replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`;
}

/** The kept bytes of a delivery's body. */
export function whole(delivery) {
  return delivery.received === 0 ? new Uint8Array() : bytes(`api/deliveries/${encodeURIComponent(delivery.id)}/body`);
}

/** Hands a file to the browser. */
export function save(name, content, type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = h("a", { href: address, download: name.replace(/[^\w.-]/g, "_") });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Puts text on the clipboard; where the browser does not allow it (plain HTTP beyond loopback) it is shown to be copied. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = h("textarea", { readonly: true, rows: "12", "aria-label": "To be copied" });
    field.value = text;
    setTimeout(() => field.select());
    await confirm("Copy this", "", field);
    return false;
  }
}
