// Small charts of a series: stacked bars, drawn as SVG, with the same numbers as text.
import { h, svg } from "./dom.js";
import { count, toMinute } from "./format.js";

const PARTS = ["accepted", "answered", "declined", "failed", "refused"];
const NAMES = { accepted: "accepted", answered: "answered here", declined: "declined by the upstream", failed: "failed", refused: "refused" };

/** Adds series of the same buckets up. */
export function sum(all) {
  const total = new Map();
  for (const series of all) {
    for (const point of series) {
      const into = total.get(point.at) ?? { at: point.at, accepted: 0, declined: 0, answered: 0, refused: 0, failed: 0, shadow: 0 };
      for (const part of [...PARTS, "shadow"]) into[part] += point[part];
      total.set(point.at, into);
    }
  }
  return [...total.values()].sort((a, b) => a.at - b.at);
}

/** Bars over time. `seconds` is the length of one. */
export function bars(series, seconds, name, height = 56) {
  const width = 10;
  const highest = Math.max(1, ...series.map((point) => PARTS.reduce((all, part) => all + point[part], 0)));
  const drawn = svg("svg", {
    class: "chart", viewBox: `0 0 ${Math.max(1, series.length) * width} ${height}`, preserveAspectRatio: "none",
    role: "img", "aria-label": `${name}: ${inWords(series, seconds)}`,
  });
  series.forEach((point, index) => {
    let top = height;
    const column = svg("g", {}, svg("title", {}, `${toMinute(point.at)}: ${listed(point)}`),
      svg("rect", { class: "hit", x: index * width, y: 0, width, height }));
    for (const part of PARTS) {
      if (!point[part]) continue;
      // A single refusal among thousands must still be seen.
      const tall = Math.max(2, (point[part] / highest) * (height - 2));
      top -= tall;
      column.append(svg("rect", { class: part, x: index * width + 1.5, y: Math.max(0, top), width: width - 3, height: tall }));
    }
    drawn.append(column);
  });
  return h("figure", { class: "figure" }, drawn,
    h("figcaption", {}, h("span", {}, series.length ? toMinute(series[0].at) : ""), h("span", {}, "now")));
}

function listed(point) {
  const set = PARTS.filter((part) => point[part]).map((part) => `${count(point[part])} ${NAMES[part]}`);
  return set.length ? set.join(", ") : "nothing";
}

function inWords(series, seconds) {
  const all = Object.fromEntries(PARTS.map((part) => [part, series.reduce((sum, point) => sum + point[part], 0)]));
  const minutes = Math.round((series.length * seconds) / 60);
  return `in ${minutes} minutes ${listed(all)}`;
}
