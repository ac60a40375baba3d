// The list of deliveries: live, filtered, paged back, with the keyboard as well.
import { get, stream } from "./api.js";
import { badge } from "./badge.js";
import { releaseAll } from "./changes.js";
import { announce, data, h, orDash, toast } from "./dom.js";
import { count, deliveries, exact, time, took } from "./format.js";
import { draw } from "./overview.js";
import { refreshSoon, state, watch } from "./state.js";
import { OUTCOMES, REASONS } from "./words.js";

const PAGE = 50;
const HELD = 500; // rows on the page; older ones are paged back to
const FILTERS = ["q", "route", "outcome", "reason", "event_type", "event_id", "since"];

/** The list as an object that lives as long as the page; opening a delivery only hides it. */
export class List {
  constructor() {
    this.filter = {};
    this.rows = new Map(); // by id, newest first on the page
    this.waiting = [];
    this.paused = false;
    this.next = null;
    this.loading = null;
    this.arrived = { all: 0, refused: 0 };
    this.build();
    watch(() => this.numbers());
  }

  build() {
    this.fields = {
      q: h("input", { type: "search", id: "filter", placeholder: "Search  /", "aria-label": "Search in id, event, path, reason and client", autocomplete: "off", spellcheck: "false" }),
      route: h("select", { id: "filter-route", "aria-label": "Route" }, h("option", { value: "" }, "All routes")),
      outcome: h("select", { id: "filter-outcome", "aria-label": "Outcome" }, h("option", { value: "" }, "All outcomes"),
        Object.entries(OUTCOMES).map(([word, { label }]) => h("option", { value: word }, label))),
      reason: h("select", { id: "filter-reason", "aria-label": "Reason" }, h("option", { value: "" }, "All reasons"), reasons()),
      event_type: h("input", { id: "filter-type", placeholder: "Event type, order.*", "aria-label": "Event type; * stands for anything", autocomplete: "off", spellcheck: "false" }),
      event_id: h("input", { id: "filter-event", placeholder: "Event id", "aria-label": "Event id", autocomplete: "off", spellcheck: "false" }),
      since: h("select", { id: "filter-since", "aria-label": "Time" }, [["", "Any time"], ["15m", "Last 15 minutes"], ["1h", "Last hour"], ["6h", "Last 6 hours"], ["24h", "Last 24 hours"]].map(([value, text]) => h("option", { value }, text))),
    };
    let typing;
    for (const field of Object.values(this.fields)) {
      field.addEventListener("change", () => this.chosen());
      if (field instanceof HTMLInputElement) field.addEventListener("input", () => {
        clearTimeout(typing);
        typing = setTimeout(() => this.chosen(), 300);
      });
    }
    this.live = h("button", { type: "button", id: "pause", "aria-pressed": "false", title: "Pause (p)", onclick: () => this.pause(!this.paused) });
    this.more = h("button", { type: "button", id: "older-page", onclick: () => this.back() }, "Show older");
    this.fresh = h("button", { type: "button", id: "fresh", class: "fresh", hidden: true, onclick: () => this.show() });
    this.clear = h("button", { type: "button", id: "clear", onclick: () => this.go({}) }, "Clear");
    this.bulk = h("button", { type: "button", id: "bulk", hidden: true, onclick: () => this.releaseShown() }, "Release refused …");
    this.body = h("tbody", { role: "rowgroup" });
    this.empty = h("div", { class: "empty", hidden: true });
    this.overview = h("section", { class: "overview", "aria-label": "The last hour" });
    this.total = h("span", { class: "muted" });
    const head = ["Time", "Decision", "Route", "Event", "Answer", "Took"];
    this.element = h("div", { class: "list" },
      h("h1", { class: "unseen", tabindex: "-1" }, "Deliveries"), this.overview,
      h("search", { class: "filters" }, this.fields.q,
        h("button", { type: "button", id: "more-filters", class: "phone", "aria-expanded": "false", "aria-controls": "filters", onclick: (event) => {
          const open = event.currentTarget.getAttribute("aria-expanded") !== "true";
          event.currentTarget.setAttribute("aria-expanded", String(open));
          this.element.querySelector("#filters").classList.toggle("open", open);
        } }, "Filters"), this.live,
        h("div", { id: "filters" }, FILTERS.slice(1).map((name) => this.fields[name]), this.clear, this.bulk)),
      this.fresh,
      h("table", { class: "deliveries", role: "table" }, h("caption", { class: "unseen" }, "Deliveries, newest first"),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head.map((name) => h("th", { scope: "col", role: "columnheader", class: name === "Took" || name === "Answer" ? "number" : "" }, name)))), this.body),
      this.empty,
      h("div", { class: "actions start below" }, this.more, this.total,
        h("span", { class: "muted keys" }, h("kbd", {}, "j"), " ", h("kbd", {}, "k"), " move, ", h("kbd", {}, "Enter"), " opens, ", h("kbd", {}, "/"), " searches, ", h("kbd", {}, "?"), " all keys")));
    this.body.addEventListener("click", (event) => {
      // The whole row opens, but a selection is not a click and a link opens itself.
      const row = event.target.closest("tr");
      if (row && !event.target.closest("a") && String(getSelection()) === "") row.querySelector("a").click();
    });
    this.body.addEventListener("focusin", (event) => this.roving(event.target));
    addEventListener("scroll", () => {
      if (scrollY < 80 && this.waiting.length && !this.paused && this.element.isConnected) this.show();
    }, { passive: true });
    // A page that the browser keeps for its back button must not keep a connection: it has six for a gateway.
    addEventListener("pagehide", () => this.loading?.abort());
    addEventListener("pageshow", (event) => {
      if (event.persisted && this.loading) this.load();
    });
    this.state("connecting");
  }

  /** Takes the filter from the address and loads. */
  filterBy(query) {
    const filter = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]).filter(([, value]) => value !== ""));
    const same = JSON.stringify(filter) === JSON.stringify(this.filter) && this.loading;
    this.filter = filter;
    this.options();
    for (const name of FILTERS) {
      const field = this.fields[name];
      const value = filter[name] ?? "";
      if (field instanceof HTMLSelectElement && ![...field.options].some((option) => option.value === value)) {
        field.append(h("option", { value }, name === "since" ? `Since ${/^\d+$/.test(value) ? time(Number(value)) : value}` : value));
      }
      if (document.activeElement !== field || field instanceof HTMLSelectElement) field.value = value;
    }
    this.clear.hidden = Object.keys(filter).length === 0;
    if (!same) this.load();
  }

  options() {
    const field = this.fields.route;
    const wanted = ["", ...state.routes.map((route) => route.name), "-"];
    if (wanted.join("\n") === [...field.options].map((option) => option.value).join("\n")) return;
    field.replaceChildren(h("option", { value: "" }, "All routes"), ...state.routes.map((route) => h("option", { value: route.name }, route.name)), h("option", { value: "-" }, "No route"));
    field.value = this.filter.route ?? "";
  }

  chosen() {
    this.go(Object.fromEntries(FILTERS.map((name) => [name, this.fields[name].value.trim()])));
  }

  go(filter) {
    const set = Object.entries(filter).filter(([, value]) => value !== "");
    const target = `#/${set.length ? `?${new URLSearchParams(set)}` : ""}`;
    if (location.hash !== target) location.hash = target;
  }

  /** Opens the stream first and loads the page then, so that nothing is missed between. */
  load() {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    this.rows.clear();
    this.waiting = [];
    this.body.replaceChildren();
    this.body.setAttribute("aria-busy", "true");
    this.fresh.hidden = true;
    this.next = null;
    let opened;
    const open = new Promise((resolve) => (opened = resolve));
    setTimeout(opened, 1_000);
    stream(this.filter, loading.signal, {
      open: () => {
        opened();
        this.state("live");
      },
      delivery: (delivery) => this.arrive(delivery),
      lagged: (missed) => {
        toast(missed ? `${deliveries(missed)} went by too fast to be shown.` : "Some deliveries went by too fast to be shown.");
        this.load();
      },
      lost: (why) => {
        opened();
        this.state("lost", why);
      },
    });
    open.then(() => this.page(loading.signal));
  }

  async page(signal) {
    try {
      const page = await get("api/deliveries", { ...this.filter, limit: PAGE, before: this.next }, signal);
      const last = this.next;
      this.next = page.next;
      for (const delivery of page.deliveries) this.add(delivery, false);
      this.total.textContent = `${count(page.total_held)} held in the journal`;
      if (last === null && this.reselect) this.focusOn(this.reselect);
    } catch (error) {
      if (!signal.aborted) toast(error.message, true);
    }
    if (signal.aborted) return;
    this.body.removeAttribute("aria-busy");
    this.drawn();
  }

  async back() {
    const last = this.body.lastElementChild;
    this.more.disabled = true;
    await this.page(this.loading.signal);
    this.more.disabled = false;
    last?.nextElementSibling?.querySelector("a").focus();
  }

  arrive(delivery) {
    if (this.rows.has(delivery.id)) return;
    this.arrived.all += 1;
    if (delivery.outcome === "refused") this.arrived.refused += 1;
    // A release says something about an older row.
    const origin = delivery.origin && this.rows.get(delivery.origin.id);
    if (origin && delivery.origin.kind === "release" && (delivery.outcome === "accepted" || delivery.reason === "duplicate")) {
      origin.delivery.released = true;
      origin.delivery.releasable = false;
      origin.element.replaceWith((origin.element = this.row(origin.delivery)));
    }
    this.waiting.push(delivery);
    if (this.waiting.length > HELD) this.waiting.shift();
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.said();
      refreshSoon();
      if (this.paused || scrollY >= 80) this.offer();
      else this.show();
    }, 150);
  }

  said() {
    const { all, refused } = this.arrived;
    this.arrived = { all: 0, refused: 0 };
    if (all && this.element.isConnected) announce(`${all} new ${all === 1 ? "delivery" : "deliveries"}${refused ? `, ${refused} refused` : ""}`);
  }

  offer() {
    if (!this.waiting.length) return;
    this.fresh.hidden = false;
    this.fresh.replaceChildren(`${count(this.waiting.length)}${this.waiting.length === HELD ? "+" : ""} new`);
  }

  show() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement.closest("tr").dataset.id : null;
    for (const delivery of this.waiting) this.add(delivery, true);
    this.waiting = [];
    while (this.rows.size > HELD) {
      const oldest = this.body.lastElementChild;
      this.rows.delete(oldest.dataset.id);
      oldest.remove();
      this.next = this.rows.get(this.body.lastElementChild.dataset.id).delivery.cursor;
    }
    this.fresh.hidden = true;
    if (focused) this.focusOn(focused);
    this.drawn();
  }

  drawn() {
    this.more.hidden = this.next === null;
    const none = this.rows.size === 0;
    this.empty.hidden = !none;
    this.bulk.hidden = !this.filter.route || this.filter.route === "-" || ![...this.rows.values()].some(({ delivery }) => delivery.releasable);
    if (none) {
      const filtered = Object.keys(this.filter).length > 0;
      const enabled = state.stats?.journal.enabled !== false;
      this.empty.replaceChildren(h("p", { class: "strong" }, !enabled ? "The journal is off" : filtered ? "No delivery matches" : "No deliveries yet"),
        h("p", { class: "muted" }, !enabled ? "Switch it on with the `journal` section of gateway.yaml." : filtered ? "Clear the filter to see the others." : "They appear here the moment they arrive. To send one that verifies:"),
        !filtered && enabled ? h("pre", {}, "sealpost send --route NAME") : "");
    }
    if (!this.body.querySelector('a[tabindex="0"]')) this.body.querySelector("a")?.setAttribute("tabindex", "0");
  }

  add(delivery, atTop) {
    if (this.rows.has(delivery.id)) return;
    const element = this.row(delivery);
    this.rows.set(delivery.id, { delivery, element });
    if (atTop) this.body.prepend(element);
    else this.body.append(element);
    if (atTop) element.classList.add("new");
  }

  row(delivery) {
    const cell = (name, attributes, ...content) => h("td", { role: "cell", "data-name": name, ...attributes }, content);
    const link = h("a", { href: `#/deliveries/${encodeURIComponent(delivery.id)}`, tabindex: "-1", title: exact(delivery.time),
      "aria-label": `${time(delivery.time)}, ${OUTCOMES[delivery.outcome]?.label ?? delivery.outcome}` }, time(delivery.time));
    return h("tr", { role: "row", "data-id": delivery.id },
      cell("Time", { class: "number time" }, link),
      cell("Decision", {}, badge(delivery)),
      cell("Route", {}, orDash(delivery.route), delivery.route === null && delivery.path ? h("span", { class: "second" }, data(delivery.path)) : delivery.sender && delivery.sender !== delivery.route ? h("span", { class: "second" }, data(delivery.sender)) : ""),
      cell("Event", { class: "event" }, orDash(delivery.event_type), delivery.event_id !== null && h("span", { class: "second code" }, data(delivery.event_id)),
        delivery.attempt > 1 && h("span", { class: "tag" }, `attempt ${delivery.attempt}`)),
      cell("Answer", { class: "number" }, String(delivery.status), delivery.upstream_status !== null && delivery.upstream_status !== delivery.status && h("span", { class: "second" }, `upstream ${delivery.upstream_status}`)),
      cell("Took", { class: "number" }, took(delivery.took_us)));
  }

  pause(paused) {
    this.paused = paused;
    this.state(this.connection);
    if (!paused) this.show();
  }

  state(connection, why = "") {
    this.connection = connection;
    const words = this.paused ? "Paused" : { live: "Live", connecting: "Connecting", lost: "Reconnecting" }[connection];
    this.live.setAttribute("aria-pressed", String(this.paused));
    this.live.className = `live ${this.paused ? "paused" : connection}`;
    this.live.title = why || "Pause and go on (p)";
    this.live.replaceChildren(h("span", { class: "dot", "aria-hidden": "true" }), words);
  }

  /** Draws what depends on the numbers. */
  numbers() {
    this.options();
    draw(this.overview, this.filter, (filter) => this.go(filter));
  }

  async releaseShown() {
    const { route, reason, since: from, ...narrower } = this.filter;
    const since = from ? moment(from) : null;
    const refused = [...this.rows.values()].map(({ delivery }) => delivery).filter((delivery) => delivery.releasable);
    const oldest = since ?? (this.next === null ? Math.min(...refused.map((delivery) => delivery.time)) : null);
    const narrowed = Object.keys(narrower).length > 0;
    const expected = this.next === null && reason && !narrowed ? refused.length : null;
    await releaseAll(route, { reasons: reason ? [reason] : [], since: narrowed ? since : oldest, expected, narrowed });
  }

  roving(target) {
    const link = target.closest("tr")?.querySelector("a");
    if (!link) return;
    for (const other of this.body.querySelectorAll('a[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    link.setAttribute("tabindex", "0");
  }

  focusOn(id) {
    const row = this.rows.get(id);
    this.reselect = null;
    row?.element.querySelector("a").focus();
    return Boolean(row);
  }

  /** Moves the focus by rows; says whether it could. */
  move(by) {
    const now = this.body.contains(document.activeElement) ? document.activeElement.closest("tr") : null;
    const to = now ? (by > 0 ? now.nextElementSibling : now.previousElementSibling) : this.body.firstElementChild;
    const link = to?.querySelector("a");
    link?.focus();
    link?.closest("tr").scrollIntoView({ block: "nearest" });
    return Boolean(link);
  }

  neighbours(id) {
    const row = this.rows.get(id)?.element;
    return { newer: row?.previousElementSibling?.dataset.id ?? null, older: row?.nextElementSibling?.dataset.id ?? null };
  }
}

const SPAN = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment of the time filter: milliseconds, or so long ago. */
function moment(text) {
  const [, count, unit] = /^(\d+)([mhd]?)$/.exec(text) ?? [];
  if (count === undefined) return null;
  return unit ? Date.now() - Number(count) * SPAN[unit] : Number(count);
}

function reasons() {
  const groups = new Map();
  for (const [word, { group }] of Object.entries(REASONS)) groups.set(group, [...(groups.get(group) ?? []), word]);
  return [...groups].map(([name, words]) => h("optgroup", { label: name }, words.map((word) => h("option", { value: word }, word))));
}
