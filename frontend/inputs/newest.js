// Questions that come faster than answers: one request at a time, and always about the newest.

const PATIENCE_MS = 1000; // after it, a slow answer gives way to a newer question

/** Gives askNewest(question): an earlier question that was not sent yet is dropped; null asks nothing more. */
export function newestFirst(ask) {
  let newest = null; // not sent yet
  let busy = false;
  return async function askNewest(question) {
    newest = question;
    if (busy) return;
    busy = true;
    try {
      while (newest) {
        const next = newest;
        newest = null;
        await Promise.race([ask(next), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
      }
    } finally {
      busy = false;
    }
  };
}
