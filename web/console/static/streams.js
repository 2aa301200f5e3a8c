// One stream for all visible pages of this browser, which opens at most six connections to a host.
// It runs in a shared worker, which ends with the last page; without shared workers each page runs
// it for itself.
const SILENT_MS = 7000; // three signs of life of the hub, and some margin
const AGAIN_MS = 500; // after the first failure; doubled after each further one
const AGAIN_MOST_MS = 5000;
const TOGETHER_MS = 40; // wait while the user moves from one page to another
const followers = new Map(); // addresses of the pages, by port
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
  stream?.abort();
  stream = null;
}

function later() {
  end();
  timer = setTimeout(begin, wait * (0.8 + 0.4 * Math.random()));
  wait = Math.min(2 * wait, AGAIN_MOST_MS);
}

// A dead connection does not report itself, so the stream is opened again after a silence.
function hear() {
  clearTimeout(silence);
  silence = setTimeout(() => { later(); tell("", "silent"); }, SILENT_MS);
}

// Reads server-sent events. EventSource cannot be used, as it cannot send the addresses in a body.
async function read(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const said = { event: "message", data: [] };
      for (const line of event.split("\n")) {
        const [name, text] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
        if (name === "data") said.data.push(text);
        else said[name] = text;
      }
      if (said.data.length) take(said);
    }
  }
}

async function begin() {
  end();
  // If there are too many, the latest are followed.
  const addresses = [...new Set([...followers.values()].reverse())];
  if (!addresses.length) return;
  const own = new AbortController();
  let ended = "refused";
  stream = own;
  hear();
  try {
    const answer = await fetch("/console/live", { method: "POST", body: addresses.join("\n"), signal: own.signal });
    if (answer.status === 409) ended = "other"; // another account is signed in
    if (answer.ok) ended = "lost";
    if (answer.ok && own === stream) {
      wait = AGAIN_MS;
      hear();
      await read(answer.body, ({ id, event, data }) => {
        if (own !== stream) return;
        hear();
        tell(addresses[id], event, data.join("\n"));
      });
    }
  } catch {
    // the connection was lost, or closed by us
  }
  if (own !== stream) return;
  later();
  tell("", ended);
}

// A page sends its address when it becomes visible, and '' when it is hidden.
self.onconnect = ({ ports: [port] }) => {
  const follow = (address) => {
    followers.delete(port);
    if (address) followers.set(port, address);
    clearTimeout(timer);
    timer = setTimeout(begin, TOGETHER_MS);
  };
  port.onmessage = ({ data }) => follow(data);
  port.addEventListener("close", () => follow("")); // a crashed page sends nothing
};
