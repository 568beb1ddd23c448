// A notebook's cells. Its Markdown becomes our own nodes, its outputs text and pictures; its HTML is left out.
import { say } from "../wire.js";
import { Colours } from "./log-ansi.js";
import { part } from "./file-kinds.js";
import { code } from "./file-colours.js";

const MOST_CELLS = 500;
const MOST_TEXT = 50_000;
const LONGEST = 5000; // characters of a line of Markdown that is looked at for marks
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const BASE64 = /^[A-Za-z0-9+/=\s]+$/;
const SPANS = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

const joined = (text) => (Array.isArray(text) ? text.join("") : String(text ?? ""));

export async function showNotebook(place, file, signal) {
  const told = JSON.parse(new TextDecoder().decode(await part(file.address, 0, file.size, signal)));
  const cells = Array.isArray(told?.cells) ? told.cells : [];
  const language = String(told?.metadata?.language_info?.name || told?.metadata?.kernelspec?.language || "python") === "python" ? "python" : "script";
  const pane = document.createElement("div");
  pane.className = "file-pane notebook";
  pane.tabIndex = 0;
  for (const cell of cells.slice(0, MOST_CELLS)) pane.append(drawn(cell, language));
  if (!cells.length) pane.append(note(say("nocells")));
  if (cells.length > MOST_CELLS) pane.append(note(say("morecells", { count: cells.length - MOST_CELLS })));
  place.append(pane);
}

function drawn(cell, language) {
  const place = document.createElement("section");
  place.className = "cell";
  const source = joined(cell.source).slice(0, MOST_TEXT);
  if (cell.cell_type === "markdown") place.append(markdown(source));
  else if (cell.cell_type === "code") {
    const count = document.createElement("small");
    count.textContent = `[${Number.isInteger(cell.execution_count) ? cell.execution_count : " "}]`;
    place.append(count, code(source, language));
    for (const output of Array.isArray(cell.outputs) ? cell.outputs : []) place.append(...outputs(output));
  } else place.append(pre(source));
  return place;
}

function outputs(output) {
  if (output.output_type === "stream") return [pre(joined(output.text), output.name === "stderr" ? "stderr" : "")];
  if (output.output_type === "error") return [pre(joined(Array.isArray(output.traceback) ? output.traceback.join("\n") : output.evalue), "stderr")];
  const data = output.data || {};
  const kind = PICTURES.find((one) => one in data);
  if (kind) {
    const encoded = joined(data[kind]);
    if (!BASE64.test(encoded)) return [note(say("outputleft", { kind }))];
    const image = document.createElement("img");
    Object.assign(image, { src: `data:${kind};base64,${encoded.replace(/\s/g, "")}`, alt: joined(data["text/plain"]).slice(0, 200) || kind, loading: "lazy" });
    return [image];
  }
  const found = [];
  if (data["text/plain"] !== undefined) found.push(pre(joined(data["text/plain"])));
  const left = Object.keys(data).filter((one) => one !== "text/plain");
  if (left.length) found.push(note(say("outputleft", { kind: left.join(", ").slice(0, 200) })));
  return found;
}

function pre(text, className = "") {
  const place = document.createElement("pre");
  place.className = `terminal ${className}`;
  new Colours().paint(place, text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text);
  return place;
}
function note(text) {
  const place = document.createElement("p");
  place.className = "file-note";
  place.textContent = text;
  return place;
}

/** Headings, lists, code, emphasis and links to http(s); all else is text. */
export function markdown(text) {
  const place = document.createElement("div");
  place.className = "prose";
  let list = null;
  let fence = null;
  let paragraph = null;
  for (const line of text.split("\n")) {
    if (/^\s*```/.test(line)) {
      if (fence === null) fence = [];
      else {
        place.append(code(fence.join("\n"), "python"));
        fence = null;
      }
      list = paragraph = null;
      continue;
    }
    if (fence !== null) {
      fence.push(line);
      continue;
    }
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const item = /^\s*(?:[-*+]|\d+[.)])\s+(.*)$/.exec(line);
    if (heading) {
      const made = document.createElement(`h${Math.min(6, heading[1].length + 1)}`);
      spans(made, heading[2]);
      place.append(made);
      list = paragraph = null;
    } else if (item) {
      if (!list) place.append((list = document.createElement("ul")));
      const made = document.createElement("li");
      spans(made, item[1]);
      list.append(made);
      paragraph = null;
    } else if (!line.trim()) list = paragraph = null;
    else {
      if (!paragraph) place.append((paragraph = document.createElement("p")));
      else paragraph.append(" ");
      spans(paragraph, line);
      list = null;
    }
  }
  if (fence !== null) place.append(code(fence.join("\n"), "python"));
  return place;
}
function spans(place, text) {
  if (text.length > LONGEST) {
    place.append(text);
    return;
  }
  let at = 0;
  for (const found of text.matchAll(SPANS)) {
    const [whole, mono, bold, italic, label, address] = found;
    const made = document.createElement(mono ? "code" : bold ? "b" : italic ? "i" : "a");
    made.textContent = mono || bold || italic || label;
    if (address) Object.assign(made, { href: address, rel: "noopener noreferrer", target: "_blank" });
    place.append(text.slice(at, found.index), made);
    at = found.index + whole.length;
  }
  place.append(text.slice(at));
}
