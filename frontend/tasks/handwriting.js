// Handwriting: one traditional Chinese character in, the characters that it may be out.

import { element } from "../elements.js";
import { drawVotes } from "../votes.js";
import { countInWords } from "../wording.js";

export { handwritingInput as input, handwritingCommand as command } from "../inputs/handwriting.js";

const NO_CHARACTER = "isnull"; // the label of a picture that shows none, or one that the model does not know

/** said: as drawVotes takes it */
export function answer(said, { labels = [] }) {
  const known = labels.filter((label) => label !== NO_CHARACTER).length;
  const nothing = `none of the ${known ? countInWords(known, "character") : "known characters"}`;
  return drawVotes(said, (label) => {
    if (label === NO_CHARACTER) return element("span", { class: "words" }, nothing);
    return /^\p{Script=Han}/u.test(label) ? element("span", { lang: "zh-Hant" }, label) : label;
  });
}
