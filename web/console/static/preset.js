// Links to presets fill the form of a new job. The scene, its name and its frames stay, and so does an upload that runs.
const STAYS = ["payload_ref", "manifest", "scene_name", "scene_range", "name", "what", "frames", "start_after", "as_is"];
const USUAL = { pool: "any", priority: "normal" };
const form = document.getElementById("new-job");

function fill(fields) {
  for (const each of form.elements) {
    if (!each.name || STAYS.includes(each.name)) continue;
    const value = fields.get(each.name) ?? USUAL[each.name] ?? "";
    if (each.type === "checkbox") each.checked = value !== "";
    else each.value = value;
    if (each.selectedIndex < 0) each.selectedIndex = 0; // such as an endpoint that was removed
  }
  form.dispatchEvent(new Event("input"));
}

for (const each of document.querySelectorAll("[data-preset]")) {
  each.addEventListener("click", (event) => {
    event.preventDefault();
    fill(new URL(each.href).searchParams);
  });
}
