// A scale from harder to easier, with one text on it among examples.

import { element } from "./elements.js";
import { scoreInWords } from "./wording.js";

const SPAN = [-4, 2]; // where no examples say how far the scale should go
const PADDING = 0.5; // beyond the last example
const SAME = 0.005; // scores nearer than this read as one
const CLOSEST_PINS = 0.07; // share of the scale's width; nearer ones stand on a further line

/** How a text stands among the examples, in a sentence; "" without any. */
export function compareInWords(score, examples) {
  if (!examples.length) return "";
  const easierThan = examples.filter((example) => score - example.score >= SAME).length;
  const harderThan = examples.filter((example) => example.score - score >= SAME).length;
  const distance = (example) => Math.abs(example.score - score);
  const nearest = examples.reduce((best, example) => (distance(example) < distance(best) ? example : best));
  const parts = [
    easierThan ? `easier than ${shareInWords(easierThan, examples.length)}`
      : harderThan ? `harder than ${shareInWords(harderThan, examples.length)}` : "",
    `${distance(nearest) < SAME ? "as easy as" : "closest to"} “${nearest.title}”`,
  ];
  const sentence = parts.filter(Boolean).join(", ");
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

function shareInWords(count, all) {
  if (all === 1) return "the example";
  return count === all ? `all ${all} examples` : `${count} of the ${all} examples`;
}

/** examples: [{title, score}], the hardest first; bands: the scores between the levels; level: this text's. */
export function drawGauge(score, { examples, bands, levels, level }) {
  const share = shareOfScale(score, examples, bands);
  const marker = element("span", { class: "marker", "data-score": score, title: `This text: ${scoreInWords(score)}` });
  marker.style.left = percent(share(score));
  return element("div", { id: "gauge" },
    element("div", { class: "scale", role: "img", "aria-label": `${scoreInWords(score)}, ${levels[level]}` },
      element("div", { class: "bands" }, ...levels.map((name, index) => band(name, index, level, bands, share))),
      marker),
    pins(examples, share),
    element("p", { class: "ends" }, element("span", {}, "← harder"), " ", element("span", {}, "easier →")),
    ranking(score, examples));
}

/** Gives where a score stands on the scale, 0 to 1. */
function shareOfScale(score, examples, bands) {
  const known = [...examples.map((example) => example.score), ...bands];
  let [low, high] = examples.length ? [Math.min(...known) - PADDING, Math.max(...known) + PADDING] : SPAN;
  if (score < low) low = score - PADDING;
  if (score > high) high = score + PADDING;
  return (value) => Math.min(1, Math.max(0, (value - low) / (high - low)));
}

const percent = (share) => `${100 * share}%`;

function band(name, index, level, bands, share) {
  const from = index === 0 ? 0 : share(bands[index - 1]);
  const to = index === bands.length ? 1 : share(bands[index]);
  const node = element("span", { class: "band", title: name });
  if (index === level) node.setAttribute("aria-current", "true");
  node.style.width = percent(to - from);
  return node;
}

/** A numbered pin for each example, lower where the line above is taken. */
function pins(examples, share) {
  const lastOnLine = [];
  const nodes = examples.map((example, index) => {
    const at = share(example.score);
    const free = lastOnLine.findIndex((last) => at - last >= CLOSEST_PINS);
    const line = free < 0 ? lastOnLine.length : free;
    lastOnLine[line] = at;
    const node = element("span", { class: "pin", title: `${example.title}: ${scoreInWords(example.score)}` },
      String(index + 1));
    node.style.left = percent(at);
    node.style.top = `${1.6 * line}rem`;
    return node;
  });
  const row = element("div", { class: "pins", "aria-hidden": "true" }, ...nodes);
  row.style.height = `${1.6 * lastOnLine.length}rem`;
  return row;
}

/** The examples and this text, the hardest first. */
function ranking(score, examples) {
  if (!examples.length) return "";
  const own = entry("this", "", "This text", score);
  const rows = examples.map((example, index) => entry("example", String(index + 1), example.title, example.score));
  const before = examples.filter((example) => example.score <= score).length;
  rows.splice(before, 0, own);
  return element("ol", { class: "ranking" }, ...rows);
}

function entry(kind, number, title, score) {
  return element("li", { class: kind, "data-score": score },
    element("span", { class: "pin", "aria-hidden": "true" }, number), " ",
    element("span", { class: "name" }, title), " ",
    element("span", { class: "value" }, scoreInWords(score)));
}
