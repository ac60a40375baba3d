// What the whole page knows: routes, statistics, configuration and readiness, asked for again while it is looked at.
import { get, status } from "./api.js";

const EVERY = 10_000;

export const state = { routes: [], stats: null, config: null, ready: null, contacts: [], broken: null };
const listeners = new Set();
let asking = null;
let soon = null;

/** Calls `listener` after each change; returns what ends that. */
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Asks for everything now. One at a time; a second caller gets the same answer. */
export function refresh() {
  asking ??= ask().finally(() => {
    asking = null;
    for (const listener of [...listeners]) listener();
  });
  return asking;
}

/** Asks soon: something has happened that the numbers do not know yet. */
export function refreshSoon() {
  soon ??= setTimeout(() => {
    soon = null;
    refresh();
  }, 1_500);
}

async function ask() {
  try {
    // The configuration first and alone: where a token is needed it is asked for once.
    state.config = await get("api/config");
    [state.routes, state.stats, state.contacts, state.ready] = await Promise.all([
      get("api/routes"), get("api/stats", { window: "1h" }), get("api/first-contacts"), status("readyz"),
    ]);
    state.broken = null;
  } catch (error) {
    state.broken = error.message;
  }
}

/** Begins to ask again and again. */
export function begin() {
  setInterval(() => {
    if (document.visibilityState === "visible") refresh();
  }, EVERY);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") refresh();
  });
  return refresh();
}

/** A route of the configuration by its name. */
export function route(name) {
  return state.routes.find((route) => route.name === name) ?? null;
}

/** The statistics of a route. */
export function statsOf(name) {
  return state.stats?.routes.find((stats) => stats.route === name) ?? null;
}

/** A route's secrets with their use and, where the gateway tells it, their time. */
export function secretsOf(name) {
  const details = new Map((route(name)?.secret_details ?? []).map((secret) => [secret.name, secret]));
  return (statsOf(name)?.secrets ?? []).map((secret) => ({ not_before: null, not_after: null, ...details.get(secret.name), ...secret }));
}
