// The variants of a model that were measured: the one that is served, beside float32, and those refused.

import { byId, element } from "./elements.js";
import { measureInWords, percentInWords, timesInWords, variantInWords } from "./wording.js";

const METRICS = { f1: "F1", rmse: "RMSE", top_1: "top-1 accuracy" };
const REFERENCE = "float32";

/** model: an entry of models.json. A server may be older than this page, or have measured nothing. */
export function showVariants(model) {
  const variants = model.variants ?? [];
  byId("variants").hidden = !variants.length;
  byId("variant").textContent = variants.length ? summary(model, variants) : "";
  byId("variants-table").replaceChildren(...(variants.length ? table(model, variants) : []));
}

/** "int8 in OpenVINO: 2.9 times as fast as float32, accuracy 0.836 (float32: 0.822)." */
function summary(model, variants) {
  const served = variants.find((entry) => isServed(entry, model));
  if (!served) return `${variantInWords(model)}, which was not measured.`;
  const reference = referenceOf(variants);
  const isCompared = reference && served !== reference;
  const parts = [];
  if (isCompared && isNumber(served.speed_up)) parts.push(`${timesInWords(served.speed_up)} as fast as ${REFERENCE}`);
  if (isNumber(served.value)) {
    const beside = isCompared && isNumber(reference.value) ? ` (${REFERENCE}: ${measureInWords(reference.value)})` : "";
    parts.push(`${metricOf([served])} ${measureInWords(served.value)}${beside}`);
  }
  return [variantInWords(served), parts.join(", ")].filter(Boolean).join(": ") + ".";
}

function table(model, variants) {
  const metric = metricOf(variants);
  const names = ["Variant", metric[0].toUpperCase() + metric.slice(1), "Same answer", "Speed"];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  const rows = variants.map((entry) => row(entry, isServed(entry, model)));
  const reference = referenceOf(variants);
  const caption = reference ? [element("caption", {}, `Same answer and speed: beside ${variantInWords(reference)}.`)] : [];
  return [...caption, element("thead", {}, head), element("tbody", {}, ...rows)];
}

function row(entry, served) {
  const name = element("th", { scope: "row" }, variantInWords(entry));
  if (served) name.append(" ", element("span", { class: "mark" }, "served"));
  if (!entry.passed) name.append(element("p", { class: "refused" }, entry.reason || "Refused."));
  return element("tr", { "data-variant": entry.variant, "data-runtime": entry.runtime, class: served ? "this" : "" },
    name,
    cell(entry.value, measureInWords),
    cell(entry.agreement, percentInWords),
    cell(entry.speed_up, timesInWords));
}

const cell = (value, inWords) => element("td", {}, isNumber(value) ? inWords(value) : "");

const isNumber = Number.isFinite;

const isServed = (entry, { variant, runtime }) => entry.variant === variant && entry.runtime === runtime;

/** What the others are compared with: float32, in the engine whose speed counts as 1. */
function referenceOf(variants) {
  const rows = variants.filter((entry) => entry.variant === REFERENCE);
  return rows.find((entry) => entry.speed_up === 1) ?? rows[0];
}

function metricOf(variants) {
  const metric = variants.find((entry) => entry.metric)?.metric ?? "quality";
  return METRICS[metric] ?? metric.replaceAll("_", " ");
}
