// The request of the page as a command for a shell, and the button that copies it.

import { byId } from "./elements.js";

/** In single quotes, where a shell reads nothing but the closing quote. */
function shellQuote(text) {
  // A control character could act on the terminal into which the command is pasted.
  const printable = text.replace(/\p{C}/gu, "_");
  return `'${printable.replaceAll("'", `'\\''`)}'`;
}

/** A sample is fetched first, since the person who pastes the command has no such file. */
export function uploadCommand(modelName, fileName, sampleUrl = null) {
  const globs = /[[\]{}]/.test(fileName) ? "-g " : ""; // curl expands [1-3] and {a,b} in -T
  const url = `${location.origin}/predictions/${encodeURIComponent(modelName)}`;
  const upload = `curl ${globs}-T ${shellQuote(fileName)} ${quoteIfNeeded(url)}`;
  if (!sampleUrl) return upload;
  const source = new URL(sampleUrl, location.origin).href;
  return `curl ${globs}-fsSo ${shellQuote(fileName)} ${quoteIfNeeded(source)} && ${upload}`;
}

const quoteIfNeeded = (url) => (/^[\w@%+=:,./-]+$/.test(url) ? url : shellQuote(url));

export function showCommand(command) {
  byId("curl-command").textContent = command;
  say("");
}

export function connectCopyButton() {
  byId("curl").addEventListener("click", async () => {
    say((await copy(byId("curl-command"))) ? "Copied" : "Selected: press Ctrl+C");
  });
}

let forget = 0;

function say(feedback) {
  byId("curl").textContent = feedback || "Copy as curl";
  byId("curl").classList.toggle("done", feedback !== "");
  byId("curl-feedback").textContent = feedback;
  clearTimeout(forget);
  if (feedback) forget = setTimeout(say, 2500, "");
}

async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.textContent);
    return true;
  } catch {
    // Over plain HTTP from another machine there is no clipboard: the old way may still work.
    getSelection().selectAllChildren(node);
    return document.execCommand("copy");
  }
}
