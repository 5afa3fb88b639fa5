// Takes files that are dropped anywhere on the page or pasted into it.

/** Calls takeFile(file) for each file that is dropped, until the signal aborts. */
export function listenForDrops(takeFile, signal) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (dragging) => document.body.classList.toggle("dragging", dragging);
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(true);
  }, { signal });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false); // null once the pointer has left the window
  }, { signal });
  addEventListener("drop", (event) => {
    mark(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) takeFile(event.dataTransfer.files[0]);
  }, { signal });
}

/** Calls takeFile(file) for each file that is pasted and wanted, until the signal aborts. */
export function listenForPaste(takeFile, signal, isWanted = () => true) {
  addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(isWanted);
    if (!file) return;
    event.preventDefault();
    takeFile(file);
  }, { signal });
}
