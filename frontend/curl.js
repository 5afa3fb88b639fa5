// The request of the page as a command for a shell, and the button that copies it.

import { byId } from "./elements.js";

// A control character could act on the terminal into which the command is pasted. The two joiners inside
// words and emoji could not.
const UNPRINTABLE = /(?![\u200c\u200d])\p{C}/gu;
const LONGEST_LITERAL = 200;

/** In single quotes, where a shell reads nothing but the closing quote. */
function shellQuote(text) {
  return `'${text.replace(UNPRINTABLE, "_").replaceAll("'", `'\\''`)}'`;
}

const quoteIfNeeded = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : shellQuote(word));

/** Sends a file as it is. */
export function uploadCommand(modelName, fileName, sampleUrl = null) {
  return fetchFirst(fileName, sampleUrl, `${curlFor(fileName)} -T ${shellQuote(fileName)} ${predictionUrl(modelName)}`);
}

/** Sends a text: written into the command where it is short and of one line, else from a file. */
export function textCommand(modelName, { name, text, sampleUrl }) {
  const literal = text && !sampleUrl && text.length <= LONGEST_LITERAL && text.search(UNPRINTABLE) < 0;
  // Not --data-binary for the text itself, since that takes one that begins with @ for a file's name.
  const data = literal ? `--data-raw ${shellQuote(text)}` : `--data-binary ${quoteIfNeeded(`@${name}`)}`;
  return fetchFirst(name, sampleUrl, `curl -H 'Content-Type: text/plain' ${data} ${predictionUrl(modelName)}`);
}

const predictionUrl = (modelName) => quoteIfNeeded(`${location.origin}/predictions/${encodeURIComponent(modelName)}`);

/** A sample is fetched first, since the person who pastes the command has no such file. */
function fetchFirst(fileName, sampleUrl, command) {
  if (!sampleUrl) return command;
  const source = quoteIfNeeded(new URL(sampleUrl, location.origin).href);
  return `${curlFor(fileName)} -fsSo ${shellQuote(fileName)} ${source} && ${command}`;
}

/** curl expands [1-3] and {a,b} in the names of files. */
const curlFor = (fileName) => (/[[\]{}]/.test(fileName) ? "curl -g" : "curl");

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
