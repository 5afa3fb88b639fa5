// Draws where the time of one request went.

import { element } from "./elements.js";
import { millisecondsInWords } from "./wording.js";

/** phases: [{name, ms}] as the server measured them; the rest of the round trip is network and queue. */
export function timingBar(phases, roundTripMs) {
  const serverMs = phases.reduce((sum, phase) => sum + phase.ms, 0);
  const restMs = Math.max(0, roundTripMs - serverMs);
  const all = [...phases, { name: phases.length ? "network and queue" : "round trip", ms: restMs }];
  const totalMs = serverMs + restMs;
  return [
    element("div", { class: "split", "aria-hidden": "true" }, ...all.map((phase) => segment(phase, totalMs))),
    element("ul", { class: "legend" }, ...all.map(legendEntry)),
    element("p", { class: "total" }, `${millisecondsInWords(totalMs)} in all, as measured here`),
  ];
}

function segment(phase, totalMs) {
  const node = element("span", { "data-phase": phase.name });
  node.style.width = `${totalMs ? (100 * phase.ms) / totalMs : 0}%`;
  return node;
}

function legendEntry(phase) {
  return element("li", { "data-phase": phase.name, "data-ms": phase.ms },
    element("span", { class: "name" }, phase.name), " ",
    element("span", { class: "value" }, millisecondsInWords(phase.ms)));
}
