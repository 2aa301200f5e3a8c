// Replaces a result that a browser cannot display (OpenEXR) by its thumbnail, or by a message. A
// thumbnail that fails to load stays: the next update may have it.
function instead(image) {
  const small = image.dataset.else;
  if (small && image.getAttribute("src") !== small) image.src = small;
  else if (image.matches(".result, .pictures img")) image.replaceWith("A browser cannot display this result.");
}

document.addEventListener("error", (event) => instead(event.target), true);
for (const image of document.images) if (image.complete && !image.naturalWidth) instead(image);
