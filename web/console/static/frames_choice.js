// The frames of a new job: the whole animation, two test frames, one picture, or those that were
// typed.

// Returns the frames from `first` to `last` as the API writes them; '' if there are none.
function stretch(first, last, step) {
  if (first > last) return "";
  const end = last - ((last - first) % step);
  return first === end ? `${first}` : `${first}-${end}${step > 1 ? `x${step}` : ""}`;
}

// Returns true if one frame was typed. JavaScript also takes "1e3" for a number; the API does not.
export const isOneFrame = (typed) => /^[+-]?\d+$/.test(typed);

const counted = ({ first, last, step }) => Math.floor((last - first) / step) + 1;

// Returns the first frame and the middle one.
export function testsOf({ first, last, step }) {
  return [first, first + step * Math.floor(counted({ first, last, step }) / 2)];
}

// Returns the frames that the two test frames leave.
export function restOf(range) {
  const { first, last, step } = range;
  const middle = testsOf(range)[1];
  return [stretch(first + step, middle - step, step), stretch(middle + step, last, step)].filter(Boolean).join(",");
}

// Returns the frames to render: '' for the scene's current frame, null if they are not known yet.
export function framesOf(what, typed, range, current) {
  if (what === "some") return typed || null;
  if (what === "one") return current === undefined ? "" : `${current}`;
  if (!range) return null;
  return what === "test" && counted(range) > 2 ? testsOf(range).join(",") : stretch(range.first, range.last, range.step);
}

// Says which frames are rendered.
export function saidOf(what, typed, range, current) {
  if (what === "some") return typed ? `Only ${isOneFrame(typed) ? "frame" : "frames"} ${typed}.` : "Type the frames, or choose the whole animation.";
  if (what === "one") return `One picture: ${current === undefined ? "the scene's current frame" : `frame ${current}`}.`;
  if (!range) return "The whole animation. The check finds out which frames it has.";
  const number = counted(range);
  if (number === 1) return `One picture: frame ${range.first}, the scene's only one.`;
  if (what === "test" && number > 2) return `Two test frames: ${testsOf(range).join(" and ")}. The other ${number === 3 ? "frame" : `${(number - 2).toLocaleString("en")} frames`} afterwards, on a click.`;
  return `The whole animation: frames ${range.first} to ${range.last}${range.step > 1 ? `, in steps of ${range.step}` : ""}.`;
}
