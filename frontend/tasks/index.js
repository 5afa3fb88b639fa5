// The tasks that this page can show. A further one is a module here and a line below; it exports
//   input(model, ask, signal) -> Node      what people give; calls ask(question) for each request,
//                                          where question = {name, read(signal) -> Promise<Blob>};
//                                          its listeners end with the signal
//   answer(answer, model) -> Node[]        what the model said
//   command(model, question) -> string     the same request with curl; question is null at first

import * as image_classification from "./image_classification.js";
import * as picture from "./picture.js";

const tasks = { image_classification };
const inputs = { image: picture }; // for a task of somebody's own, by what it takes

/** The view for a model, if this page has one. */
export const taskOf = (model) => tasks[model.task] ?? inputs[model.input];
