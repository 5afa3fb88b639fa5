// Takes one handwritten character: written here, and asked about after each stroke, or given as a picture.

import { uploadCommand } from "../curl.js";
import { pictureOf } from "../drawing.js";
import { element } from "../elements.js";
import { countInWords } from "../wording.js";
import { newestFirst } from "./newest.js";
import { createPaper } from "./paper.js";
import { pictureParts } from "./picture.js";

const FILE_NAME = "drawing.png"; // of what was written here

export function handwritingCommand(model, question) {
  return uploadCommand(model.name, question?.name ?? FILE_NAME, question?.sampleUrl);
}

/** The element to show. Calls ask({name, read, live, sampleUrl}) for each drawing or picture, ask(null) for neither. */
export function handwritingInput(model, ask, signal) {
  const askNewest = newestFirst(ask);
  const sent = sentPicture(signal);
  const hint = element("p", { class: "hint", "aria-hidden": "true" }, "with mouse, pen or finger");

  const describe = () => {
    const { length } = paper.strokes();
    hint.hidden = length > 0;
    paper.canvas.setAttribute("aria-label", length ? `Your writing, ${countInWords(length, "stroke")}` : "Empty paper");
    undo.setAttribute("aria-disabled", String(!paper.canUndo()));
    clear.setAttribute("aria-disabled", String(!length && !picture.isShown()));
  };
  const begin = () => {
    hint.hidden = true;
    picture.hide();
  };
  const change = () => {
    picture.hide();
    describe();
    const strokes = paper.strokes();
    if (strokes.length) return askNewest(writtenCharacter(strokes, sent));
    sent.hide();
    askNewest(null);
    return ask(null);
  };
  const takePicture = (question) => {
    paper.wipe();
    sent.hide();
    describe();
    askNewest(null);
    ask(question);
  };

  const paper = createPaper({ begin, change }, signal);
  const picture = pictureParts(model, takePicture, signal);
  const undo = tool("undo", "Undo", paper.undo);
  const clear = tool("clear", "Clear", paper.clear);
  addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    paper.undo();
  }, { signal });

  describe();
  // Two cards, since on a narrow screen the answer stands between them.
  return element("div", { class: "handwriting" },
    element("div", { class: "card sheet" },
      element("h2", {}, "Write one character"),
      element("div", { class: "desk" },
        element("div", { class: "paper" }, paper.canvas, hint, picture.preview),
        element("div", { class: "tools", role: "group", "aria-label": "Paper" }, undo, clear, sent.node)),
      picture.caption),
    element("div", { class: "card given" },
      element("h2", {}, "Or give a picture"),
      element("p", { class: "choose" },
        picture.file, element("label", { for: "file", class: "button" }, "Choose a picture"),
        element("span", {}, "or drop it anywhere on this page, or paste it")),
      picture.limits,
      picture.samples));
}

function tool(id, name, act) {
  // Never disabled: a button that is would lose the focus.
  const button = element("button", { type: "button", id, class: "button" }, name);
  button.addEventListener("click", act);
  return button;
}

function writtenCharacter(strokes, sent) {
  return {
    name: FILE_NAME,
    live: true,
    async read(aborted) {
      const drawing = await pictureOf(strokes);
      aborted.throwIfAborted();
      sent.show(drawing);
      return drawing;
    },
  };
}

/** What the model got, to see and to keep: the command asks about this file. */
function sentPicture(signal) {
  const image = element("img", { alt: "" });
  const link = element("a", { id: "sent", download: FILE_NAME, hidden: true },
    image, element("span", {}, "Save as sent"));
  const release = () => link.href && URL.revokeObjectURL(link.href);
  signal.addEventListener("abort", release);
  return {
    node: element("div", { class: "sent" }, link),
    show(blob) {
      release();
      image.src = link.href = URL.createObjectURL(blob);
      link.hidden = false;
    },
    hide() {
      link.hidden = true;
    },
  };
}
