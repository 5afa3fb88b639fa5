// A sheet to write on with mouse, pen or finger.

import { drawOnPaper } from "../drawing.js";
import { element } from "../elements.js";

/**
 * Gives {canvas, strokes(), canUndo(), undo(), clear(), wipe()}. Calls begin() when somebody starts to write, and
 * change() after each stroke, undo() and clear(). wipe() is a clear() that calls nothing.
 */
export function createPaper({ begin, change }, signal) {
  const canvas = element("canvas", { id: "paper", role: "img" });
  const sheets = [[]]; // the strokes as they were after each change, the newest last
  let writing = null; // {pointerId, pointerType, points}: the stroke under the pen

  const strokes = () => sheets[sheets.length - 1];
  const redraw = () => drawOnPaper(canvas, writing ? [...strokes(), writing.points] : strokes());
  const turnTo = (sheet) => {
    sheets.push(sheet);
    redraw();
  };

  const extend = (event) => {
    const sheet = canvas.getBoundingClientRect();
    const pressure = event.pointerType === "pen" && event.pressure ? event.pressure : 0.5;
    for (const { clientX, clientY } of momentsOf(event)) {
      const x = (clientX - sheet.left) / sheet.width;
      const y = (clientY - sheet.top) / sheet.height;
      writing.points.push({ x, y, pressure });
    }
    redraw();
  };
  const on = (type, listener) => canvas.addEventListener(type, listener, { signal });
  const onOwn = (type, listener) => on(type, (event) => event.pointerId === writing?.pointerId && listener(event));
  const finish = () => {
    const { points } = writing;
    writing = null;
    turnTo([...strokes(), points]);
    change();
  };

  on("pointerdown", (event) => {
    const wasPalm = writing?.pointerType === "touch" && event.pointerType === "pen";
    if (event.button !== 0 || (writing && !wasPalm)) return;
    const { pointerId, pointerType } = event;
    canvas.setPointerCapture(pointerId); // a stroke may leave the paper and come back
    writing = { pointerId, pointerType, points: [] };
    begin();
    extend(event);
  });
  onOwn("pointermove", extend);
  onOwn("pointerup", finish);
  onOwn("lostpointercapture", finish);
  onOwn("pointercancel", () => { // it was no writing: the system took it for a gesture
    writing = null;
    redraw();
    change();
  });
  keepSharp(canvas, redraw, signal);

  const wipe = () => strokes().length && turnTo([]);
  return {
    canvas,
    strokes,
    canUndo: () => sheets.length > 1,
    undo() {
      if (sheets.length === 1 || writing) return;
      sheets.pop();
      redraw();
      change();
    },
    wipe,
    clear() {
      if (writing) return;
      wipe();
      change();
    },
  };
}

/** The places between two frames of the screen, where the browser tells them. */
function momentsOf(event) {
  const moments = event.getCoalescedEvents?.() ?? [];
  return moments.length ? moments : [event];
}

/** As many pixels as the screen has, whatever its density and the page's zoom. */
function keepSharp(canvas, redraw, signal) {
  const fit = () => {
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (canvas.width === side && canvas.height === side) return;
    canvas.width = canvas.height = side;
    redraw();
  };
  const observer = new ResizeObserver(fit);
  try {
    observer.observe(canvas, { box: "device-pixel-content-box" });
  } catch {
    observer.observe(canvas); // Safari tells of CSS's pixels only
  }
  signal.addEventListener("abort", () => observer.disconnect());
}
