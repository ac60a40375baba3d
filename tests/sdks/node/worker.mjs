// The JavaScript side of the cross-check: answers the driver's requests, one line of JSON each, for all senders at once.
// It speaks the same language as ../python/worker.py.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { changed, Delivery, ORIGIN } from "./kit.mjs";
import { SECOND } from "./second.mjs";
import { SENDERS } from "./senders.mjs";

// SDKs may print; only answers go to the driver.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (...parts) => process.stderr.write(...parts);

const label = (sender) => (sender.variant ? `${sender.name}-${sender.variant}` : sender.name);
const senders = new Map([...SENDERS, ...SECOND].map((sender) => [label(sender), sender]));

// The files run from a folder beside node_modules.
const version = (name) =>
  JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), "utf8")).version;

const described = (sender) => ({
  name: sender.name,
  label: label(sender),
  package: sender.package,
  version: version(sender.package),
  secret: sender.secret,
  signing_secret: sender.signingSecret ?? sender.secret,
  route: sender.route ?? {},
  sdk_signs: sender.signs !== false,
  takes_sealpost: sender.takesSealpost !== false,
  differs: sender.differs ?? "",
  note: sender.note ?? "",
});

/** Whether the SDK accepts a delivery, and what it said if not. */
async function accepts(sender, delivery) {
  try {
    const said = await sender.verify(delivery);
    return [Boolean(said), `it returned ${JSON.stringify(said)}`];
  } catch (error) {
    return [false, String(error?.message ?? error)];
  }
}

function unsigned(sender) {
  const body = typeof sender.body === "function" ? sender.body() : sender.body;
  return new Delivery({
    url: `${ORIGIN}/node/${label(sender)}${sender.query ? `?${sender.query}` : ""}`,
    headers: { "content-type": "application/json", ...sender.headers },
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
  });
}

async function sign(sender) {
  const delivery = unsigned(sender);
  for (const [name, value] of Object.entries((await sender.sign(delivery)) ?? {})) {
    delivery.headers[name.toLowerCase()] = String(value);
  }
  const copy = changed(delivery, sender.change);
  const [well, said] = await accepts(sender, delivery);
  if (!well) return { error: `the SDK refuses what was signed for it: ${said}` };
  if ((await accepts(sender, copy))[0]) return { error: "the SDK accepts a changed copy of what was signed for it" };
  return { delivery: delivery.written(), changed: copy.written() };
}

async function verify(sender, delivery) {
  const [accepted, said] = await accepts(sender, delivery);
  const [changedAccepted] = await accepts(sender, changed(delivery, sender.change));
  return { accepted, said, changed_accepted: changedAccepted };
}

async function answer(request) {
  if (request.do === "table") return [...senders.values()].map(described);
  const sender = senders.get(request.label);
  if (request.do === "unsigned") return { delivery: unsigned(sender).written() };
  if (request.do === "sign") return sign(sender);
  return verify(sender, Delivery.read(request.delivery));
}

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = await answer(JSON.parse(line));
  } catch (error) {
    said = { error: String(error?.stack ?? error) };
  }
  write(`${JSON.stringify(said)}\n`);
}
process.exit(0);
