// Takes one text: written, pasted, dropped as a file anywhere on the page, or one of the model's samples.

import { fetchSample, RequestFailed } from "../api.js";
import { countCodePoints } from "../code_points.js";
import { textCommand } from "../curl.js";
import { element } from "../elements.js";
import { countInWords } from "../wording.js";
import { listenForDrops, listenForPaste } from "./files.js";
import { markSample, sampleButtons, sampleName, sampleStrip } from "./samples.js";

const FILE_NAME = "text.txt"; // of what was written into the box
let draft = ""; // what the box last held, so that it stays there with the next model

export function commandForText(model, question) {
  return textCommand(model.name, question ?? { name: FILE_NAME });
}

/** The element to show. Calls ask({name, text, read, sampleUrl}) for each text until the signal aborts. */
export function textInput(model, ask, signal, verb = "Ask") {
  const box = element("textarea", {
    id: "text", rows: "9", dir: "auto", spellcheck: "false", "aria-describedby": "count",
    placeholder: "Write or paste a text here, or drop a text file anywhere on this page.",
  });
  const count = element("p", { id: "count", class: "count" });
  const button = element("button", { type: "button", id: "ask" });
  let shown = null; // the question whose text the box holds, until it is edited

  const describe = () => {
    draft = box.value;
    button.textContent = draft.trim() ? verb : "Write a text first";
    button.classList.toggle("idle", !draft.trim());
    markSample(samples, shown?.sampleUrl);
    showCount(count, box, model.limits?.max_chars);
  };
  const show = (question) => {
    shown = question;
    box.value = question.text;
    describe();
  };
  const askForBox = () => {
    if (!box.value.trim()) return box.focus();
    shown ??= writtenText(model, box.value);
    ask(shown);
  };
  const takeFile = (file) => ask(fetchedText(model, { name: file.name }, async () => file, show));
  const takeSample = ({ url }) => {
    const source = { name: sampleName(url), sampleUrl: url };
    ask(fetchedText(model, source, (aborted) => fetchSample(url, aborted), show));
  };
  const samples = sampleButtons(model, takeSample);

  box.addEventListener("input", () => {
    shown = null;
    describe();
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) askForBox();
  });
  button.addEventListener("click", askForBox);
  listenForDrops(takeFile, signal);
  listenForPaste(takeFile, signal, isTextFile);

  box.value = draft;
  describe();
  return element("div", { class: "text" },
    element("h2", {}, element("label", { for: "text" }, "Text")),
    box,
    count,
    element("div", { class: "submit" }, button, shortcut()),
    sampleStrip(samples));
}

function shortcut() {
  const key = /Mac|iP(hone|ad)/.test(navigator.platform) ? "⌘" : "Ctrl";
  return element("span", { class: "shortcut" }, "or ", element("kbd", {}, key), " + ", element("kbd", {}, "Enter"));
}

/** Word processors paste a picture of the text beside the text: only a text's file is taken instead of it. */
const isTextFile = (file) => file.type.startsWith("text/") || /\.(txt|md)$/i.test(file.name);

function showCount(count, box, most) {
  const length = countCodePoints(box.value);
  const tooMany = most ? length - most : 0;
  const over = tooMany > 0 ? `: ${tooMany.toLocaleString("en")} too many` : "";
  count.textContent = most
    ? `${length.toLocaleString("en")} of ${countInWords(most, "character")}${over}`
    : countInWords(length, "character");
  count.classList.toggle("over", tooMany > 0);
  box.setAttribute("aria-invalid", String(tooMany > 0));
}

function writtenText(model, text) {
  return { name: FILE_NAME, text, read: async () => toBlob(text, model) };
}

/** A text that is still in a file: it is read once, and shown before it is sent. */
function fetchedText(model, source, fetchFile, show) {
  const question = {
    ...source,
    async read(aborted) {
      if (question.text === undefined) {
        const file = await fetchFile(aborted);
        if (file.size > model.limits?.max_bytes) return file; // to be refused for its size, unread
        const text = await decode(file);
        aborted.throwIfAborted();
        question.text = text;
        show(question);
      }
      return toBlob(question.text, model);
    },
  };
  return question;
}

async function decode(file) {
  const bytes = await file.arrayBuffer().catch(() => {
    throw new RequestFailed("This file could not be read from your disk.");
  });
  try {
    // A mark of the byte order stays, since the model counts it as well.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new RequestFailed("This file is no text that the page can read, so it was not sent.", {
      detail: "A text file in UTF-8 is.",
      retryable: false,
    });
  }
}

/** What is sent. Throws RequestFailed where the text is longer or shorter than the model takes. */
function toBlob(text, { title, limits = {} }) {
  const { max_chars: most, min_chars: least } = limits;
  const length = countCodePoints(text);
  if (most && length > most) {
    throw new RequestFailed("This text is too long, so it was not sent.", {
      detail: `It has ${countInWords(length, "character")}; ${title} takes up to ${most.toLocaleString("en")}.`,
      retryable: false,
    });
  }
  const inner = countCodePoints(text.trim());
  if (least && inner < least) {
    throw new RequestFailed("This text is too short, so it was not sent.", {
      detail: `Without the space around it, it has ${countInWords(inner, "character")}; ${title} needs at least ${least}.`,
      retryable: false,
    });
  }
  return new Blob([text], { type: "text/plain" });
}
