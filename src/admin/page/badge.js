// What became of a delivery as a sign: shape, word and colour say the same.
import { h, svg } from "./dom.js";
import { OUTCOMES, reason } from "./words.js";

/** One shape for each outcome, so that colour is never alone. */
const SHAPES = {
  accepted: ["M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "m5 8.2 2.1 2.1L11 6"],
  declined: ["M8 1.3 15 14H1z", "M8 6v3.5M8 11.6v.2"],
  answered: ["M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "M5 8h6"],
  refused: ["M2 2h12v12H2z", "m5.5 5.5 5 5m0-5-5 5"],
  failed: ["M8 .8 15.2 8 8 15.2.8 8z", "M8 4.5v4.2M8 11v.2"],
};

export function icon(outcome) {
  const [frame, sign] = SHAPES[outcome] ?? SHAPES.answered;
  return svg("svg", { class: `icon ${Object.hasOwn(SHAPES, outcome) ? outcome : "answered"}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { class: "frame", d: frame }), svg("path", { class: "sign", d: sign }));
}

/** The sign with the reason's word. */
export function badge(delivery) {
  const outcome = OUTCOMES[delivery.outcome]?.label ?? delivery.outcome;
  return h("span", { class: `badge ${SHAPES[delivery.outcome] ? delivery.outcome : "answered"}`, title: `${outcome}: ${reason(delivery.reason).title}` },
    icon(delivery.outcome), h("span", { class: "unseen" }, `${outcome}: `), h("code", {}, delivery.reason),
    delivery.shadow && h("span", { class: "tag" }, "shadow"),
    delivery.released && h("span", { class: "tag good" }, "released"),
    delivery.origin && h("span", { class: "tag" }, delivery.origin.kind === "release" ? "release" : "again"));
}
