// Which runs are drawn, as one word of an address: `20,01ABC,-01DEF` are the first 20, one more, and without another.

export const MODES = ["10", "20", "all", "none", "going"];
/** Runs that a word names at most. */
const MOST = 200;

export function read(word) {
  const [mode = "", ...runs] = (word || "").split(",");
  const named = runs.filter(Boolean).slice(0, MOST);
  return {
    mode: MODES.includes(mode) ? mode : "",
    on: new Set(named.filter((one) => !one.startsWith("-"))),
    off: new Set(named.filter((one) => one.startsWith("-")).map((one) => one.slice(1))),
  };
}

/** Empty for what is so at first. */
export function write({ mode, on, off }) {
  if (!mode && !on.size && !off.size) return "";
  return [mode, ...on, ...[...off].map((one) => `-${one}`)].join(",");
}

/** Whether a run is drawn: {id, at: its place, going}. Without any mode the first ten are, or `first` of them. */
export function open({ mode, on, off }, run, first = 10) {
  if (on.has(run.id)) return true;
  if (off.has(run.id) || mode === "none") return false;
  if (mode === "all") return true;
  if (mode === "going") return Boolean(run.going);
  return run.at < (mode === "20" ? 20 : mode === "10" ? 10 : first);
}
