// Hands files from one page to the next, and collects the files of dropped folders (drop.js). The
// browser's database keeps the files only until the next page has taken them.
const FILES_MOST = 6000; // a little more than a job can have, so that the form can say so
const DEPTH_MOST = 32;
const STORE = "files";

function database() {
  return new Promise((done, failed) => {
    const opening = indexedDB.open("rendertrust-dropped", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(opening.error);
  });
}

// Puts files into the database, or takes them out.
export async function handed(files) {
  const opened = await database();
  try {
    return await new Promise((done, failed) => {
      const change = opened.transaction(STORE, "readwrite");
      const store = change.objectStore(STORE);
      const found = files ? store.put(files, 0) : store.get(0);
      if (!files) store.delete(0);
      change.oncomplete = () => done(found.result);
      change.onabort = () => failed(change.error);
    });
  } finally {
    opened.close();
  }
}

const within = (entry, act) => new Promise((done, failed) => entry[act](done, failed));

// Collects the files of a folder, and of the folders in it.
async function collect(entry, depth, found) {
  if (found.length >= FILES_MOST || depth > DEPTH_MOST) return;
  if (entry.isFile) {
    found.push({ path: entry.fullPath.slice(1), file: await within(entry, "file") });
    return;
  }
  const reader = entry.createReader();
  for (let some = await within(reader, "readEntries"); some.length; some = await within(reader, "readEntries")) {
    for (const one of some) await collect(one, depth + 1, found);
  }
}

// Returns the files of dropped items, with their paths.
export async function filesOf(items) {
  const found = [];
  for (const { entry, file } of items) {
    if (entry?.isDirectory) await collect(entry, 0, found);
    else if (file) found.push({ path: file.name, file });
  }
  return found;
}
