// Draws the page from /models.json: which models there are, and the one that the address names.

import { openAnswerPanel } from "./answer_panel.js";
import { fetchModels } from "./api.js";
import { connectCopyButton } from "./curl.js";
import { byId, element } from "./elements.js";
import { taskOf } from "./tasks/index.js";
import { showVariants } from "./variants.js";
import { variantInWords } from "./wording.js";

const RETRY_S = 3;

const address = (model) => `#${encodeURIComponent(model.name)}`;
let shown = null; // {model, controller}: what is on the page, and what ends its listeners and requests

async function start() {
  connectCopyButton();
  const models = await waitForModels();
  const showNamed = () => show(models.find((model) => address(model) === location.hash) ?? models[0]);
  drawNavigation(models);
  showNamed();
  byId("content").hidden = false;
  addEventListener("hashchange", showNamed);
}

async function waitForModels() {
  for (;;) {
    let problem;
    try {
      const models = await fetchModels();
      if (models.length) return models;
      problem = "It answers, but serves no model yet.";
    } catch (error) {
      problem = "It does not say yet which models it serves.";
      console.info("/models.json:", error.message);
    }
    announce("The server is not ready", `${problem} This page tries again every ${RETRY_S} seconds.`);
    await new Promise((resolve) => setTimeout(resolve, 1000 * RETRY_S));
  }
}

function announce(title, description) {
  byId("title").textContent = title;
  if (byId("description").textContent !== description) byId("description").textContent = description;
}

function drawNavigation(models) {
  byId("models").replaceChildren(
    ...models.map((model) => element("a", { href: address(model) }, model.title)),
  );
  byId("models").hidden = models.length < 2;
}

function show(model) {
  if (shown?.model === model) return;
  shown?.controller.abort();
  shown = { model, controller: new AbortController() };

  document.title = `${model.title} · Marina`;
  announce(model.title, model.description);
  byId("terms").textContent = model.license ?? "";
  byId("facts").replaceChildren(...facts(model).map((fact) => element("li", {}, fact)));
  showVariants(model);
  for (const link of byId("models").children) {
    if (link.hash === address(model)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  const { signal } = shown.controller;
  const task = taskOf(model) ?? unknownTask;
  const ask = openAnswerPanel(model, task, signal);
  byId("input").replaceChildren(task.input(model, ask, signal));
}

function facts(model) {
  const labels = kindsOf(model.labels ?? []);
  return [
    `${model.name}, version ${model.version}`,
    ...(labels.length > 6 ? [`${labels.length} labels`] : labels.length ? [labels.join(", ")] : []),
    ...(model.variant ? [variantInWords(model)] : []),
  ];
}

/** Labels of the parts of names, O, B-PER, I-PER and so on, as the kinds of names that they stand for. */
function kindsOf(labels) {
  if (!labels.some((label) => /^[BI]-/.test(label))) return labels;
  return [...new Set(labels.filter((label) => label !== "O").map((label) => label.replace(/^[BI]-/, "")))];
}

/** A server may be newer than this page. */
const unknownTask = {
  input: (model) => element("p", {}, `This page has no view for the task “${model.task}”. A terminal can still ask.`),
  answer: () => [],
  command: (model) => `curl -T 'input' ${location.origin}/predictions/${encodeURIComponent(model.name)}`,
};

start();
