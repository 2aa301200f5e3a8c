// Changes as they come: the stream ends while the page is hidden or paused, and says when it is old.
const STALE_MS = 2500;
const SILENT_MS = 7000; // three beats of the hub, and a little
const AGAIN_MS = 500; // after the first failure; twice that after the next, and so on
const AGAIN_MOST_MS = 5000;

export function live(refresh) {
  const source = document.getElementById("live");
  const stale = document.getElementById("stale");
  const state = document.getElementById("live-state");
  const pause = document.getElementById("pause");
  if (!source || !stale) return;
  let stream = null;
  let paused = false;
  let fresh = new Date();
  let doubting = 0;
  let silence = 0;
  let again = 0;
  let wait = AGAIN_MS;
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
    if (!paused) say("run", "live");
  };
  const old = () => {
    if (paused || document.hidden) return;
    say("warn", "not live");
    stale.querySelector("time").textContent = fresh.toLocaleTimeString();
    stale.hidden = false;
  };
  const doubt = () => {
    doubting ||= setTimeout(old, STALE_MS);
  };
  // One after the other; what comes while it is paused is shown by the next stream.
  const put = (event) => {
    swapped = swapped.then(async () => {
      if (event.target !== stream) return;
      await htmx.swap({ sourceElement: source, target: source, swap: "none", text: event.data });
      refresh();
    }).catch((error) => console.error(error));
  };
  const end = () => {
    clearTimeout(again);
    clearTimeout(silence);
    stream?.close();
    stream = null;
  };
  // Who is signed out, or may not see this any more, is told by the page itself.
  const refused = async () => {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" }).catch(() => null);
    if (answer && (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status))) location.reload();
  };
  const later = () => {
    end();
    again = setTimeout(begin, wait * (0.8 + 0.4 * Math.random()));
    wait = Math.min(2 * wait, AGAIN_MOST_MS);
  };
  // No line says of itself that it is dead: what was not heard for so long is begun anew.
  const hear = () => {
    clearTimeout(silence);
    silence = setTimeout(() => { later(); clearTimeout(doubting); doubting = 1; old(); }, SILENT_MS);
  };
  const begin = () => {
    end();
    if (paused || document.hidden) {
      sure();
      return;
    }
    const own = new EventSource(source.dataset.stream);
    let opened = false;
    let current = false; // a page that was lost is old until it was read again
    const on = (name, act) => own.addEventListener(name, (event) => {
      if (own !== stream) return;
      if (name !== "error") hear();
      act(event);
    });
    stream = own;
    hear();
    on("open", () => { opened = true; wait = AGAIN_MS; });
    on("message", put);
    on("beat", () => { if (current) good(); });
    on("away", () => { current = false; clearTimeout(doubting); doubting = 1; old(); });
    on("here", () => { current = true; good(); });
    on("error", () => {
      later();
      doubt();
      if (!opened) refused();
    });
  };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", paused);
    pause.querySelector("span").textContent = paused ? "Go on" : "Pause";
    sure();
    say(paused ? "warn" : "run", paused ? "paused" : "live");
    begin();
  });
  document.addEventListener("visibilitychange", begin);
  addEventListener("pagehide", end);
  addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
  begin();
}
