// A second reading, by the JavaScript SDK, of some senders that ../python has as well. The rows are those of senders.mjs.
import { createPrivateKey, createPublicKey, sign as signWithKey } from "node:crypto";
import { Paddle } from "@paddle/paddle-node-sdk";
import * as discord from "discord-interactions";
import * as gocardless from "gocardless-nodejs";
import { AccessToken, WebhookReceiver } from "livekit-server-sdk";
import Pusher from "pusher";
import { hexmac, seconds, sha256 } from "./kit.mjs";

const SECRET = "sealpost-sdks-cross-check-secret";
const paddle = new Paddle("unused");
const pusher = new Pusher({ appId: "1", key: "key1", secret: SECRET, cluster: "eu" });

// An Ed25519 private key is this prefix and 32 bytes.
const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
const seed = Buffer.concat([prefix, Buffer.from("sealpost-sdks-cross-check-key-02")]);
const ed25519 = createPrivateKey({ key: seed, format: "der", type: "pkcs8" });
const ed25519Public = createPublicKey(ed25519).export({ format: "der", type: "spki" }).subarray(-32).toString("hex");

export const SECOND = [
  {
    name: "discord",
    package: "discord-interactions",
    secret: ed25519Public,
    signingSecret: ed25519.export({ format: "pem", type: "pkcs8" }),
    body: { id: "2", type: 2, data: { name: "roll" } },
    signs: false,
    sign: (d) => {
      const sent = String(seconds());
      const signature = signWithKey(null, Buffer.from(sent + d.text), ed25519).toString("hex");
      return { "X-Signature-Timestamp": sent, "X-Signature-Ed25519": signature };
    },
    verify: (d) => discord.verifyKey(d.body, d.headers["x-signature-ed25519"], d.headers["x-signature-timestamp"], ed25519Public),
  },
  {
    name: "gocardless",
    package: "gocardless-nodejs",
    secret: SECRET,
    body: { events: [{ id: "EV2", action: "paid_out", resource_type: "payments" }], meta: { webhook_id: "WB2" } },
    signs: false,
    sign: (d) => ({ "Webhook-Signature": hexmac(SECRET, d.body) }),
    verify: (d) => gocardless.parse(d.text, SECRET, d.headers["webhook-signature"]),
  },
  {
    name: "paddle",
    package: "@paddle/paddle-node-sdk",
    secret: SECRET,
    body: { event_id: "pd_2", event_type: "transaction.paid", note: "as sent" },
    signs: false,
    sign: (d) => {
      const sent = seconds();
      return { "Paddle-Signature": `ts=${sent};h1=${hexmac(SECRET, `${sent}:${d.text}`)}` };
    },
    verify: (d) => paddle.webhooks.isSignatureValid(d.text, SECRET, d.headers["paddle-signature"]),
  },
  {
    name: "pusher",
    package: "pusher",
    secret: SECRET,
    body: () => ({ time_ms: Date.now(), events: [{ name: "channel_vacated", channel: "c" }] }),
    headers: { "x-pusher-key": "key1" },
    sign: (d) => ({ "X-Pusher-Signature": new Pusher.Token("key1", SECRET).sign(d.text) }),
    verify: (d) => pusher.webhook({ headers: { "x-pusher-key": "key1", ...d.headers }, rawBody: d.text }).isValid(),
  },
  {
    name: "livekit",
    package: "livekit-server-sdk",
    secret: SECRET,
    body: { event: "room_finished", id: "EV_2", room: { name: "r" } },
    sign: async (d) => {
      const token = new AccessToken("key1", SECRET, { ttl: 300 });
      token.sha256 = sha256(d.body, "base64");
      return { Authorization: await token.toJwt() };
    },
    verify: (d) => new WebhookReceiver("key1", SECRET).receive(d.text, d.headers.authorization),
    differs: "the SDK wants the API key's name as iss, which sealpost sign does not know",
  },
];
