// The answer of an ensemble: the likeliest labels, and on the same scale what each member gives them.

import { RequestFailed } from "./api.js";
import { element } from "./elements.js";
import { countInWords, percentInWords } from "./wording.js";

/**
 * said: {answer, probability, top: [{label, probability, members: {name: probability}}], members: {name: {answer,
 * probability}}}; labelNode(label) gives a label as people read it, a node or text.
 */
export function drawVotes(said, labelNode) {
  checkVotes(said);
  const members = Object.entries(said.members);
  return [
    // The sentence is read out after each question; the figures are found when they are looked for.
    element("p", { class: "visually-hidden" }, labelNode(said.answer), `, ${percentInWords(said.probability)}`),
    element("ol", { class: "bars votes", "aria-live": "off" }, ...said.top.map((entry) => row(entry, labelNode))),
    element("p", { class: "agreement" }, agreement(members, said.answer)),
    element("ul", { class: "members", "aria-live": "off" },
      ...members.map(([name, own]) => memberEntry(name, own, said.answer, labelNode))),
  ];
}

function checkVotes(said) {
  const isVote = (entry, label) => typeof entry?.[label] === "string" && Number.isFinite(entry.probability);
  const isRow = (entry) => isVote(entry, "label") && Object.values(entry.members ?? {}).every(Number.isFinite);
  if (!isVote(said, "answer") || !Array.isArray(said.top) || !said.top.every(isRow)
    || !Object.values(said.members ?? {}).every((own) => isVote(own, "answer"))) {
    throw new RequestFailed("The server's answer makes no sense to this page.", {
      detail: "It should be the likeliest labels, each with every member's vote.",
    });
  }
}

function row({ label, probability, members }, labelNode) {
  return element("li", { class: "bar", "data-label": label, "data-probability": probability },
    element("span", { class: "label" }, labelNode(label)), " ",
    element("span", { class: "percent" }, percentInWords(probability)),
    element("span", { class: "track", "aria-hidden": "true" }, filled("fill", probability)),
    element("ul", { class: "lanes", "aria-label": "The members" }, ...Object.entries(members).map(lane)));
}

function lane([name, probability]) {
  const words = `${name}: ${percentInWords(probability)}`;
  return element("li", { "data-member": name, "data-probability": probability, title: words },
    element("span", { class: "visually-hidden" }, words), filled("vote", probability));
}

function filled(kind, probability) {
  const node = element("span", { class: kind });
  node.style.width = `${100 * probability}%`;
  return node;
}

function agreement(members, answer) {
  const agreeing = members.filter(([, own]) => own.answer === answer).length;
  const all = countInWords(members.length, "member");
  if (members.length === 1) return "The only member's vote:";
  if (agreeing === members.length) return `All ${all} agree:`;
  return agreeing ? `${agreeing} of ${all} agree:` : `None of ${all} says so alone:`;
}

function memberEntry(name, { answer, probability }, together, labelNode) {
  return element("li", { "data-member": name, "data-answer": answer, class: answer === together ? "" : "differs" },
    element("span", { class: "name" }, name), " ",
    element("span", { class: "own" }, labelNode(answer)), " ",
    element("span", { class: "percent" }, percentInWords(probability)));
}
