// The model's samples, each a button.

import { element } from "../elements.js";

/** One button for each sample. Calls take({url, title}); what it shows besides the title is up to draw(sample). */
export function sampleButtons(model, take, draw = () => []) {
  return (model.samples ?? []).map((sample) => {
    const button = element("button", {
      type: "button", class: "sample", "aria-pressed": "false", "data-url": sample.url,
    }, ...draw(sample), element("span", {}, sample.title));
    button.addEventListener("click", () => take(sample));
    return button;
  });
}

/** The buttons under their heading; nothing where there are none. */
export function sampleStrip(buttons) {
  if (!buttons.length) return "";
  return element("div", { class: "samples", role: "group", "aria-labelledby": "samples-heading" },
    element("h3", { id: "samples-heading" }, "Or try one of these"),
    element("div", { class: "strip" }, ...buttons));
}

/** Marks the sample that is shown now, if it is one. */
export function markSample(buttons, url) {
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.url === url)));
}

export const sampleName = (url) => decodeURIComponent(url.split("/").pop());
