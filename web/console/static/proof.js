// Shows on the proof's page, and in its saved file, what proof_check.js finds.
import { checked } from "./proof_check.js";

// Writes the checked values into the page, whatever it contained before. Returns false if an
// element is missing.
const PARTS = ["entry_id", "side", "leaf", "checkpoint", "merkle_root", "verifier", "leaf_index", "tree_size"];
function written(proof) {
  const cells = [...document.querySelectorAll("[data-of]")];
  for (const cell of cells) cell.textContent = cell.dataset.of.split(".").reduce((found, name) => (name ? found?.[name] : JSON.stringify(found, null, 2)), proof) ?? "–";
  return PARTS.every((name) => cells.some((cell) => cell.dataset.of === name));
}

const WORDS = { true: ["done", "✓"], false: ["bad", "✗"], null: ["next", "–"] };

function show(viewer, { path, steps, holds }, whole) {
  for (const [name, [state, said]] of Object.entries(steps)) {
    const line = viewer.querySelector(`[data-step="${name}"]`);
    const [kind, mark] = WORDS[state];
    line.className = kind;
    line.querySelector(".mark").textContent = mark;
    line.querySelector(".what-said").textContent = said;
  }
  viewer.querySelectorAll("[data-found]").forEach((cell, place) => {
    const found = path.steps[place];
    cell.textContent = found ? `${found.slice(0, 16)}…` : "–";
    if (found) cell.title = found;
  });
  const verdict = viewer.querySelector("[data-verdict]");
  verdict.dataset.verdict = holds && whole ? "holds" : "fails";
  const root = steps.signature[0] ? "the root that the gateway signed" : "the root of its checkpoint, whose signature was not checked here";
  verdict.textContent = !whole ? "Invalid: this page was altered." : holds
    ? `Valid: recomputed in this browser, the entry leads to ${root}.`
    : "Invalid: see below which step failed.";
}

// Runs at first, and again when a live update has replaced the results or the chain's state.
async function recompute() {
  const viewer = document.querySelector("[data-proof]");
  if (!viewer || viewer.querySelector("[data-verdict]").dataset.verdict) return;
  const proof = JSON.parse(viewer.dataset.proof);
  show(viewer, await checked(proof, JSON.parse(viewer.dataset.chain)), written(proof));
}

recompute();
document.addEventListener("changed", recompute);
