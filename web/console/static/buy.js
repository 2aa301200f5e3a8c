// Begins a purchase through the API, and opens the payment page. The address may
// have the page `back`, such as the draft of a job, where buyers return; others
// return here.
const said = document.getElementById("buy-said");
const given = new URLSearchParams(location.search).get("back") ?? "";
const toJob = given.startsWith("/console/");
const back = toJob ? given : "/console/credits";
if (toJob) said.textContent = "After the payment you come back to your job.";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-sku]");
  if (!button) return;
  button.disabled = true;
  said.textContent = "";
  const { sku, quantity, more } = button.dataset;
  const order = { sku, quantity: Number(quantity ?? 1), more: JSON.parse(more ?? "[]"), back };
  const answer = await fetch("/console/api/credits/checkout", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(order),
  }).catch(() => null);
  const body = await answer?.json().catch(() => null);
  if (body?.url) location.assign(body.url);
  else said.textContent = `${body?.detail ?? "The gateway does not answer"}. Nothing was bought.`;
  button.disabled = false;
});
