// Buttons that copy a text of the page. Over plain http only the old clipboard command works.
async function copy(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text.textContent);
  const range = document.createRange();
  range.selectNodeContents(text);
  const chosen = getSelection();
  chosen.removeAllRanges();
  chosen.addRange(range);
  document.execCommand("copy");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.querySelector("span");
  const before = label.dataset.before ?? label.textContent;
  label.dataset.before = before;
  await copy(document.getElementById(button.dataset.copy));
  label.textContent = "Copied";
  setTimeout(() => { label.textContent = before; }, 1600);
});
