// A result that a browser cannot draw (OpenEXR) is shown as its node showed it, small; else it is said. A
// thumbnail that is not there in time stays a picture: the next fragment has it.
function instead(image) {
  const small = image.dataset.else;
  if (small && image.getAttribute("src") !== small) image.src = small;
  else if (image.matches(".result, .pictures img")) image.replaceWith("A browser cannot show what was delivered.");
}

document.addEventListener("error", (event) => instead(event.target), true);
for (const image of document.images) if (image.complete && !image.naturalWidth) instead(image);
