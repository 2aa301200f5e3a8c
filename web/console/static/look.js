// Shows a preflight: findings with their places, the estimate, and a thumbnail.
const place = (id) => document.getElementById(id);
const MOST = 12; // findings that are listed at first
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function time(seconds) {
  const whole = Math.max(1, Math.round(seconds)); // shorter times are shown as one second
  const first = UNITS.findIndex(([size]) => whole >= size);
  if (first < 0 || first === 3) return `${whole} s`;
  const [[size, unit], [smaller, rest]] = UNITS.slice(first, first + 2);
  const left = Math.floor((whole % size) / smaller);
  return `${Math.floor(whole / size)} ${unit}${left ? ` ${left} ${rest}` : ""}`;
}

const many = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

function summed({ status, waiting, error, stops, findings, nodes, job_id: job }) {
  if (status === "FAILED") return `No node could check it: ${error}`;
  if (status === "PENDING") return waiting ? `Waiting. ${waiting.words}` : "A node is checking the scene. You can submit without waiting.";
  const errors = findings.filter(({ level }) => level === "error").length;
  const found = stops ? `${many(errors, "problem")} must be fixed first` : findings.length ? "It can be rendered; see the findings below" : "No problems found";
  return nodes ? `${found}. ${nodes === 1 ? "One node is" : `${nodes} nodes are`} online that may render it.` : `${found}. No node that may render it is online now.`;
}

function estimated({ estimate, not_estimated: why }) {
  if (!estimate) return why ? `The time is unknown: ${why}.` : "";
  const { frames, least, likely, most, slots, elapsed } = estimate;
  const said = `About ${time(likely)} of one node for ${many(frames, "frame")}: ${time(least)} to ${time(most)}`;
  return elapsed !== null && frames > 1 && slots > 1 ? `${said}; ${time(elapsed)} if all ${slots} slots that are online help.` : `${said}.`;
}

function pictured({ engine, width, height, samples, format, frame_start: first, frame_end: last, fps, fps_base: base }) {
  const by = samples === null ? "" : `, ${many(samples, "sample")}`;
  return `${engine}, ${width} × ${height}${by}, ${format}; frames ${first} to ${last} at ${Number((fps / base).toFixed(3))} per second.`;
}

// Adds a mark for each invisible character that changes text direction, as in pages.
export const marked = (text) => `${text}`.replace(/\p{Bidi_C}/gu, (one) => `<U+${one.charCodeAt().toString(16)}>`);

function line({ level, message, setting, object, path }) {
  const item = place(`finding-${level}`).content.firstElementChild.cloneNode(true);
  const put = (name, text) => { item.querySelector(name).textContent = marked(text); };
  put(".message", message.charAt(0).toUpperCase() + message.slice(1));
  put(".where", [path, object].filter(Boolean).join(" · "));
  put(".setting", level === "note" ? setting : `To fix: ${setting}`);
  return item;
}

// Shows the preflight `found`; null if there is none.
export function showLook(found) {
  const done = found?.status === "DONE";
  place("look-found").hidden = !done;
  place("as-is").hidden = !found?.stops;
  place("look-again").hidden = !found || found.status === "PENDING";
  place("look-now").hidden = Boolean(found);
  const picture = place("look-picture");
  picture.hidden = !found?.thumbnail;
  if (found?.thumbnail) {
    const small = `/console/previews/${found.job_id}`;
    if (picture.getAttribute("src") !== small) picture.src = small;
  }
  place("look-said").textContent = found ? marked(summed(found)) : place("look-said").dataset.before;
  place("findings").replaceChildren();
  if (!done) return;
  const { findings, scene } = found;
  place("look-time").textContent = estimated(found);
  place("look-how").textContent = found.estimate?.how ?? "";
  place("look-scene").textContent = scene ? pictured(scene) : "";
  place("all-frames").hidden = !scene || scene.frame_start >= scene.frame_end;
  place("all-frames").textContent = scene ? `All frames: ${scene.frame_start}-${scene.frame_end}` : "";
  place("all-frames").value = scene ? `${scene.frame_start}-${scene.frame_end}` : "";
  place("findings").replaceChildren(...findings.slice(0, MOST).map(line));
  place("more-findings").hidden = findings.length <= MOST;
  place("more-findings").querySelector("summary").textContent = `… and ${many(findings.length - MOST, "more finding")}`;
  place("more-findings").querySelector("ul").replaceChildren(...findings.slice(MOST).map(line));
  place("linked").hidden = !findings.some(({ code }) => code === "missing_file");
}
