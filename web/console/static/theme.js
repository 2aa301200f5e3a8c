// Light, dark, or the system's theme. A cookie keeps it, so that pages start with the right one.
const THEME_COOKIE = "rendertrust-theme";

export function theme() {
  document.getElementById("theme")?.addEventListener("click", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `${THEME_COOKIE}=${next}; path=/; max-age=31536000; samesite=lax`;
    document.dispatchEvent(new Event("theme"));
  });
}
