// Takes one picture: chosen, dropped anywhere on the page, pasted, or one of the model's samples.

import { fetchSample } from "../api.js";
import { uploadCommand } from "../curl.js";
import { element } from "../elements.js";
import { bytesInWords, limitsInWords } from "../wording.js";
import { listenForDrops, listenForPaste } from "./files.js";
import { markSample, sampleButtons, sampleName, sampleStrip } from "./samples.js";

export function pictureCommand(model, question) {
  return uploadCommand(model.name, question?.name ?? "picture.jpg", question?.sampleUrl);
}

/** The element to show. Calls ask({name, read, sampleUrl}) for each picture until the signal aborts. */
export function pictureInput(model, ask, signal) {
  const { file, preview, caption, limits, samples } = pictureParts(model, ask, signal);
  return element("div", { class: "picture" },
    element("h2", {}, "Picture"),
    element("label", { for: "file", class: "dropzone" }, file, prompt(), preview),
    caption,
    limits,
    samples);
}

/** The elements that take a picture and show it, for an input to arrange; hide() takes the picture away again. */
export function pictureParts(model, ask, signal) {
  const preview = element("span", { id: "preview", hidden: true });
  const caption = element("p", { class: "caption" });
  const limits = limitsInWords(model.limits);
  const file = element("input", {
    id: "file", type: "file", accept: "image/*", class: "visually-hidden",
    "aria-label": "Choose a picture", "aria-describedby": "limits",
  });

  const show = (name, url, size) => {
    markSample(samples, url);
    preview.hidden = false;
    showPicture(preview, caption, { name, url, size });
  };
  const takeFile = (picture) => {
    show(picture.name, URL.createObjectURL(picture), picture.size);
    ask({ name: picture.name, read: async () => picture });
  };
  const takeSample = ({ url, title }) => {
    show(title, url);
    ask({ name: sampleName(url), sampleUrl: url, read: (aborted) => fetchSample(url, aborted) });
  };
  const samples = sampleButtons(model, takeSample, thumbnail);

  file.addEventListener("change", () => {
    if (file.files.length) takeFile(file.files[0]);
    file.value = ""; // so that the same file can be chosen again
  });
  listenForDrops(takeFile, signal);
  listenForPaste(takeFile, signal);

  return {
    file,
    preview,
    caption,
    limits: element("p", { id: "limits", class: "limits" }, limits ? `Pictures up to ${limits}.` : ""),
    samples: sampleStrip(samples),
    isShown: () => !preview.hidden,
    hide() {
      markSample(samples, null);
      preview.hidden = true;
      preview.replaceChildren();
      caption.replaceChildren();
    },
  };
}

function prompt() {
  return element("span", { class: "prompt" },
    element("span", { class: "icon", "aria-hidden": "true" }),
    element("strong", {}, "Choose a picture"),
    element("span", {}, "or drop it anywhere on this page, or paste it"));
}

const thumbnail = ({ url }) => [element("img", { src: url, alt: "", draggable: "false", loading: "lazy" })];

function showPicture(preview, caption, { name, url, size = null }) {
  const image = element("img", { src: url, alt: `Preview of ${name}`, draggable: "false" });
  const about = element("span", { class: "about" }, size === null ? "" : bytesInWords(size));
  const release = () => url.startsWith("blob:") && URL.revokeObjectURL(url);
  image.addEventListener("load", () => {
    about.append(about.textContent && " · ", `${image.naturalWidth} × ${image.naturalHeight}`);
    release();
  });
  image.addEventListener("error", () => {
    image.replaceWith(placeholder(name));
    release();
  });
  preview.replaceChildren(image);
  caption.replaceChildren(element("span", { class: "name" }, name), " ", about);
}

/** For what the browser cannot draw, such as TIFF: the server may well read it. */
function placeholder(name) {
  const extension = name.includes(".") ? name.split(".").pop().slice(0, 5) : "file";
  return element("span", { class: "placeholder" },
    element("strong", {}, extension),
    element("span", {}, "Your browser cannot show this file. It is sent all the same."));
}
