// The tasks that this page can show. A further one is a module here and a line below; it exports
//   input(model, ask, signal) -> Node          what people give; calls ask(question) for each request,
//                                              where question = {name, read(signal) -> Promise<Blob>},
//                                              live if it is one of many about what is being made;
//                                              ask(null) when nothing is given any more;
//                                              its listeners end with the signal
//   answer(answer, model, question) -> Node[]  what the model said, and of what: a question on text has
//                                              its text, once it was read
//   command(model, question) -> string         the same request with curl; question is null at first

import * as handwriting from "./handwriting.js";
import * as image_classification from "./image_classification.js";
import * as image_ensemble from "./image_ensemble.js";
import * as named_entities from "./named_entities.js";
import * as picture from "./picture.js";
import * as readability from "./readability.js";
import * as text from "./text.js";

const tasks = { handwriting, image_classification, image_ensemble, named_entities, readability };
const inputs = { image: picture, text }; // for a task of somebody's own, by what it takes

/** The view for a model, if this page has one. */
export const taskOf = (model) => tasks[model.task] ?? inputs[model.input];
