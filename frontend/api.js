// Speaks HTTP with the server: the list of models, and one prediction.

/** A request that got no answer: a sentence for people, then what the server said. */
export class RequestFailed extends Error {
  constructor(sentence, { detail = "", code = "", retryAfterS = null, retryable = true } = {}) {
    super(sentence);
    Object.assign(this, { detail, code, retryAfterS, retryable });
  }
}

const SENTENCES = {
  400: "The server could not read this.",
  401: "The server wants a token that this page does not have.",
  403: "The server does not allow this request.",
  404: "This model is no longer served here.",
  408: "The upload took too long.",
  413: "This is larger than the model accepts.",
  415: "The model does not take this kind of file.",
  422: "The server could read this, but the model cannot use it.",
  429: "Too many requests at once.",
  500: "The model failed on this input.",
  502: "The model server does not answer.",
  503: "The server is busy or still starting.",
  504: "The answer did not come in time.",
};

/** Resolves to the models of /models.json. Throws RequestFailed or what JSON.parse throws. */
export async function fetchModels() {
  const response = await fetch("/models.json", { cache: "no-store" });
  if (!response.ok) throw await failure(response);
  return (await response.json()).models;
}

/** Resolves to the picture, text or drawing at a sample's address. */
export async function fetchSample(url, signal) {
  const response = await fetch(url, { signal }).catch(unreachable);
  if (!response.ok) throw new RequestFailed("This sample could not be fetched.", { code: String(response.status) });
  return response.blob();
}

/** Resolves to {answer, phases: [{name, ms}], batchSize, roundTripMs}. */
export async function predict(model, blob, signal) {
  // Read first, so that an unreadable file is not taken for a server that is away.
  const body = await blob.arrayBuffer().catch(() => {
    throw new RequestFailed("This file could not be read from your disk.");
  });
  const started = performance.now();
  const response = await fetch(`/predictions/${encodeURIComponent(model)}`, {
    method: "POST",
    headers: { "Content-Type": blob.type || "application/octet-stream" },
    body,
    signal,
  }).catch(unreachable);
  if (!response.ok) throw await failure(response);
  const text = await response.text().catch(unreachable);
  const roundTripMs = performance.now() - started;
  return {
    answer: parseAnswer(text),
    phases: parseServerTiming(response.headers.get("Server-Timing") ?? ""),
    batchSize: Number(response.headers.get("X-Batch-Size")) || null,
    roundTripMs,
  };
}

function unreachable() {
  throw new RequestFailed("The server could not be reached.", { detail: "Is it still running?" });
}

function parseAnswer(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestFailed("The server's answer makes no sense to this page.", { detail: "It is not JSON." });
  }
}

/** "preprocess;dur=1.9, inference;dur=14.2" -> [{name: "preprocess", ms: 1.9}, ...] */
function parseServerTiming(header) {
  return header.split(",").flatMap((entry) => {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim());
    const duration = parameters.find((parameter) => parameter.startsWith("dur="));
    return duration ? [{ name, ms: Number(duration.slice(4)) || 0 }] : [];
  });
}

async function failure(response) {
  const { status } = response;
  const said = await response.json().catch(() => ({})) ?? {}; // a proxy in between may answer in HTML
  const fallback = status < 500 ? "The server refused the request." : "The server failed.";
  return new RequestFailed(SENTENCES[status] ?? fallback, {
    detail: typeof said.message === "string" ? said.message : "",
    code: [status, said.type].filter(Boolean).join(" "),
    retryAfterS: Number(response.headers.get("Retry-After")) || null,
    retryable: [408, 429].includes(status) || status >= 500,
  });
}
