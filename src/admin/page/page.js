// The page as a whole: its head, its addresses (`#/`, `#/deliveries/ID`, `#/routes`, `#/gateway`), its keys.
import * as alerts from "./alerts.js";
import { confirm } from "./changes.js";
import { open } from "./delivery.js";
import { h } from "./dom.js";
import { gateway } from "./gateway.js";
import { List } from "./list.js";
import { routes } from "./routes.js";
import { begin, state, watch } from "./state.js";

const main = document.getElementById("main");
const list = new List();
const TABS = [["#/", "Deliveries"], ["#/routes", "Routes"], ["#/gateway", "Gateway"]];
const KEYS = [["j  ↓", "next delivery"], ["k  ↑", "previous delivery"], ["Enter", "open"], ["Esc", "back, or leave the search"], ["/", "search"], ["p", "pause and go on"], ["g d, g r, g g", "deliveries, routes, gateway"], ["?", "these keys"]];

let view = "";
let scrolled = 0;
let lastFilter = "#/";

function head() {
  document.getElementById("top").replaceChildren(
    h("a", { class: "brand", href: "#/" }, h("img", { src: "page/icon.svg", alt: "", width: "22", height: "22" }), "Sealpost"),
    h("nav", { "aria-label": "Page" }, TABS.map(([address, name]) => h("a", { href: address, id: `tab-${name.toLowerCase()}` }, name))),
    h("span", { class: "grow" }),
    h("span", { id: "ready", class: "ready", role: "status" }),
    h("button", { type: "button", id: "theme", onclick: theme }, "Colours"),
    h("button", { type: "button", id: "help", "aria-label": "Keys", onclick: help }, "?"));
  document.getElementById("skip").addEventListener("click", (event) => {
    // The fragment is the page's own address.
    event.preventDefault();
    main.focus();
  });
  theme(null);
}

/** System, light, dark, and again. */
function theme(event) {
  const order = ["system", "light", "dark"];
  let chosen = document.documentElement.dataset.theme ?? "system";
  if (event) {
    chosen = order[(order.indexOf(chosen) + 1) % order.length];
    if (chosen === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("sealpost-theme", chosen);
    } catch {
      // Then it lasts as long as the page.
    }
  }
  const button = document.getElementById("theme");
  button.textContent = { system: "◐", light: "○", dark: "●" }[chosen];
  button.setAttribute("aria-label", `Colours: ${chosen}`);
  button.title = `Colours: ${chosen}`;
}

function help() {
  confirm("Keys", "", h("dl", { class: "facts narrow" }, KEYS.map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))));
}

function address() {
  const [path, query = ""] = location.hash.replace(/^#/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean);
  let id = null;
  if (parts[0] === "deliveries" && parts.length === 2) {
    try {
      id = decodeURIComponent(parts[1]);
    } catch {
      id = parts[1];
    }
  }
  return { name: id !== null ? "delivery" : TABS.some(([address]) => address === `#/${parts[0]}`) ? parts[0] : "deliveries", id, query: new URLSearchParams(query) };
}

function navigate() {
  const { name, id, query } = address();
  const was = view;
  if (was === "deliveries") scrolled = scrollY;
  view = name;
  document.body.dataset.view = name;
  for (const [address, title] of TABS) {
    const current = address === { delivery: "#/", deliveries: "#/" }[name] || address === `#/${name}`;
    const tab = document.getElementById(`tab-${title.toLowerCase()}`);
    if (current) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  document.title = { delivery: `Delivery ${id} · Sealpost`, deliveries: "Deliveries · Sealpost", routes: "Routes · Sealpost", gateway: "Gateway · Sealpost" }[name];
  if (name === "deliveries") {
    lastFilter = location.hash || "#/";
    list.filterBy(query);
    list.numbers();
    if (!list.element.isConnected) {
      main.replaceChildren(list.element);
      scrollTo(0, scrolled);
      if (was !== "" && !(opened !== null && list.focusOn(opened))) list.element.querySelector("h1").focus({ preventScroll: true });
      opened = null;
    }
    return;
  }
  if (name === "delivery") {
    opened = id;
    const place = h("div", { class: "delivery" });
    main.replaceChildren(place);
    scrollTo(0, 0);
    open(place, id, list.neighbours(id));
    return;
  }
  redraw();
  scrollTo(0, 0);
  main.querySelector("h1").focus({ preventScroll: true });
}

let opened = null;

/** Draws a view of numbers anew and keeps focus and what was opened. */
function redraw() {
  if (view !== "routes" && view !== "gateway") return;
  const open = [...main.querySelectorAll("details")].map((details) => details.open);
  const focused = [...main.querySelectorAll("a, button, summary")].indexOf(document.activeElement);
  const made = view === "routes" ? routes() : gateway();
  made.querySelectorAll("details").forEach((details, index) => (details.open = open[index] ?? false));
  main.replaceChildren(made);
  if (focused >= 0) main.querySelectorAll("a, button, summary")[focused]?.focus();
}

function readiness() {
  const place = document.getElementById("ready");
  const ready = state.broken ? null : state.ready?.status;
  place.className = `ready ${ready === "ready" ? "good" : ready ? "bad" : "unknown"}`;
  const words = ready === "ready" ? "Ready" : ready ? "Not ready" : state.broken ? "No answer" : "";
  if (place.textContent !== words) place.textContent = words;
}

let chord = 0;
function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key === "Escape") {
    if (typing) event.target.blur();
    else if (view === "delivery") location.hash = lastFilter;
    return;
  }
  if (typing || event.target.closest?.("pre, .scroll") && event.key.startsWith("Arrow")) return;
  if (Date.now() - chord < 1_000) {
    chord = 0;
    const to = { d: "#/", r: "#/routes", g: "#/gateway" }[event.key];
    if (to) return void (location.hash = to);
  }
  const act = {
    g: () => (chord = Date.now()),
    "/": () => {
      if (view !== "deliveries") location.hash = lastFilter;
      setTimeout(() => list.fields.q.focus());
    },
    "?": help,
    p: () => view === "deliveries" && list.pause(!list.paused),
    j: () => step(1), ArrowDown: () => view === "deliveries" && list.move(1),
    k: () => step(-1), ArrowUp: () => view === "deliveries" && list.body.contains(document.activeElement) && list.move(-1),
  }[event.key];
  if (!act) return;
  if (act() !== false) event.preventDefault();
}

function step(by) {
  if (view === "deliveries") return list.move(by);
  const link = view === "delivery" && document.getElementById(by > 0 ? "older" : "newer");
  if (link) link.click();
  return Boolean(link);
}

head();
watch(readiness);
watch(redraw);
watch(() => view === "deliveries" && list.rows.size === 0 && list.drawn());
alerts.begin(document.getElementById("alerts"));
addEventListener("hashchange", navigate);
addEventListener("keydown", keys);
main.addEventListener("click", (event) => {
  // "All deliveries" goes back to the filter that was there.
  if (event.target.closest("#back") && lastFilter !== "#/") {
    event.preventDefault();
    location.hash = lastFilter;
  }
});
navigate();
begin();
