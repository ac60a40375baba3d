// What the words of the gateway mean, for people. A test holds that no reason and no outcome is missing.

/** What became of a delivery: its look and its name. */
export const OUTCOMES = {
  accepted: { label: "Accepted", plain: "the upstream took it" },
  declined: { label: "Declined", plain: "the upstream answered something other than 2xx" },
  answered: { label: "Answered here", plain: "there was nothing to forward" },
  refused: { label: "Refused", plain: "it was not let through" },
  failed: { label: "Failed", plain: "it could not be served now" },
};

/** Reasons by outcome, as the filter offers them: title, what happened, and what to do about it. */
export const REASONS = {
  forwarded: {
    group: "Let through", title: "Forwarded",
    plain: "It was verified and handed to the upstream.",
  },
  duplicate: {
    group: "Let through", title: "Duplicate",
    plain: "The upstream has accepted this event before. The sender was told so again; nothing was forwarded.",
  },
  in_flight: {
    group: "Let through", title: "A copy is on its way",
    plain: "Another copy of this event was being forwarded at that moment. This one was sent away to come back later.",
  },
  filtered: {
    group: "Let through", title: "Filtered",
    plain: "It is genuine, but the route's `events` does not list this type. It was answered here.",
  },
  challenge: {
    group: "Let through", title: "Handshake",
    plain: "The sender asked for proof that this address is ours. The gateway answered it.",
  },
  signature_missing: {
    group: "Signature", title: "No signature",
    plain: "The delivery has no signature where this sender puts it.",
    todo: "Look whether a secret is set in the sender's settings, and whether something before the gateway removes headers.",
  },
  signature_malformed: {
    group: "Signature", title: "Unreadable signature",
    plain: "There is a signature, but not in the form in which this sender writes it.",
    todo: "Look whether the route names the right provider, and whether something before the gateway changes headers.",
  },
  signature_mismatch: {
    group: "Signature", title: "The signature does not match",
    plain: "There is a signature, but none of the route's secrets makes the same one over what arrived.",
    todo: "Most often the secret: compare the one in the sender's settings with the route's, put the right one in place, and release what was refused.",
  },
  timestamp_missing: {
    group: "Send time", title: "No send time",
    plain: "This sender signs the time of sending, and it is not there.",
    todo: "Look whether something before the gateway removes headers.",
  },
  timestamp_malformed: {
    group: "Send time", title: "Unreadable send time",
    plain: "The signed time of sending is not in the form in which this sender writes it.",
    todo: "Look whether the route names the right provider.",
  },
  timestamp_too_old: {
    group: "Send time", title: "Sent too long ago",
    plain: "The signature is right, but it was made longer ago than the route accepts. It may be a replay.",
    todo: "If all deliveries are late, look at this machine's clock; if one is, at what held it up.",
  },
  timestamp_in_future: {
    group: "Send time", title: "Sent in the future",
    plain: "The signature is right, but its time lies further ahead than the route accepts.",
    todo: "Look at this machine's clock: it is probably slow.",
  },
  event_id_missing: {
    group: "Request", title: "No event id",
    plain: "It is genuine, but has no event id where the route looks for it, so copies could not be recognised.",
    todo: "Set the route's `dedupe.key` to where the id stands, or `dedupe: off`.",
  },
  no_route: {
    group: "Request", title: "No route",
    plain: "No route takes this host and path.",
    todo: "Compare the address in the sender's settings with the routes' `match`.",
  },
  method_not_allowed: {
    group: "Request", title: "Method not allowed", plain: "The route takes the path, but not with this method.",
  },
  body_too_large: {
    group: "Request", title: "Body too large", plain: "The body is longer than the route allows.",
    todo: "If such bodies are right, raise the route's `body`.",
  },
  body_timeout: {
    group: "Request", title: "Body too slow", plain: "The body did not arrive in time.",
  },
  bad_request: {
    group: "Request", title: "Not a proper request", plain: "What arrived is not HTTP that could be trusted.",
  },
  overloaded: {
    group: "Gateway", title: "Too much at once",
    plain: "All the room for bodies or connections was taken. The sender was told to come back.",
    todo: "If this lasts, raise `limits.buffered` or `limits.connections`.",
  },
  draining: {
    group: "Gateway", title: "Leaving", plain: "The gateway was about to stop. The sender was told to come back.",
  },
  store_unavailable: {
    group: "Gateway", title: "The dedupe store failed",
    plain: "The gateway could not ask whether this event was there before. The sender was told to come back.",
    todo: "See to the store; the Gateway tab says what it reports.",
  },
  keys_unavailable: {
    group: "Gateway", title: "The sender's keys could not be fetched",
    plain: "This sender publishes its keys, and they were not to be had.",
    todo: "Look whether the gateway may connect to the sender's key address.",
  },
  upstream_unreachable: {
    group: "Upstream", title: "The upstream cannot be reached",
    plain: "It was verified, but no connection to the upstream came about.",
    todo: "See to the upstream. Senders that try again need nothing more; the others can be released here.",
  },
  upstream_failed: {
    group: "Upstream", title: "The upstream broke off",
    plain: "It was verified and sent to the upstream, which ended the connection without a whole answer.",
    todo: "See to the upstream. It may have seen this event.",
  },
  upstream_timeout: {
    group: "Upstream", title: "The upstream took too long",
    plain: "It was verified and sent to the upstream, which did not answer within the route's `timeout`.",
    todo: "It may still have taken the event. Answer first and work afterwards, or raise `timeout` within the sender's patience.",
  },
};

/** What the dedupe store said. */
export const VERDICTS = {
  new: "new, seen for the first time",
  duplicate: "duplicate, accepted before",
  in_flight: "a copy was being forwarded",
  store_failed: "the store failed",
  off: "off, copies are not recognised here",
};

/** What the store knows of an event now. */
export const STATES = {
  unknown: "Nothing is known of it: the next copy is forwarded.",
  in_flight: "It is being forwarded now.",
  accepted: "It was accepted: further copies are answered as duplicates.",
  released: "It was not accepted; the next copy is forwarded.",
};

/** The moments of a delivery. */
export const MOMENTS = {
  head: "First byte",
  body: "Body complete",
  verified: "Signature checked",
  claimed: "Event claimed",
  upstream: "Upstream answered",
  answered: "Sender answered",
};

/** A reason's words; a word that is newer than this page stands for itself. */
export function reason(word) {
  return Object.hasOwn(REASONS, word) ? REASONS[word] : { group: "Other", title: word, plain: "" };
}
