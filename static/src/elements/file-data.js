// JSON as a tree, tables of text and of Parquet. Whatever stands in a file becomes the text of a node, never markup.
import { ask, say } from "../wire.js";
import { decode, part } from "./file-kinds.js";
import { showText } from "./file-text.js";

const BRANCHES = 100; // members of an object that are put into the page at once
const ROWS = 200;
const CELL = 300;

// --- JSON ----------------------------------------------------------------------------------------------

export async function showJson(place, file, signal) {
  const text = decode(file.size ? await part(file.address, 0, file.size, signal) : new Uint8Array());
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    // NaN and the like, which Python writes: it is shown as it is.
    const note = document.createElement("p");
    note.className = "file-note";
    note.textContent = say("notjson");
    place.append(note);
    showText(place, file);
    return;
  }
  const pane = document.createElement("div");
  pane.className = "file-pane json";
  pane.tabIndex = 0;
  pane.append(branch("", value, true));
  place.append(pane);
}

function branch(name, value, open = false) {
  const line = document.createElement("div");
  line.className = "json-line";
  if (value === null || typeof value !== "object") {
    line.append(...named(name), leaf(value));
    return line;
  }
  const list = Array.isArray(value);
  const count = list ? value.length : Object.keys(value).length;
  const fold = document.createElement("details");
  const head = document.createElement("summary");
  const about = document.createElement("small");
  about.textContent = list ? `[${count}]` : `{${count}}`;
  head.append(...named(name), about);
  fold.append(head);
  const fill = () => {
    if (fold.childElementCount > 1) return;
    const keys = list ? null : Object.keys(value);
    const add = (from) => {
      const until = Math.min(count, from + BRANCHES);
      for (let at = from; at < until; at += 1) fold.append(list ? branch(String(at), value[at]) : branch(keys[at], value[keys[at]]));
      if (until === count) return;
      const more = document.createElement("button");
      Object.assign(more, { type: "button", className: "btn s", textContent: say("morerows", { count: count - until }) });
      more.addEventListener("click", () => {
        more.remove();
        add(until);
      });
      fold.append(more);
    };
    add(0);
  };
  fold.addEventListener("toggle", () => fold.open && fill());
  if (open) {
    fill();
    fold.open = true;
  }
  line.append(fold);
  return line;
}
function named(name) {
  if (name === "") return [];
  const key = document.createElement("b");
  key.textContent = name;
  return [key, ": "];
}
function leaf(value) {
  const said = document.createElement("span");
  said.className = typeof value === "string" ? "t-text" : typeof value === "number" ? "t-number" : "t-word";
  said.textContent = JSON.stringify(value);
  return said;
}

// --- tables --------------------------------------------------------------------------------------------

/** A table that grows: `next()` gives more rows, null at the end. */
function grid(place, columns, next, label) {
  const pane = document.createElement("div");
  pane.className = "file-pane scroll";
  pane.tabIndex = 0;
  pane.setAttribute("role", "region");
  pane.setAttribute("aria-label", label);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  head.insertCell(); // above the numbers of the rows
  for (const [name, about] of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = name;
    if (about) {
      const small = document.createElement("small");
      small.textContent = about;
      cell.append(small);
    }
    head.append(cell);
  }
  const body = table.createTBody();
  const note = document.createElement("p");
  note.className = "file-note";
  pane.append(table, note);
  place.append(pane);
  let count = 0;
  let reading = false;
  let over = false;
  const more = async () => {
    if (reading || over) return;
    reading = true;
    try {
      const rows = await next();
      over = !rows;
      for (const row of rows || []) {
        const line = body.insertRow();
        const number = line.insertCell();
        number.className = "row-number";
        number.textContent = count += 1;
        for (const value of row) {
          const cell = line.insertCell();
          const text = typeof value === "string" ? value : shown(value);
          cell.textContent = text.length > CELL ? `${text.slice(0, CELL)}…` : text;
          if (text.length > 24) cell.title = text.slice(0, 2000);
          if (typeof value === "number" || typeof value === "bigint" || (text !== "" && text.trim() !== "" && !Number.isNaN(Number(text)))) cell.className = "n";
        }
      }
      note.textContent = say(over ? "rows" : "rowsmore", { count: count.toLocaleString() });
    } catch (error) {
      over = true;
      note.textContent = error.message;
    } finally {
      reading = false;
    }
    if (!over && pane.isConnected && pane.scrollHeight <= pane.clientHeight + 300) await more();
  };
  pane.addEventListener("scroll", () => {
    if (pane.scrollHeight - pane.scrollTop - pane.clientHeight < 800) more();
  });
  return more();
}
function shown(value) {
  if (value === null || value === undefined) return "";
  if (value instanceof Date) return value.toISOString();
  if (typeof value === "object") return JSON.stringify(value, (_, one) => (typeof one === "bigint" ? String(one) : one)) ?? "";
  return String(value);
}

/** CSV and the like: the studio reads the rows, with quoted cells, from the byte where the last answer ended. */
export async function showTable(place, file) {
  let delimiter = "";
  const read = async (start) => {
    const told = await ask("GET", `${file.rows}?${new URLSearchParams({ start, ...(delimiter ? { delimiter } : {}) })}`);
    delimiter = told.delimiter;
    return told;
  };
  const first = await read(0);
  const head = first.rows.shift() || [];
  let waiting = first;
  await grid(
    place,
    head.map((name) => [name, ""]),
    async () => {
      if (!waiting) return null;
      const told = waiting.rows ? waiting : await read(waiting.next);
      waiting = told.next === null ? null : { next: told.next };
      return told.rows;
    },
    file.path,
  );
}

/** Parquet is read here, by ranges of the file: its end first, then the columns of the rows that are shown. */
export async function showParquet(place, file, signal) {
  const [{ parquetMetadataAsync, parquetReadObjects, parquetSchema }, { decompress }, { gunzipSync }] = await Promise.all([import("hyparquet"), import("fzstd"), import("fflate")]);
  const source = {
    byteLength: file.size,
    slice: async (from, to = file.size) => (await part(file.address, from, to, signal)).buffer,
  };
  const compressors = { ZSTD: (data) => decompress(data), GZIP: (data, size) => gunzipSync(data, { out: new Uint8Array(size) }) };
  const metadata = await parquetMetadataAsync(source);
  const columns = parquetSchema(metadata).children.map(({ element }) => [element.name, (element.logical_type?.type || element.converted_type || element.type || "group").toLowerCase()]);
  const all = Number(metadata.num_rows);
  const about = document.createElement("p");
  about.className = "file-note";
  about.textContent = say("parquet", { rows: all.toLocaleString(), columns: columns.length });
  place.append(about);
  let at = 0;
  const next = async () => {
    if (at >= all) return null;
    const rows = await parquetReadObjects({ file: source, metadata, compressors, rowStart: at, rowEnd: Math.min(all, at + ROWS) });
    at += rows.length || ROWS;
    return rows.map((row) => columns.map(([name]) => row[name]));
  };
  await grid(place, columns, next, file.path);
}
