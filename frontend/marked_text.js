// A text with some of its parts marked in place, as the model gave them.

import { codePointCutter } from "./code_points.js";
import { element, reveal } from "./elements.js";

const HINT = "How sure is the model? Point at a name, or press ← →.";

/**
 * parts: [{type, start, end, score, about}] in order, the places in code points.
 * Gives the box to show, the line that tells of the part pointed at, and goTo(index), which shows a part.
 */
export function markedText(text, parts) {
  const { content, marks } = markParts(text, parts);
  const box = element("div", {
    class: "marked", dir: "auto", tabindex: "0", role: "group", "aria-label": "Your text", "aria-live": "off",
  });
  box.append(content);
  const detail = element("p", { class: "detail", "aria-live": "off" }, HINT);
  const drawn = marks.filter(Boolean);
  let current = drawn[0]; // the one stop for the Tab key, however many names there are
  if (current) current.tabIndex = 0;

  const point = ({ target }) => {
    if (!target.classList.contains("entity")) return;
    current.tabIndex = -1;
    current.classList.remove("current");
    current = target;
    current.tabIndex = 0;
    current.classList.add("current");
    detail.replaceChildren(element("strong", {}, current.textContent), " ", current.title);
  };
  const moveTo = (mark) => {
    mark.focus({ preventScroll: true });
    reveal(mark);
  };
  box.addEventListener("focusin", point);
  box.addEventListener("mouseover", point);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = drawn[drawn.indexOf(event.target) + step];
    if (event.target === box || !next) return;
    event.preventDefault();
    moveTo(next);
  });
  return { box, detail, goTo: (index) => marks[index] && moveTo(marks[index]) };
}

/** The text as a fragment, and the mark of each part; null for one that overlaps an earlier one. */
function markParts(text, parts) {
  const cut = codePointCutter(text);
  const content = document.createDocumentFragment();
  let position = 0;
  const marks = parts.map(({ type, start, end, score, about }) => {
    if (start < position || end <= start) return null;
    const mark = element("mark", {
      class: "entity", "data-type": type, "data-start": start, "data-end": end, "data-score": score,
      title: about, tabindex: "-1",
    }, cut(start, end));
    content.append(cut(position, start), mark);
    position = end;
    return mark;
  });
  content.append(cut(position));
  return { content, marks };
}
