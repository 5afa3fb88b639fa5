// Readability: one text in, how easy it is to read out.

import { RequestFailed } from "../api.js";
import { element } from "../elements.js";
import { compareInWords, drawGauge } from "../gauge.js";
import { textInput } from "../inputs/text.js";
import { countInWords, scoreInWords } from "../wording.js";

export { commandForText as command } from "../inputs/text.js";

// From the hardest to the easiest, as a teacher would say it.
const LEVELS = [
  "Hard: adult and academic texts",
  "Demanding: upper secondary",
  "Middle grades",
  "Easy: primary school",
  "For beginning readers",
];
// Scores between the levels: these shares of the graded texts are harder, where the model's figures say so.
const SHARES = ["0.05", "0.25", "0.75", "0.95"];
const BANDS = [-2.2, -1.3, -0.6, 0.2];

export const input = (model, ask, signal) => textInput(model, ask, signal, "Score it");

/** said: {score, tokens, truncated, windows}; a higher score is an easier text */
export function answer(said, model) {
  if (!Number.isFinite(said?.score)) {
    throw new RequestFailed("The server's answer makes no sense to this page.", {
      detail: "It should be a score.",
    });
  }
  const bands = bandsOf(model);
  const level = bands.filter((threshold) => said.score >= threshold).length;
  const examples = examplesOf(model);
  return [
    element("p", { class: "level" }, LEVELS[level]),
    element("p", { class: "comparison" }, compareInWords(said.score, examples)),
    drawGauge(said.score, { examples, bands, levels: LEVELS, level }),
    element("p", { class: "scored" }, sentences(said)),
  ];
}

function bandsOf({ quality }) {
  const bands = SHARES.map((share) => quality?.quantiles?.[share]);
  const rising = bands.every((value, index) => Number.isFinite(value) && (index === 0 || value > bands[index - 1]));
  return rising ? bands : BANDS;
}

/** The model's samples whose score stands in its figures, the hardest first. */
function examplesOf({ samples = [], quality }) {
  return samples
    .map(({ url, title }) => ({ title, score: quality?.samples?.[decodeURIComponent(url.split("/").pop())] }))
    .filter(({ score }) => Number.isFinite(score))
    .sort((one, other) => one.score - other.score);
}

function sentences({ score, tokens, windows, truncated }) {
  return [
    `The score is ${scoreInWords(score)} on the CommonLit scale, where higher is easier.`,
    Number.isFinite(tokens) && `The model read ${countInWords(tokens, "token")}.`,
    windows > 1 && `The text was scored in ${windows} parts, weighted by their length.`,
    truncated && "Only the beginning was scored, the rest is over the model's limit.",
  ].filter(Boolean).join(" ");
}
