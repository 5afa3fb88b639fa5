// A task that this page does not know, on a text: what the model said, as it said it.

export { textInput as input, commandForText as command } from "../inputs/text.js";
export { answer } from "./picture.js";
