// The files of a job: a scene and the files that it links. They come from a folder, a zip or
// several files, and keep their paths relative to each other.
import { unzip } from "./unzip.js";

const FILES_MOST = 4998; // beside the manifest's limit, the scene and the list of moved files
const BYTES_MOST = 256 * 2 ** 30;
const PATH_MOST = 500;
const PATHS = "rendertrust-paths.json"; // maps paths in the scene to files of the job
const MANIFEST = "rendertrust-manifest.json";
const JUNK = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$|rendertrust-paths\.json$|rendertrust-addons\/)|\.blend\d+$/i; // backups are junk, too

const isScene = ({ path }) => /\.blend$/i.test(path);
const isWanted = (path) => !JUNK.test(path);
const nameOf = (path) => path.split("/").pop();
const folderOf = (path) => path.slice(0, path.lastIndexOf("/") + 1);
const depth = ({ path }) => path.split("/").length;

class BadFolder extends Error {
  constructor(words) {
    super(words);
    this.name = "";
  }
}

// Leaves out the folder that is around everything, as its name says nothing to a scene.
function shortened(files) {
  const [top] = files.length ? files[0].path.split("/") : [""];
  const isAround = top && files.every(({ path }) => path.startsWith(`${top}/`));
  return isAround ? shortened(files.map(({ path, file }) => ({ path: path.slice(top.length + 1), file }))) : files;
}

// Returns the files that are sent, with zips unpacked, and the scenes among them, the likeliest first.
export async function gathered(dropped) {
  const files = [];
  for (const { path, file } of dropped) {
    if (!isWanted(path)) continue;
    if (!/\.zip$/i.test(path)) files.push({ path, file });
    else for (const one of await unzip(file, isWanted)) files.push({ path: folderOf(path) + one.path, file: one.file });
  }
  const sent = shortened(files.filter(({ file }) => file.size));
  const size = sent.reduce((sum, { file }) => sum + file.size, 0);
  if (sent.length > FILES_MOST) throw new BadFolder(`These are ${sent.length} files; a job can have ${FILES_MOST}. Leave out those that the scene does not use.`);
  if (size > BYTES_MOST) throw new BadFolder("These files have over 256 GiB. Leave out those that the scene does not use.");
  const bad = sent.find(({ path }) => path.length > PATH_MOST || path.split("/").some((name) => name === ".." || name === "." || !name));
  if (bad) throw new BadFolder(`${bad.path.slice(0, 100)} has a path that cannot be sent. Rename it.`);
  const paths = new Set();
  const twice = sent.find(({ path }) => paths.size === paths.add(path).size);
  if (twice) throw new BadFolder(`Two of these files are ${twice.path.slice(0, 100)}. Leave one of them out, or drop the folder that has both.`);
  const scenes = sent.filter(isScene).sort((one, other) => depth(one) - depth(other) || (one.path < other.path ? -1 : 1));
  return { files: sent, scenes: scenes.map(({ path }) => path), size };
}

// Returns the names in a path of a scene, without drive and steps upwards, in lower case.
function steps(written) {
  const names = [];
  for (const name of written.replaceAll("\\", "/").replace(/^\/\/|^[a-z]:/i, "").split("/")) {
    if (name === "..") names.pop();
    else if (name && name !== ".") names.push(name.normalize("NFC").toLowerCase());
  }
  return names;
}

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");

// Returns how many names at the end of two paths are equal; of texture tiles, any number fits.
function likeness(wanted, path) {
  const own = steps(path);
  const tile = new RegExp(`^${escaped(wanted.at(-1)).replace("<udim>", "\\d{4}").replace("<uvtile>", "u\\d+_v\\d+")}$`);
  if (!own.length || !tile.test(own.at(-1))) return 0;
  let same = 1;
  while (same < Math.min(wanted.length, own.length) && wanted.at(-1 - same) === own.at(-1 - same)) same += 1;
  return same;
}

// Returns the most similar path; '' if there is none, or if two are equally similar.
function closest(wanted, files) {
  let [best, most, twice] = ["", 0, false];
  for (const { path } of wanted.length ? files : []) {
    const same = likeness(wanted, path);
    if (same > most) [best, most, twice] = [path, same, false];
    else if (same && same === most && folderOf(path) !== folderOf(best)) twice = true;
  }
  return twice ? "" : best;
}

// Matches files that the scene lacks with files that are there, by the ends of their paths. A
// finding has the path as `written` in the scene, and the `path` of one file that is missing.
export function matched(findings, files) {
  const paths = {};
  for (const { code, written, path } of findings) {
    if (code !== "missing_file" || !written) continue;
    const own = closest(steps(written), files);
    const other = own ? "" : closest(steps(path ?? ""), files); // another picture of a sequence
    if (own && !/<u(dim|vtile)>/i.test(written)) paths[written] = own;
    else if (own || other) paths[written] = folderOf(own || other) + written.replaceAll("\\", "/").split("/").pop();
  }
  return paths;
}

const asFile = (value, name) => new File([JSON.stringify(value)], name);

export const moved = (paths) => ({ path: PATHS, file: asFile(paths, PATHS) });

// Returns the manifest; `sent` are the uploads by path.
export function manifest(scene, sent) {
  const files = Object.fromEntries([...sent].map(([path, { id, sha256, size }]) => [path, { sha256, size, upload: id }]));
  return asFile({ version: 1, scene, files }, MANIFEST);
}
