// Shows a preflight in the card of a new job: its picture, its problems and how to fix them.
const place = (id) => document.getElementById(id);
const MOST = 12; // findings that are listed at first
const NOBODY = ["no_node", "nobody"]; // why a check waits
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function time(seconds) {
  let whole = Math.max(1, Math.round(seconds)); // shorter times are shown as one second
  for (const [size] of UNITS.slice(0, 3).reverse()) if (whole >= 10 * size) whole = Math.round(whole / size) * size;
  const first = UNITS.findIndex(([size]) => whole >= size);
  if (first < 0 || first === 3) return `${whole} s`;
  const [[size, unit], [smaller, rest]] = UNITS.slice(first, first + 2);
  const left = Math.floor((whole % size) / smaller);
  return `${Math.floor(whole / size)} ${unit}${left ? ` ${left} ${rest}` : ""}`;
}

export const many = (number, thing) => `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;

// Returns an amount of the API with all its digits: 10.5, 2,471, 2,471.0625.
export function exact(text) {
  const [whole, fraction = ""] = text.split(".");
  const rest = fraction.replace(/0+$/, "");
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${rest ? `.${rest}` : ""}`;
}

// Returns an amount as pages show it: from 100 credits on without the digits after the second decimal.
export const amount = (text) => exact(Math.abs(text) < 100 ? text : text.replace(/(\.\d\d)\d+$/, "$1"));

export const isChecking = (looked) => looked?.status === "PENDING" && !NOBODY.includes(looked.waiting?.code);

// What a pending check says about submitting, by what is still unknown; and the same if no node can check.
const UNTIL = { frames: "You can submit once the frames are known.", price: "You can submit once the price is known.", "": "You can submit without waiting." };
const WITHOUT = { frames: "Choose One picture, or type the frames.", price: UNTIL.price, "": "You can submit without a check." };

function summed({ status, waiting, error, stops, findings, nodes }, unknown) {
  if (status === "FAILED") return `No node could check it: ${error}`;
  if (status === "PENDING" && NOBODY.includes(waiting?.code)) return `No node that checks scenes is online now. ${WITHOUT[unknown]}`;
  if (status === "PENDING") return `${waiting ? `Waiting for the check. ${waiting.words}` : "The scene is being checked, for free."} ${UNTIL[unknown]}`;
  const errors = findings.filter(({ level }) => level === "error").length;
  const found = stops ? `${many(errors, "problem")} must be fixed first` : findings.length ? "It can be rendered; see below" : "No problems found";
  return nodes ? `${found}. ${many(nodes, "node")} online may render it.` : `${found}. No node that may render it is online now.`;
}

function estimated({ estimate, not_estimated: why }) {
  if (!estimate) return why ? `The time is unknown: ${why}.` : "";
  const { frames, least, likely, most } = estimate;
  const range = time(least) === time(most) ? "" : `: ${time(least)} to ${time(most)}`;
  return `About ${time(likely)} of one node for ${many(frames, "frame")}${range}.`;
}

const NAMES_OF = { CYCLES: "Cycles", BLENDER_EEVEE: "EEVEE", BLENDER_EEVEE_NEXT: "EEVEE", BLENDER_WORKBENCH: "Workbench", OPEN_EXR: "OpenEXR", OPEN_EXR_MULTILAYER: "multilayer OpenEXR" };
const calledBy = (name) => NAMES_OF[name] ?? name;

function pictured({ engine, width, height, samples, format, fps, fps_base: base }) {
  const by = samples === null ? "" : `, ${many(samples, "sample")}`;
  return `${width} × ${height}${by}, ${calledBy(engine)}, ${calledBy(format)}, ${Number((fps / base).toFixed(3))} frames per second`;
}

// Adds a mark for each invisible character that changes text direction, as in pages.
export const marked = (text) => `${text}`.replace(/\p{Bidi_C}/gu, (one) => `‹U+${one.charCodeAt().toString(16).toUpperCase().padStart(4, 0)}›`);

function line({ code, level, message, setting, object, path }) {
  const item = place(`finding-${level}`).content.firstElementChild.cloneNode(true);
  const put = (name, text) => { item.querySelector(name).textContent = marked(text); };
  put(".message", message.charAt(0).toUpperCase() + message.slice(1));
  put(".where", [path, object].filter(Boolean).join(" · "));
  put(".setting", setting);
  item.querySelector("[data-format]").hidden = code !== "movie_output" || level !== "error";
  item.querySelector("[data-newer]").hidden = code !== "older_version" || level !== "error";
  return item;
}

const keyOf = ({ code, message, object, path }) => `${code} ${message} ${object} ${path}`;

// Shows the preflight `found`; null if there is none. `fault` says why none was made. `unknown`: what the
// job needs to be submitted, "frames" or "price"; "" if nothing is missing.
export function showLook(found, fault, unknown) {
  const done = found?.status === "DONE";
  place("as-is").hidden = !found?.stops;
  const picture = place("look-picture");
  picture.hidden = !found?.thumbnail;
  if (found?.thumbnail) {
    const small = `/console/previews/${found.job_id}`;
    if (picture.getAttribute("src") !== small) picture.src = small;
  }
  place("look-said").textContent = marked(fault || (found ? summed(found, unknown) : ""));
  place("look-time").textContent = done ? estimated(found) : "";
  place("look-how").textContent = (done && found.estimate?.how) || "";
  place("look-scene").textContent = done && found.scene ? pictured(found.scene) : "";
  const findings = done ? found.findings : [];
  const shown = place("findings");
  const key = findings.map(keyOf).join("\n");
  place("missing").hidden = !findings.some(({ code }) => code === "missing_file");
  const addons = place("addons"); // null if the farm offers none
  if (addons) addons.hidden = !findings.some(({ code }) => code === "addon_node");
  if (shown.dataset.key === key) return; // keeps unfolded what a person has unfolded
  shown.dataset.key = key;
  shown.replaceChildren(...findings.slice(0, MOST).map(line));
  place("more-findings").hidden = findings.length <= MOST;
  place("more-findings").querySelector("summary").textContent = `… and ${many(findings.length - MOST, "more finding")}`;
  place("more-findings").querySelector("ul").replaceChildren(...findings.slice(MOST).map(line));
}
