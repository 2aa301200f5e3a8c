// The console's main script. Without scripts everything works except live updates, buying and
// uploading.
import { keyboard } from "./keyboard.js";
import { live } from "./live.js";
import { tables } from "./tables.js";
import { theme } from "./theme.js";
import { times } from "./times.js";
import { charts } from "./charts.js";
import { drop } from "./drop.js";

theme();
drop();
const refresh = [tables(), keyboard(), times(), charts()];
live(() => {
  refresh.forEach((each) => each());
  document.dispatchEvent(new Event("changed"));
});

const waits = document.querySelector("[data-retry]");
if (waits) {
  const again = () =>
    fetch(location.href, { method: "HEAD" }).then(
      (answer) => (answer.status === 503 ? later() : location.reload()),
      () => later(),
    );
  const later = () => setTimeout(again, waits.dataset.retry * 1000);
  later();
}
