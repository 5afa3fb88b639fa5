// Readability: one text in, how easy it is to read out.

import { RequestFailed } from "../api.js";
import { element } from "../elements.js";
import { compareInWords, drawGauge } from "../gauge.js";
import { textInput } from "../inputs/text.js";
import { countInWords, scoreInWords } from "../wording.js";

export { commandForText as command } from "../inputs/text.js";

// From the hardest to the easiest, as a teacher would say it.
const LEVELS = [
  "Very hard for school readers",
  "Hard for school readers",
  "Of middling difficulty",
  "Easy for school readers",
  "Very easy for school readers",
];
// The levels meet at scores that these shares of the graded school texts lie below, by the model's figures.
const SHARES = ["0.05", "0.25", "0.75", "0.95"];

export const input = (model, ask, signal) => textInput(model, ask, signal, "Score it");

/** said: {score, tokens, truncated, windows}; a higher score is an easier text */
export function answer(said, model) {
  if (!Number.isFinite(said?.score)) {
    throw new RequestFailed("The server's answer makes no sense to this page.", {
      detail: "It should be a score.",
    });
  }
  const bands = bandsOf(model);
  const levels = bands.length ? LEVELS : [`A score of ${scoreInWords(said.score)}`]; // of a scale not known here
  const level = bands.filter((threshold) => said.score >= threshold).length;
  const examples = examplesOf(model);
  return [
    element("p", { class: "level" }, levels[level]),
    element("p", { class: "comparison" }, compareInWords(said.score, examples)),
    drawGauge(said.score, { examples, bands, levels, level }),
    element("p", { class: "scored" }, sentences(said, bands)),
  ];
}

/** The scores between the levels; none where the model has no figures. */
function bandsOf({ quality }) {
  const bands = SHARES.map((share) => quality?.quantiles?.[share]);
  const rising = bands.every((value, index) => Number.isFinite(value) && (index === 0 || value > bands[index - 1]));
  return rising ? bands : [];
}

/** The model's samples whose score stands in its figures, the hardest first. */
function examplesOf({ samples = [], quality }) {
  return samples
    .map(({ url, title }) => ({ title, score: quality?.samples?.[decodeURIComponent(url.split("/").pop())] }))
    .filter(({ score }) => Number.isFinite(score))
    .sort((one, other) => one.score - other.score);
}

function sentences({ score, tokens, windows, truncated }, bands) {
  return [
    `The score is ${scoreInWords(score)}; higher is easier.`,
    bands.length && "The levels part the school texts that the model was taught with: the hardest and the easiest 5%, "
      + "the next 20% at both ends, and the half between them.",
    Number.isFinite(tokens) && `The model read ${countInWords(tokens, "token")}.`,
    windows > 1 && `The text was scored in ${windows} parts, weighted by their length.`,
    truncated && "Only the beginning was scored, the rest is over the model's limit.",
  ].filter(Boolean).join(" ");
}
