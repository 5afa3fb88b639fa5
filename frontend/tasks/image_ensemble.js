// An ensemble of models: one picture in, the labels they settle on out, and how each of them votes.

import { drawVotes } from "../votes.js";

export { pictureInput as input, pictureCommand as command } from "../inputs/picture.js";

/** said: as drawVotes takes it */
export const answer = (said) => drawVotes(said, (label) => label);
