// How a file is shown: by the end of its name, from this table alone. What is not in it is looked at for text.

const TABLE = {
  text: "txt log out err rst tex yaml yml toml ini cfg conf env properties gitignore jsonl ndjson py pyi js mjs ts tsx jsx css sh bash zsh sql xml c h cc cpp hpp cu java go rs r jl rb php lua swift kt scala makefile dockerfile diff patch lock",
  markdown: "md markdown",
  json: "json geojson",
  table: "csv tsv tab",
  parquet: "parquet pq",
  image: "png jpg jpeg gif bmp webp",
  frame: "html htm svg pdf",
  notebook: "ipynb",
  audio: "mp3 wav ogg flac m4a",
  video: "mp4 webm",
};
const LOGS = ["logs/", "user_logs/"];
const DATA = ["json", "table", "markdown"];
const KINDS = new Map(Object.entries(TABLE).flatMap(([kind, ends]) => ends.split(" ").map((end) => [end, kind])));

/** Bytes up to which a file is shown; larger ones are offered as a download. Text and tables come piece by piece. */
export const MOST = { json: 10e6, notebook: 20e6, image: 50e6, frame: 50 * 1024 * 1024, parquet: 2e9, audio: 2e9, video: 4e9, text: Infinity, markdown: Infinity, table: Infinity };

export const ending = (path) => path.split("/").at(-1).toLowerCase().split(".").at(-1);
export function kindOf(path) {
  const kind = KINDS.get(ending(path)) || "unknown";
  return isLog(path) && DATA.includes(kind) ? "text" : kind;
}
/** Files of these folders are sent while the run writes them: what is read there is lines, whatever is in them. */
export const isLog = (path) => LOGS.some((folder) => path.startsWith(folder));
/** What a program writes on and on: one looks at its end first. */
export const isWritten = (path) => isLog(path) || ["log", "out", "err", "txt"].includes(ending(path));

/** Languages of which words are coloured, by the end of a name. */
const LANGUAGES = {
  py: "python", pyi: "python", js: "script", mjs: "script", ts: "script", tsx: "script", jsx: "script", json: "script", jsonl: "script", ndjson: "script", geojson: "script",
  c: "script", h: "script", cc: "script", cpp: "script", hpp: "script", cu: "script", java: "script", go: "script", rs: "script", scala: "script", kt: "script", swift: "script",
  yaml: "marks", yml: "marks", toml: "marks", ini: "marks", cfg: "marks", conf: "marks", sh: "python", bash: "python", r: "python", jl: "python", rb: "python", sql: "sql", diff: "diff", patch: "diff",
};
export const languageOf = (path) => LANGUAGES[ending(path)];

/** How the bytes of a text are written: programs of Windows begin UTF-16 with a mark. */
export const codecOf = (data) => ({ "255,254": "utf-16le", "254,255": "utf-16be" })[String(data.slice(0, 2))] || "utf-8";
export const decode = (data) => new TextDecoder(codecOf(data)).decode(data);

/** Bytes [from, to) of a file. */
export async function part(address, from, to, signal) {
  const answer = await fetch(address, { headers: { Range: `bytes=${from}-${to - 1}` }, signal });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.error?.message || String(answer.status));
  }
  return new Uint8Array(await answer.arrayBuffer());
}
