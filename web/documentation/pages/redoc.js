"use strict";

const plain = "system-ui, sans-serif";

Redoc.init(
  new URL("openapi.json", document.baseURI).href,
  {
    // The search runs in a worker made from text, which the page's policy forbids.
    disableSearch: true,
    hideDownloadButton: true,
    nativeScrollbars: true,
    theme: {
      typography: {
        fontFamily: plain,
        headings: { fontFamily: plain },
        code: { fontFamily: "ui-monospace, monospace" },
      },
    },
  },
  document.getElementById("api"),
);
