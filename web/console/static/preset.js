// Fills the form of a new job with a preset's settings. The scene, its name and its frames stay, and so does an
// upload that runs.
const STAYS = ["payload_ref", "manifest", "scene_name", "scene_range", "name", "what", "frames", "start_after", "as_is"];
const USUAL = { pool: "any", priority: "normal" };

export function fill(form, address) {
  const fields = new URL(address).searchParams;
  for (const each of form.elements) {
    if (!each.name || STAYS.includes(each.name)) continue;
    const value = fields.get(each.name) ?? USUAL[each.name] ?? "";
    if (each.type === "checkbox") each.checked = value !== "";
    else each.value = value;
    if (each.selectedIndex < 0) each.selectedIndex = 0; // such as an endpoint that was removed
  }
  form.dispatchEvent(new Event("input"));
}
