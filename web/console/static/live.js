// Live updates. They stop while the page is hidden or paused; a warning shows when the page is out
// of date.
const STALE_MS = 2500;
const GONE_MS = 5000;
const CROWDED_MS = 30000; // until the next attempt; other pages may be closed by then

// Returns the port of the stream, which all pages of the browser share if it has shared workers
// (streams.js).
function speaker(url) {
  if (window.SharedWorker) return new SharedWorker(url).port;
  const { port1, port2 } = new MessageChannel();
  import(url).then(() => self.onconnect({ ports: [port2] }));
  return port1;
}

export function live(refresh) {
  const source = document.getElementById("live");
  const stale = document.getElementById("stale");
  const state = document.getElementById("live-state");
  const pause = document.getElementById("pause");
  if (!source || !stale) return;
  const port = speaker(source.dataset.streams);
  let following = false;
  let paused = false;
  let current = false; // after a lost connection the page is outdated until it is read again
  let fresh = new Date();
  let doubting = 0;
  let again = 0;
  let swapped = Promise.resolve();

  const say = (kind, word) => {
    state.className = `badge ${kind}`;
    state.lastElementChild.textContent = word;
  };
  const sure = () => {
    clearTimeout(doubting);
    doubting = 0;
    stale.hidden = true;
  };
  const good = () => {
    sure();
    fresh = new Date();
    say("run", "live");
  };
  const old = () => {
    clearTimeout(doubting);
    doubting = 1; // the connection is no longer in doubt
    current = false;
    say("warn", "not live");
    stale.querySelector("time").textContent = fresh.toLocaleTimeString();
    stale.hidden = false;
  };
  const doubt = () => {
    current = false;
    doubting ||= setTimeout(old, STALE_MS);
  };
  // Applies updates one after the other; those during a pause are shown by the next stream.
  const put = (text) => {
    swapped = swapped.then(async () => {
      if (!following) return;
      await htmx.swap({ sourceElement: source, target: source, swap: "none", text });
      refresh();
    }).catch((error) => console.error(error));
  };
  // If the user is signed out or has lost access, reloading the page shows it.
  const refused = async () => {
    doubt();
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer && (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status))) location.reload();
  };
  const follow = () => {
    clearTimeout(again);
    following = !paused && !document.hidden;
    if (!following) sure();
    port.postMessage(following ? source.dataset.stream : "");
  };
  const leave = () => {
    following = false;
    port.postMessage("");
  };
  const told = {
    message: put,
    beat: () => { if (current) good(); },
    here: () => { current = true; good(); },
    away: old,
    silent: old,
    lost: doubt,
    refused,
    other: () => location.reload(), // another account is signed in
    gone: () => { refused(); again = setTimeout(follow, GONE_MS); },
    crowded: () => { old(); again = setTimeout(follow, CROWDED_MS); },
  };
  port.onmessage = ({ data: { kind, data } }) => { if (following) told[kind](data); };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    pause.querySelector("span").textContent = paused ? "Resume updates" : "Pause updates";
    sure();
    say(paused ? "warn" : "run", paused ? "paused" : "live");
    follow();
  });
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("moved", follow); // a script has changed the page's address
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
  follow();
}
