// The senders whose SDK is read in JavaScript.
// A row: `sign` adds headers to a delivery and is marked `signs: false` where the SDK has no function for it; `verify` says
// true or false or throws; `change` names the header that makes the forgery where it is not a byte of the body.
import { verifyWebhook as clerk } from "@clerk/backend/webhooks";
import * as hygraph from "@hygraph/utils";
import { signatureHelper as kontent } from "@kontent-ai/webhook-helper";
import { EventDispatcher } from "@larksuiteoapi/node-sdk";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { WebhookHandler as Liveblocks } from "@liveblocks/node";
import Mux from "@mux/mux-node";
import { Nango } from "@nangohq/node";
import * as notion from "@notionhq/client";
import * as octokit from "@octokit/webhooks-methods";
import { Webhook as portone } from "@portone/server-sdk";
import * as sanity from "@sanity/webhook";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import * as vonage from "@vonage/jwt";
import * as chargebee from "chargebee";
import { Crisp } from "crisp-api";
import jsonwebtoken from "jsonwebtoken";
import smartcar from "smartcar";
import { WebflowClient } from "webflow-api";
import { b64mac, hexmac, refuses, seconds, sha256, standard } from "./kit.mjs";

const SECRET = "sealpost-sdks-cross-check-secret";
const LONG = SECRET + SECRET; // 64 characters, as Contentful insists
const WHSEC = `whsec_${Buffer.from("sealpost-sdks-cross-check-key-01").toString("base64")}`;

const shopify = shopifyApi({
  apiKey: "key",
  apiSecretKey: SECRET,
  hostName: "hooks.example.com",
  apiVersion: ApiVersion.July26 ?? Object.values(ApiVersion).at(-1),
  isEmbeddedApp: false,
  logger: { level: 0 },
});
const mux = new Mux({ tokenId: "id", tokenSecret: "secret", webhookSecret: SECRET });
const nango = new Nango({ secretKey: "unused", webhookSigningKey: SECRET });
const crisp = new Crisp();
const webflow = new WebflowClient({ accessToken: "unused" });
const basic = (text) => `Basic ${Buffer.from(text).toString("base64")}`;

export const SENDERS = [
  {
    name: "github",
    package: "@octokit/webhooks-methods",
    secret: SECRET,
    body: { zen: "as sent", hook_id: 1 },
    headers: { "x-github-event": "ping", "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958" },
    sign: async (d) => ({ "X-Hub-Signature-256": await octokit.sign(SECRET, d.text) }),
    verify: (d) => octokit.verify(SECRET, d.text, d.headers["x-hub-signature-256"]),
  },
  {
    name: "shopify",
    package: "@shopify/shopify-api",
    secret: SECRET,
    body: { id: 820982911946154500, email: "as@example.com" },
    signs: false,
    sign: (d) => ({ "X-Shopify-Hmac-Sha256": b64mac(SECRET, d.body) }),
    verify: async (d) => {
      const sent = {
        "x-shopify-topic": "orders/create",
        "x-shopify-shop-domain": "a.myshopify.com",
        "x-shopify-api-version": "2026-07",
        "x-shopify-webhook-id": "w1",
      };
      const rawRequest = { method: "POST", url: d.target, headers: { ...sent, ...d.headers } };
      return (await shopify.webhooks.validate({ rawBody: d.text, rawRequest })).valid;
    },
  },
  {
    name: "mux",
    package: "@mux/mux-node",
    secret: SECRET,
    body: { id: "mx1", type: "video.asset.ready" },
    sign: async (d) => {
      const sent = seconds();
      return { "Mux-Signature": `t=${sent},v1=${await mux.webhooks.computeSignature(`${sent}.${d.text}`, SECRET)}` };
    },
    verify: (d) => refuses(mux.webhooks.verifySignature(d.text, d.headers)),
  },
  {
    name: "liveblocks",
    package: "@liveblocks/node",
    secret: WHSEC,
    body: { type: "storageUpdated", data: { roomId: "r1" } },
    signs: false,
    sign: standard(WHSEC),
    verify: (d) => new Liveblocks(WHSEC).verifyRequest({ headers: d.headers, rawBody: d.text }),
  },
  {
    name: "clerk",
    package: "@clerk/backend",
    secret: WHSEC,
    body: { type: "user.created", data: { id: "user_1" } },
    signs: false,
    sign: standard(WHSEC, "svix"),
    verify: (d) => clerk(new Request(d.url, { method: "POST", headers: d.headers, body: d.body }), { signingSecret: WHSEC }),
  },
  {
    name: "portone",
    package: "@portone/server-sdk",
    secret: WHSEC,
    body: { type: "Transaction.Paid", timestamp: "2026-01-01T00:00:00Z", data: { paymentId: "p1" } },
    signs: false,
    sign: standard(WHSEC),
    verify: (d) => portone.verify(WHSEC, d.text, d.headers),
  },
  {
    name: "sanity",
    package: "@sanity/webhook",
    secret: SECRET,
    body: { _id: "sn1", _type: "post" },
    sign: async (d) => ({ "sanity-webhook-signature": await sanity.encodeSignatureHeader(d.text, Date.now(), SECRET) }),
    verify: (d) => sanity.isValidSignature(d.text, d.headers["sanity-webhook-signature"], SECRET),
  },
  {
    name: "hygraph",
    package: "@hygraph/utils",
    secret: SECRET,
    body: '{"operation":"publish","data":{"id":"hy1","title":"a \\"quoted\\" line\\n and Zürich"}}',
    sign: (d) => {
      const signed = { rawPayload: d.text, environmentName: "master", secret: SECRET };
      return { "gcms-signature": hygraph.generateWebhookSignature(signed) };
    },
    verify: (d) => hygraph.verifyWebhookSignature({ rawPayload: d.text, signature: d.headers["gcms-signature"], secret: SECRET }),
    differs: "the SDK reads sign, env and t by their places and with a space after the comma; sealpost sign writes t, env, sign",
  },
  {
    name: "kontent-ai",
    package: "@kontent-ai/webhook-helper",
    secret: SECRET,
    body: { notifications: [{ message: { object_type: "content_item", action: "published" } }] },
    sign: (d) => ({ "X-Kontent-ai-Signature": kontent.getHashFromString(d.text, SECRET) }),
    verify: (d) => kontent.isValidSignatureFromString(d.text, SECRET, d.headers["x-kontent-ai-signature"]),
  },
  {
    name: "notion",
    package: "@notionhq/client",
    secret: `secret_${SECRET}`,
    body: { id: "nt1", type: "page.created" },
    sign: async (d) => ({
      "X-Notion-Signature": await notion.signWebhookPayload({ body: d.text, verificationToken: `secret_${SECRET}` }),
    }),
    verify: (d) =>
      notion.verifyWebhookSignature({
        body: d.text,
        signature: d.headers["x-notion-signature"],
        verificationToken: `secret_${SECRET}`,
      }),
  },
  {
    name: "lark-feishu",
    package: "@larksuiteoapi/node-sdk",
    secret: SECRET,
    body: { schema: "2.0", header: { event_id: "lk1", event_type: "sealpost.check" }, event: { text: "as sent" } },
    signs: false,
    sign: (d) => {
      const sent = String(seconds());
      const signature = sha256(`${sent}nonce42${SECRET}${d.text}`, "hex");
      return { "X-Lark-Request-Timestamp": sent, "X-Lark-Request-Nonce": "nonce42", "X-Lark-Signature": signature };
    },
    verify: async (d) => {
      const dispatcher = new EventDispatcher({ encryptKey: SECRET }).register({ "sealpost.check": () => "handled" });
      return (await dispatcher.invoke(Object.assign(Object.create({ headers: d.headers }), d.json))) === "handled";
    },
  },
  {
    name: "linear",
    package: "@linear/sdk",
    secret: SECRET,
    body: () => ({
      action: "create",
      type: "Issue",
      data: { id: "li1" },
      createdAt: "2026-01-01",
      webhookTimestamp: Date.now(),
      note: "as sent",
    }),
    signs: false,
    sign: (d) => ({ "Linear-Signature": hexmac(SECRET, d.body) }),
    verify: (d) => new LinearWebhookClient(SECRET).verify(d.body, d.headers["linear-signature"]),
  },
  {
    name: "vonage",
    package: "@vonage/jwt",
    secret: SECRET,
    body: { message_uuid: "vo1", status: "delivered" },
    signs: false,
    sign: (d) => {
      const claims = { iss: "Vonage", iat: seconds(), jti: `jti-${Date.now()}`, api_key: "key", payload_hash: sha256(d.body, "hex") };
      return { Authorization: `Bearer ${jsonwebtoken.sign(claims, SECRET, { algorithm: "HS256" })}` };
    },
    verify: (d) => {
      const token = d.headers.authorization.slice("Bearer ".length);
      return vonage.verifySignature(token, SECRET) && jsonwebtoken.decode(token).payload_hash === sha256(d.body, "hex");
    },
    note: "the SDK checks the token; the hash in it is compared here, as the sender's documents show",
  },
  {
    name: "nango",
    package: "@nangohq/node",
    secret: SECRET,
    body: { from: "nango", type: "auth", connectionId: "na1" },
    signs: false,
    sign: (d) => ({ "X-Nango-Hmac-Sha256": hexmac(SECRET, d.body) }),
    verify: (d) => nango.verifyIncomingWebhookRequest(d.text, d.headers),
  },
  {
    name: "smartcar",
    package: "smartcar",
    secret: SECRET,
    body: { eventId: "sc1", eventType: "VEHICLE_STATE", data: { vehicle: "v1" } },
    sign: (d) => ({ "SC-Signature": smartcar.hashChallenge(SECRET, d.text) }),
    verify: (d) => smartcar.verifyPayload(SECRET, d.headers["sc-signature"], d.json),
  },
  {
    name: "chargebee",
    package: "chargebee",
    secret: "user:sealpost-sdks-cross-check",
    body: { id: "ev_1", event_type: "subscription_created" },
    signs: false,
    sign: () => ({ Authorization: basic("user:sealpost-sdks-cross-check") }),
    verify: (d) =>
      refuses(chargebee.basicAuthValidator((user, password) => user === "user" && password === "sealpost-sdks-cross-check")(d.headers)),
    change: "authorization",
    note: "the body is not signed: the changed copy has another password",
  },
  {
    name: "webflow",
    package: "webflow-api",
    secret: SECRET,
    body: { triggerType: "form_submission", payload: { id: "wf1" } },
    signs: false,
    sign: (d) => {
      const sent = String(Date.now());
      return { "x-webflow-timestamp": sent, "x-webflow-signature": hexmac(SECRET, `${sent}:${d.text}`) };
    },
    verify: (d) => webflow.webhooks.verifySignature({ headers: d.headers, body: d.text, secret: SECRET }),
  },
  {
    name: "crisp",
    package: "crisp-api",
    secret: SECRET,
    body: { website_id: "w1", event: "message:send", data: { content: "as sent" }, timestamp: 1767225600000 },
    signs: false,
    sign: (d) => {
      const sent = String(Date.now());
      return { "X-Crisp-Request-Timestamp": sent, "X-Crisp-Signature": hexmac(SECRET, `[${sent};${d.text}]`) };
    },
    // verifyHook is the same function, but answers false until a socket is open.
    verify: (d) => crisp.verifyWidget(SECRET, d.json, d.headers["x-crisp-request-timestamp"], d.headers["x-crisp-signature"]),
  },
];
