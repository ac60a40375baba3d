// Numbers, times and sizes as people read them.

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const number = new Intl.NumberFormat("en-GB");

/** `17:29:07`, with the day where it is not today. */
export function time(millis) {
  const at = new Date(millis);
  return isToday(at) ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** `17:29`, with the day where it is not today. */
export function toMinute(millis) {
  const at = new Date(millis);
  return isToday(at) ? minute.format(at) : `${day.format(at)} ${minute.format(at)}`;
}

function isToday(at) {
  return at.toDateString() === new Date().toDateString();
}

/** The exact time, for titles and facts. */
export function exact(millis) {
  const at = new Date(millis);
  return Number.isNaN(at.getTime()) ? String(millis) : at.toISOString().replace("T", " ").replace("Z", " UTC");
}

/** `6 days ago`, `in 5 min`, `just now`. */
export function ago(millis) {
  const apart = Date.now() - millis;
  const much = span(Math.abs(apart));
  if (Math.abs(apart) < 5_000) return "just now";
  return apart < 0 ? `in ${much}` : `${much} ago`;
}

/** A duration in its largest unit. */
export function span(millis) {
  const seconds = millis / 1000;
  if (seconds < 1) return `${Math.round(millis)} ms`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Microseconds with three digits. */
export function took(micros) {
  if (micros === null || micros === undefined) return "–";
  if (micros < 1_000) return `${micros} µs`;
  const millis = micros / 1_000;
  if (millis < 1_000) return `${three(millis)} ms`;
  return `${three(millis / 1_000)} s`;
}

/** Bytes. */
export function size(bytes) {
  if (bytes < 1_024) return `${bytes} B`;
  if (bytes < 1_048_576) return `${three(bytes / 1_024)} KiB`;
  return `${three(bytes / 1_048_576)} MiB`;
}

function three(value) {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** With thousands apart. */
export function count(value) {
  return number.format(value);
}

/** `1 delivery`, `37 deliveries`. */
export function deliveries(value) {
  return `${count(value)} ${value === 1 ? "delivery" : "deliveries"}`;
}

/** Requests a second, or a minute where that reads better. */
export function rate(perSecond) {
  if (perSecond === 0) return "0/s";
  if (perSecond >= 1) return `${three(perSecond)}/s`;
  return perSecond * 60 >= 1 ? `${three(perSecond * 60)}/min` : `${three(perSecond * 3600)}/h`;
}
