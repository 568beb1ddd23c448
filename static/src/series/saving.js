// The data of a chart as files: what was logged and is shown, never what was smoothed.

export function save(name, what) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(what);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A name that every file system takes. */
export const filed = (metric, ending) => `${metric.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80) || "chart"}.${ending}`;

/** A cell; a text that a spreadsheet would take for a formula begins with a quote. */
function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const inside = (x, window) => !window || (x >= window[0] && x <= window[1]);

export function csv(lines, axis, window) {
  const differ = lines.some(({ line }) => line.of);
  const rows = [["run", "name", axis, "value", "low", "high", ...(differ ? ["difference"] : [])]];
  for (const { id, name, line } of lines) {
    const logged = line.of || line;
    const more = (at) => (differ ? [line.y[at]] : []);
    logged.x.forEach((x, at) => inside(x, window) && rows.push([id, name, x, logged.y[at], logged.low?.[at], logged.high?.[at], ...more(at)]));
  }
  return new Blob([rows.map((row) => row.map(cell).join(",")).join("\r\n"), "\r\n"], { type: "text/csv" });
}

export function json(metric, lines, axis, window) {
  const runs = lines.map(({ id, name, line }) => {
    const kept = [...line.x.keys()].filter((at) => inside(line.x[at], window));
    const pick = (values) => values && kept.map((at) => values[at]);
    const logged = line.of || line;
    const difference = line.of ? pick(line.y) : undefined;
    return { id, name, x: pick(line.x), value: pick(logged.y), low: pick(logged.low) ?? undefined, high: pick(logged.high) ?? undefined, difference };
  });
  return new Blob([JSON.stringify({ metric, axis, runs }, null, 1)], { type: "application/json" });
}
