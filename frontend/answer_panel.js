// Asks the model and shows what came back: the answer, its timing and batch, or what went wrong.

import { predict, RequestFailed } from "./api.js";
import { showCommand } from "./curl.js";
import { byId, element, reveal } from "./elements.js";
import { timingBar } from "./timing.js";
import { bytesInWords } from "./wording.js";

/**
 * Gives ask(question) for one model; null takes the answer away. A later question, or the signal, silences an earlier
 * one. While a live question waits, the answer to the live one before stays.
 */
export function openAnswerPanel(model, task, signal) {
  let current = new AbortController();
  signal.addEventListener("abort", () => current.abort());
  ask(null);
  return ask;

  async function ask(question) {
    if (signal.aborted) return;
    current.abort();
    const request = (current = new AbortController());
    showCommand(task.command(model, question));
    if (!question) return clear(element("p", { class: "invitation" }, "The answer appears here."));
    if (!question.live || !byId("result").classList.contains("live")) clear(...waiting());
    byId("result").setAttribute("aria-busy", "true");
    try {
      const blob = await question.read(request.signal);
      checkSize(blob, model);
      const reply = await predict(model.name, blob, request.signal);
      if (!request.signal.aborted) showReply(task.answer(reply.answer, model, question), reply, question);
    } catch (error) {
      if (request.signal.aborted) return; // superseded: the newer question owns the panel
      showFailure(error, question, () => ask(question));
      if (!(error instanceof RequestFailed)) throw error;
    }
  }
}

function checkSize(blob, model) {
  const limit = model.limits?.max_bytes;
  if (blob.size === 0) throw new RequestFailed("This file is empty.", { retryable: false });
  if (limit && blob.size > limit) {
    throw new RequestFailed("This file is too large, so it was not sent.", {
      detail: `It has ${bytesInWords(blob.size)}; ${model.title} takes up to ${bytesInWords(limit)}.`,
      retryable: false,
    });
  }
}

function clear(...children) {
  byId("result").replaceChildren(...children);
  byId("result").setAttribute("aria-busy", "false");
  byId("result").classList.remove("live");
  for (const id of ["error", "timing", "batch"]) {
    byId(id).replaceChildren();
    byId(id).hidden = true;
  }
  document.querySelector(".how").hidden = true;
}

function waiting() {
  return [
    element("p", { class: "waiting" }, "Waiting for the answer"),
    element("div", { class: "skeleton", "aria-hidden": "true" }, element("span"), element("span")),
  ];
}

function showReply(nodes, { phases, roundTripMs, batchSize }, { live = false }) {
  clear(...nodes);
  byId("result").classList.toggle("live", live);
  byId("timing").replaceChildren(...timingBar(phases, roundTripMs));
  byId("timing").hidden = false;
  if (batchSize) {
    byId("batch").textContent = `Answered in a batch of ${batchSize}.`;
    byId("batch").hidden = false;
  }
  document.querySelector(".how").hidden = false;
  // On a narrow screen it stands below the input, maybe out of sight; what one writes on must not move.
  if (!live) reveal(byId("result"));
}

function showFailure(error, { live = false }, retry) {
  const known = error instanceof RequestFailed;
  clear();
  const node = byId("error");
  node.replaceChildren(
    element("strong", {}, known ? error.message : "This page could not show the answer."),
    element("p", {}, [error.detail, waitInWords(error.retryAfterS)].filter(Boolean).join(" ")),
  );
  if (error.code) node.append(element("p", { class: "code" }, error.code));
  if (error.retryable) {
    const button = element("button", { type: "button", id: "retry" }, "Try again");
    button.addEventListener("click", () => {
      byId("result").focus(); // the button is about to go, and would take the focus with it
      retry();
    });
    node.append(button);
  }
  node.hidden = false;
  if (!live) reveal(node);
}

const waitInWords = (s) => s && `The server asks to wait ${s === 1 ? "a second" : `${s} seconds`}.`;
