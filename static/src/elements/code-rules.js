// Which files of a folder are code: the rules of .zaffreignore and .gitignore, as the client has them.

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");

/** One part of a pattern between slashes, as an expression. */
function part(text) {
  let found = "";
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    const close = char === "[" ? text.indexOf("]", at + 2) : -1;
    if (char === "*") found += "[^/]*";
    else if (char === "?") found += "[^/]";
    else if (char === "\\" && at + 1 < text.length) found += escaped(text[(at += 1)]);
    else if (close > 0) {
      found += `[${text.slice(at + 1, close).replace(/^[!^]/, "^").replace(/[\\[]/g, "\\$&")}]`;
      at = close;
    } else found += escaped(char);
  }
  return found;
}

function rule(line) {
  let text = line.replace(/\r$/, "").replace(/(?<!\\) +$/, "");
  if (!text || text.startsWith("#")) return null;
  const back = text.startsWith("!");
  if (back) text = text.slice(1);
  const folders = text.endsWith("/");
  if (folders) text = text.slice(0, -1);
  const rooted = text.includes("/");
  const parts = text.replace(/^\//, "").split("/");
  let pattern = rooted ? "" : "(?:.*/)?";
  for (const [at, one] of parts.entries()) {
    const last = at === parts.length - 1;
    if (one === "**") pattern += last ? ".*" : "(?:.*/)?";
    else pattern += part(one) + (last ? "" : "/");
  }
  try {
    return { back, folders, pattern: new RegExp(`^${pattern}$`, "s") };
  } catch {
    return null; // a range that runs backwards: git matches nothing with it, too
  }
}

/** The rules of one file of them. */
export const rulesOf = (text) => text.replace(/^\ufeff/, "").split("\n").map(rule).filter(Boolean);

/** Whether a path below `base` is out by these rules: true, false, or null where none says anything. */
function verdict(path, isFolder, { base, rules }) {
  if (base && !path.startsWith(`${base}/`)) return null;
  const inner = base ? path.slice(base.length + 1) : path;
  const last = rules.findLast((one) => (isFolder || !one.folders) && one.pattern.test(inner));
  return last ? !last.back : null;
}

/**
 * Sort paths into those that are code and the folders and files that are left out.
 *
 * `read(path)` gives the text of a file. The first of `names` at the top counts, and files of that name below it.
 */
export async function choose(paths, { names, out, read }) {
  const there = new Set(paths);
  const name = names.find((one) => there.has(one));
  const wholly = new Set(paths.filter((path) => path.endsWith("/pyvenv.cfg")).map((path) => path.slice(0, -11)));
  const known = new Map();
  const left = new Set();
  const all = [];
  const depth = (path) => path.split("/").length;
  const lists = name ? paths.filter((path) => path === name || path.endsWith(`/${name}`)).sort((a, b) => depth(a) - depth(b)) : [];
  const isOut = (path, isFolder) => {
    if (known.has(path)) return known.get(path);
    const above = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
    if (above && isOut(above, true)) return true;
    const said = all.map((one) => verdict(path, isFolder, one)).findLast((one) => one !== null);
    const found = out.has(path.slice(above ? above.length + 1 : 0)) || wholly.has(path) || Boolean(said);
    if (found) left.add(isFolder ? `${path}/` : path);
    known.set(path, found);
    return found;
  };
  for (const path of lists) {
    // What lies in a folder that is out says nothing. What was found by fewer rules is asked anew.
    if (path !== name && isOut(path.slice(0, -name.length - 1), true)) continue;
    all.push({ base: path.slice(0, -name.length - 1), rules: rulesOf(await read(path)) });
    known.clear();
    left.clear();
  }
  const kept = paths.filter((path) => !isOut(path, false));
  return { kept, left: [...left].sort() };
}
