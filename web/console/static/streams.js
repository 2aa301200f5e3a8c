// One stream for all pages of this browser that are looked at: it opens six connections to one place.
// A shared worker, which ends with the last of them; where there is none, each page runs it alone.
const SILENT_MS = 7000; // three beats of the hub, and a little
const AGAIN_MS = 500; // after the first failure; twice that after the next, and so on
const AGAIN_MOST_MS = 5000;
const TOGETHER_MS = 40; // one page is left for another
const followers = new Map(); // by their ports: the addresses of the pages
let stream = null;
let timer = 0;
let silence = 0;
let wait = AGAIN_MS;

function tell(address, kind, data) {
  for (const [port, own] of followers) if (!address || own === address) port.postMessage({ kind, data });
}

function end() {
  clearTimeout(timer);
  clearTimeout(silence);
  stream?.close();
  stream = null;
}

function later() {
  end();
  timer = setTimeout(begin, wait * (0.8 + 0.4 * Math.random()));
  wait = Math.min(2 * wait, AGAIN_MOST_MS);
}

// No line says of itself that it is dead: what was not heard for so long is begun anew.
function hear() {
  clearTimeout(silence);
  silence = setTimeout(() => { later(); tell("", "silent"); }, SILENT_MS);
}

function begin() {
  end();
  const addresses = [...new Set(followers.values())];
  if (!addresses.length) return;
  const own = new EventSource(`/console/live?${addresses.map((each) => `of=${encodeURIComponent(each)}`).join("&")}`);
  let opened = false;
  const on = (kind, act) => own.addEventListener(kind, (event) => {
    if (own !== stream) return;
    if (kind !== "error") hear();
    act(event);
  });
  stream = own;
  hear();
  on("open", () => { opened = true; wait = AGAIN_MS; });
  on("error", () => { later(); tell("", opened ? "lost" : "refused"); });
  for (const kind of ["message", "beat", "here", "away", "gone"]) {
    on(kind, (event) => tell(addresses[event.lastEventId], kind, event.data));
  }
}

// A page says its address when it is looked at, and nothing when it is not any more.
self.onconnect = ({ ports: [port] }) => {
  const follow = (address) => {
    followers.delete(port);
    if (address) followers.set(port, address);
    clearTimeout(timer);
    timer = setTimeout(begin, TOGETHER_MS);
  };
  port.onmessage = ({ data }) => follow(data);
  port.addEventListener("close", () => follow("")); // a page that crashed says nothing
};
