// Files that are dropped anywhere lead to the form of a new job.
const handover = () => import("./handover.js");

export function drop() {
  const there = document.body.dataset.drop;
  if (!there) return;
  const form = document.getElementById("new-job");
  const give = (files) => {
    form.files = files;
    form.dispatchEvent(new Event("files"));
  };
  let leaving = 0;
  const over = (is) => document.body.classList.toggle("dropping", is);
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      clearTimeout(leaving);
      over(true);
    });
  }
  document.addEventListener("dragleave", () => { leaving = setTimeout(over, 100, false); });
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(false);
    // the entries must be asked for before the event ends
    const items = [...event.dataTransfer.items].filter(({ kind }) => kind === "file")
      .map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
    try {
      const { filesOf, handed } = await handover();
      const files = await filesOf(items);
      if (form) give(files);
      else await handed(files).then(() => location.assign(there));
    } catch {
      location.assign(`${there}#again`); // the form says that they must be dropped once more
    }
  });
  if (form) handover().then(({ handed }) => handed(null)).then((files) => { if (files) give(files); }, () => {});
}
