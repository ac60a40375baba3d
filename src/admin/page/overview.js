// The last hour in numbers and as a chart, of all routes or of the one that is filtered by. A number is a filter as well.
import { bars, sum } from "./chart.js";
import { h } from "./dom.js";
import { count, rate, took } from "./format.js";
import { state, statsOf } from "./state.js";

const PARTS = ["accepted", "answered", "refused", "declined", "failed"];
const NAMES = { accepted: "accepted", answered: "answered here", refused: "refused", declined: "declined", failed: "failed" };

/** Draws it into `place`; `go` takes a filter. */
export function draw(place, filter, go) {
  const { stats } = state;
  if (!stats) return;
  const one = filter.route && filter.route !== "-" ? statsOf(filter.route) : null;
  const of = one ? [one] : filter.route === "-" ? [stats.unrouted] : [...stats.routes, stats.unrouted];
  const series = sum(of.map((stats) => stats.series));
  const added = (value) => of.reduce((all, stats) => all + stats[value], 0);
  const slowest = Math.max(...of.map((stats) => stats.took_us.p99 ?? -1));
  const box = (name, value) => h("div", { class: "number-box" }, inside(name, value));
  const choice = (part) => {
    const chosen = filter.outcome === part;
    const value = count(series.reduce((all, point) => all + point[part], 0));
    return h("button", { type: "button", class: `number-box ${part}`, "aria-pressed": String(chosen), onclick: () => go({ ...filter, outcome: chosen ? "" : part }) },
      inside(NAMES[part], value));
  };
  // The focus stays on the number that it was on.
  const focused = [...place.querySelectorAll("button")].indexOf(document.activeElement);
  place.replaceChildren(
    h("div", { class: "number-boxes" }, box("in the last hour", count(added("requests"))), PARTS.map(choice),
      box(of.length > 1 ? "p99, slowest route" : "p99", slowest < 0 ? "–" : took(slowest)), box("rate", rate(added("rate")))),
    bars(series, stats.bucket_seconds, "Deliveries"));
  if (focused >= 0) place.querySelectorAll("button")[focused]?.focus();
}

function inside(name, value) {
  return [h("span", { class: "value number" }, value), h("span", { class: "name" }, name)];
}
