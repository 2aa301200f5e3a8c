// Begins a purchase through the API, and opens the payment page.
const said = document.getElementById("buy-said");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-sku]");
  if (!button) return;
  button.disabled = true;
  said.textContent = "";
  const answer = await fetch("/console/api/credits/checkout", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sku: button.dataset.sku }),
  }).catch(() => null);
  const body = await answer?.json().catch(() => null);
  if (body?.url) location.assign(body.url);
  else said.textContent = `${body?.detail ?? "The gateway does not answer"}. Nothing was bought.`;
  button.disabled = false;
});
