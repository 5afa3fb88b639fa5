// A task that this page does not know, on a picture: what the model said, as it said it.

import { element } from "../elements.js";

export { pictureInput as input, pictureCommand as command } from "../inputs/picture.js";

export const answer = (said) => [element("pre", { class: "said", tabindex: "0" }, JSON.stringify(said, null, 2))];
