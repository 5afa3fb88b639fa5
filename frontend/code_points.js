// Characters as the models count them: Unicode code points. JavaScript counts an emoji as two.

/** How many code points a text has. */
export function countCodePoints(text) {
  return text.length - (text.match(/[\u{10000}-\u{10FFFF}]/gu)?.length ?? 0);
}

/** Gives cut(start, end): the part of the text between two code points. */
export function codePointCutter(text) {
  const points = [...text];
  return (start, end) => points.slice(start, end).join("");
}
