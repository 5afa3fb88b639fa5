// Named entities: one text in, the names in it out, each with its type and its place.

import { RequestFailed } from "../api.js";
import { element } from "../elements.js";
import { textInput } from "../inputs/text.js";
import { markedText } from "../marked_text.js";
import { countInWords, percentInWords } from "../wording.js";

export { commandForText as command } from "../inputs/text.js";

const SHOWN = 8;
const TYPES = new Map([["PER", "Person"], ["ORG", "Organisation"], ["LOC", "Place"], ["MISC", "Other name"]]);

const typeInWords = (type) => TYPES.get(type) ?? type;

export const input = (model, ask, signal) => textInput(model, ask, signal, "Find names");

/** said: [{entity_group, word, score, start, end}], the places in code points of the question's text */
export function answer(said, model, { text }) {
  const entities = checkEntities(said);
  const { box, detail, goTo } = markedText(text, entities.map((entity) => ({
    ...entity,
    about: `${typeInWords(entity.type)}, ${percentInWords(entity.score)}`,
  })));
  if (!entities.length) {
    return [element("p", { class: "nothing" }, "No names were found in this text."), box];
  }
  return [summary(entities), box, detail, list(entities, goTo)];
}

function checkEntities(said) {
  const isEntity = (item) => typeof item?.entity_group === "string" && typeof item.word === "string"
    && [item.score, item.start, item.end].every(Number.isFinite);
  if (!Array.isArray(said) || !said.every(isEntity)) {
    throw new RequestFailed("The server's answer makes no sense to this page.", {
      detail: "It should be a list of names, each with its type and its place.",
    });
  }
  return said
    .map(({ entity_group: type, ...entity }) => ({ type, ...entity }))
    .sort((one, other) => one.start - other.start);
}

/** How many names there are, in all and of each type: the legend of the colours. */
function summary(entities) {
  const counts = new Map();
  for (const { type } of entities) counts.set(type, (counts.get(type) ?? 0) + 1);
  const known = [...TYPES.keys()];
  const rank = (type) => (known.includes(type) ? known.indexOf(type) : known.length);
  const types = [...counts].sort(([one], [other]) => rank(one) - rank(other));
  return element("div", { class: "summary" },
    element("strong", {}, countInWords(entities.length, "name")), " ",
    element("ul", { class: "types" }, ...types.map(legendEntry)));
}

function legendEntry([type, count]) {
  const name = TYPES.has(type) ? [" ", TYPES.get(type)] : [];
  return element("li", { "data-type": type },
    element("span", { class: "tag", "aria-hidden": String(name.length > 0) }, type), ...name, " ",
    element("span", { class: "value" }, count.toLocaleString("en")));
}

function list(entities, goTo) {
  const rows = element("ol", { class: "entities" });
  const grow = (from, to) => rows.append(...entities.slice(from, to).map((entity, index) => row(entity, from + index)));
  const row = ({ type, word, score }, index) => {
    const button = element("button", { type: "button", "data-type": type },
      element("span", { class: "word" }, word), " ",
      element("span", { class: "type" }, typeInWords(type)), " ",
      element("span", { class: "percent" }, percentInWords(score)));
    button.addEventListener("click", () => goTo(index));
    return element("li", {}, button);
  };
  grow(0, SHOWN);
  // Found when they are looked for, not read out after each question.
  const section = element("div", { "aria-live": "off" }, rows);
  if (entities.length > SHOWN) section.append(showAll(entities.length, rows, grow));
  return section;
}

function showAll(count, rows, grow) {
  const button = element("button", { type: "button", class: "more" }, `Show all ${countInWords(count, "name")}`);
  button.addEventListener("click", () => {
    grow(SHOWN, count);
    button.remove();
    rows.children[SHOWN].firstChild.focus();
  });
  return button;
}
