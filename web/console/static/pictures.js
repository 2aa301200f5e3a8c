// A result that a browser cannot draw (OpenEXR) is shown as its node showed it, small.
function instead(image) {
  const small = image.dataset?.else;
  if (small && image.getAttribute("src") !== small) image.src = small;
}

document.addEventListener("error", (event) => instead(event.target), true);
for (const image of document.images) if (image.complete && !image.naturalWidth) instead(image);
