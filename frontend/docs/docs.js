// Shows /openapi.json with Swagger UI, which stands in ../vendor/ and asks nobody else.

/* global SwaggerUIBundle */

const dark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

// PUT does what POST does, for `curl -T`; shown once is enough.
const HidePut = () => ({
  statePlugins: {
    spec: {
      wrapSelectors: {
        taggedOperations: (original) => (...args) =>
          original(...args).map((tag) =>
            tag.update("operations", (operations) => operations.filter((each) => each.get("method") !== "put")),
          ),
      },
    },
  },
});

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true, // an operation has an address of its own: /docs/#/ner/ner
  docExpansion: "list",
  defaultModelsExpandDepth: -1, // each answer shows its schema already
  tryItOutEnabled: true,
  plugins: [HidePut],
  validatorUrl: null, // else it would send the document to swagger.io
});
