// What the senders' file shares: signatures made without any SDK, and the change that makes a forgery.
import { createHash, createHmac } from "node:crypto";

export const ORIGIN = "https://hooks.example.com"; // where senders believe to deliver to; every route's `public_url`

export const hexmac = (secret, content) => createHmac("sha256", secret).update(content).digest("hex");
export const b64mac = (secret, content) => createHmac("sha256", secret).update(content).digest("base64");
export const sha256 = (content, form) => createHash("sha256").update(content).digest(form);
export const seconds = () => Math.floor(Date.now() / 1000);

/** A signer in the shape of Standard Webhooks. */
export const standard = (secret, prefix = "webhook") => (delivery) => {
  const id = `msg_${process.hrtime.bigint()}`;
  const sent = String(seconds());
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signature = `v1,${b64mac(key, `${id}.${sent}.${delivery.text}`)}`;
  return { [`${prefix}-id`]: id, [`${prefix}-timestamp`]: sent, [`${prefix}-signature`]: signature };
};

/** True if `promise` ends without an error: for SDKs that say no by throwing. */
export const refuses = async (promise) => {
  await promise;
  return true;
};

export class Delivery {
  constructor({ method = "POST", url, headers, body }) {
    Object.assign(this, { method, url, headers, body });
  }

  get text() {
    return this.body.toString("utf8");
  }

  get json() {
    return JSON.parse(this.text);
  }

  /** Path and query. */
  get target() {
    const { pathname, search } = new URL(this.url);
    return pathname + search;
  }

  copy() {
    return new Delivery({ ...this, headers: { ...this.headers }, body: Buffer.from(this.body) });
  }

  written() {
    const { method, url, headers, body } = this;
    return { method, url, headers, body: body.toString("base64") };
  }

  static read({ method, url, headers, body }) {
    const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
    return new Delivery({ method, url, headers: Object.fromEntries(lower), body: Buffer.from(body, "base64") });
  }
}

/** A copy in which one byte of what is signed is another one; `change` is empty or names a header. */
export function changed(delivery, change) {
  const copy = delivery.copy();
  if (change) {
    const value = copy.headers[change];
    const at = value.length - 3;
    copy.headers[change] = value.slice(0, at) + (value[at] === "A" ? "B" : "A") + value.slice(at + 1);
    return copy;
  }
  for (let at = copy.body.length - 1; at >= 0; at -= 1) {
    if (/[0-8A-Ya-y]/.test(String.fromCharCode(copy.body[at]))) {
      copy.body[at] += 1;
      return copy;
    }
  }
  throw new Error("there is no byte to change");
}
