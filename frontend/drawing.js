// Handwriting as strokes: how they look, and the picture of them that a model gets.
// A stroke is a list of points {x, y, pressure}, in sides of the paper; the pressure is 0 to 1, 0.5 where none is felt.

// What is sent resembles the scans of single characters that models of handwriting learn from: 67 px high, 28 to
// 86 px wide, the character three quarters of the height, written with a pen of about 3 px.
const HEIGHT_PX = 134; // twice a scan's, so that the model's own resizing softens the lines as scanning does
const NARROWEST = 28 / 67; // width in heights
const WIDEST = 86 / 67; // beyond it the picture grows in height: a lone horizontal stroke is no tall character
const MARGIN = 0.15; // on each side, in the ink's longer side
const PEN = 3 / 67; // the line's width in heights of the picture, however large one writes
const SMALLEST = 0.25; // height in sides of the paper: a dot stays a dot
const INK = "#1b2238"; // the same whatever the page's theme
const PAPER = "#ffffff";

const PEN_ON_PAPER = 0.03; // as one sees it while writing, in sides of the paper
const PRESSED = [0.6, 1.4]; // the line's width at no pressure and at full, in widths without

/** Draws the strokes over a whole square canvas, whose side is the paper's. */
export function drawOnPaper(canvas, strokes) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  drawStrokes(context, strokes, { left: 0, top: 0, scale: canvas.width, penPx: PEN_ON_PAPER * canvas.width });
}

/** Resolves to a PNG of the strokes, cut to their ink and a margin; the same bytes on every screen. */
export async function pictureOf(strokes) {
  const { left, top, width, height } = frameOf(strokes);
  const scale = HEIGHT_PX / height;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = HEIGHT_PX;
  const context = canvas.getContext("2d", { willReadFrequently: true }); // drawn without the graphics card
  context.fillStyle = PAPER;
  context.fillRect(0, 0, canvas.width, canvas.height);
  drawStrokes(context, strokes, { left, top, scale, penPx: PEN * HEIGHT_PX });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** The part of the paper that is sent, in its sides: the ink in the middle. */
function frameOf(strokes) {
  const points = strokes.flat();
  const [left, right] = extentOf(points.map(({ x }) => x));
  const [top, bottom] = extentOf(points.map(({ y }) => y));
  const margins = 2 * MARGIN * Math.max(right - left, bottom - top);
  const height = Math.max(bottom - top + margins, (right - left + margins) / WIDEST, SMALLEST);
  const width = Math.max(right - left + margins, NARROWEST * height);
  return { left: (left + right - width) / 2, top: (top + bottom - height) / 2, width, height };
}

const extentOf = (values) => values.reduce(
  ([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity],
);

function drawStrokes(context, strokes, { left, top, scale, penPx }) {
  context.strokeStyle = context.fillStyle = INK;
  context.lineCap = context.lineJoin = "round";
  const place = ({ x, y, pressure }) => ({
    x: (x - left) * scale,
    y: (y - top) * scale,
    width: penPx * (PRESSED[0] + (PRESSED[1] - PRESSED[0]) * pressure),
  });
  for (const stroke of strokes) drawStroke(context, stroke.map(place));
}

/** A smooth line through the middles between the points, which are its bends. */
function drawStroke(context, points) {
  const first = points[0];
  const last = points[points.length - 1];
  context.beginPath(); // a mere tap is a dot
  context.arc(first.x, first.y, first.width / 2, 0, 2 * Math.PI);
  context.fill();
  let from = first;
  points.forEach((bend, index) => {
    const to = index + 1 < points.length ? middle(bend, points[index + 1]) : last;
    context.lineWidth = bend.width;
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.quadraticCurveTo(bend.x, bend.y, to.x, to.y);
    context.stroke();
    from = to;
  });
}

const middle = (one, other) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
