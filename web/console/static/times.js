// Shows times as "3 min ago", with the server's text as title. The key `t` shows that text instead,
// for users without a pointer; a cookie remembers the choice.
const TIMES_COOKIE = "rendertrust-times";
const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function ago(seconds) {
  const size = Math.abs(seconds);
  if (size < 2) return "now";
  const [unit, name] = STEPS.find(([length]) => size >= length);
  // A link that lasts 7 days is shown with "in 7 d", not with "in 6 d", a second after it is made.
  return seconds >= 0 ? `${Math.floor(size / unit)} ${name} ago` : `in ${Math.round(size / unit)} ${name}`;
}

// A coming time in the reader's zone: "14:32", or "Tue 14:32" on another day.
function timeOfDay(at) {
  const isToday = at.toDateString() === new Date().toDateString();
  return at.toLocaleString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(isToday ? {} : { weekday: "short" }) });
}

export function times() {
  const button = document.getElementById("times");
  // The browser's clock may be wrong, so the page contains the gateway's time.
  const ahead = Date.now() - document.body.dataset.now;
  let absolute = document.cookie.includes(`${TIMES_COOKIE}=absolute`);
  const show = () => {
    const now = Date.now() - ahead;
    button?.setAttribute("aria-pressed", absolute);
    for (const each of document.querySelectorAll("main time[datetime]")) {
      const at = Date.parse(each.dateTime);
      const text = absolute ? each.title : each.matches(".clock") ? timeOfDay(new Date(at)) : ago((now - at) / 1000);
      if (each.textContent !== text) each.textContent = text;
    }
  };
  button?.addEventListener("click", () => {
    absolute = !absolute;
    document.cookie = `${TIMES_COOKIE}=${absolute ? "absolute" : "relative"}; path=/console; max-age=31536000; samesite=lax`;
    show();
  });
  show();
  setInterval(show, 1000);
  return show;
}
