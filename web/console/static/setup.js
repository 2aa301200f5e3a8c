// Goes on from the last page of the set-up once the gateway runs in production. Until then, it says
// what the gateway does, and tries again.
const state = document.getElementById("restart");
const began = Date.now();
const LATE = 90_000, ANSWER = 5_000, PAUSE = 1_000;

// Return the environment of the process that answers: the old one says "development" until it stops,
// or leaves requests open. Return "" if none answers.
async function found() {
  try {
    const signal = AbortSignal.timeout(ANSWER);
    const answer = await fetch("/version", { cache: "no-store", signal });
    return answer.ok ? (await answer.json()).environment : "";
  } catch (error) {
    return error.name === "TimeoutError" ? "development" : "";
  }
}

function say(when) {
  for (const text of state.querySelectorAll("[data-when]")) text.hidden = text.dataset.when !== when;
}

async function look() {
  const environment = await found();
  if (environment === "production") {
    location.assign(state.dataset.next);
    return;
  }
  say(Date.now() - began > LATE ? "late" : environment ? "stops" : "starts");
  setTimeout(look, PAUSE);
}

if (state) setTimeout(look, PAUSE);
