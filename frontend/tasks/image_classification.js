// Image classification: one picture in, a probability for each label out.

import { RequestFailed } from "../api.js";
import { element } from "../elements.js";
import { percentInWords } from "../wording.js";

export { pictureInput as input, pictureCommand as command } from "../inputs/picture.js";

const SHOWN = 5;

/** answer: {label: probability} */
export function answer(probabilities) {
  const entries = Array.isArray(probabilities) ? [] : Object.entries(probabilities ?? {});
  if (!entries.length || entries.some(([, probability]) => typeof probability !== "number")) {
    throw new RequestFailed("The server's answer makes no sense to this page.", {
      detail: "It should be a probability for each label.",
    });
  }
  // Sorted again, since JavaScript moves labels that look like numbers to the front.
  entries.sort(([, a], [, b]) => b - a);
  const bars = element("ol", { class: "bars" }, ...entries.slice(0, SHOWN).map(bar));
  return entries.length > SHOWN ? [bars, remainder(entries.slice(SHOWN))] : [bars];
}

function bar([label, probability]) {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * probability}%`;
  return element("li", { class: "bar", "data-label": label, "data-probability": probability },
    element("span", { class: "label" }, label), " ",
    element("span", { class: "percent" }, percentInWords(probability)),
    element("span", { class: "track", "aria-hidden": "true" }, fill));
}

function remainder(entries) {
  const share = entries.reduce((sum, [, probability]) => sum + probability, 0);
  const labels = entries.length === 1 ? "1 more label has" : `${entries.length} more labels share`;
  return element("p", { class: "remainder" }, `${labels} the remaining ${percentInWords(share)}.`);
}
