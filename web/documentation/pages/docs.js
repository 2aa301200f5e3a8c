"use strict";

SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  displayOperationId: true,
  // Expanded, the page would start in the middle of more than a hundred operations.
  docExpansion: "none",
  // Without this the document would be sent to a validator on the internet.
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
});
