// Drawing: elements with attributes that are colours already, so that a saved picture looks as the page does.
import { colour } from "./host.js";

const SPACE = "http://www.w3.org/2000/svg";
export const FONT = "11px Inter Variable, Inter, system-ui, sans-serif";

export function el(name, attributes = {}, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
export const text = (words, attributes) => el("text", { "font-size": 11, "font-family": "Inter Variable, Inter, system-ui, sans-serif", ...attributes }, words);

export const theme = () => ({ ink: colour("--ink"), soft: colour("--ink-3"), line: colour("--line"), paper: colour("--paper"), strong: colour("--zaffre") });

const parts = (painted) => (painted.match(/[\d.]+/g) || [0, 0, 0]).slice(0, 3).map(Number);

/** Colours from low to high, told apart by who sees no red or green. */
export function gradient() {
  const ends = [parts(colour("--s1")), parts(colour("--s2"))];
  return (at) => `rgb(${ends[0].map((one, index) => Math.round(one + (ends[1][index] - one) * Math.min(1, Math.max(0, at)))).join(", ")})`;
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 5000);
}

function source(svg) {
  const copy = svg.cloneNode(true);
  const { width, height } = svg.viewBox.baseVal;
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.prepend(el("rect", { width, height, fill: colour("--paper") }));
  return new XMLSerializer().serializeToString(copy);
}

export const saveSvg = (svg, name) => save(`${name}.svg`, new Blob([source(svg)], { type: "image/svg+xml" }));

export async function savePng(svg, name) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source(svg))}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width * 2, picture.height * 2];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(`${name}.png`, blob));
}

/** Cells that a spreadsheet would take for formulas are marked as text. */
const cell = (value) => {
  const words = value === null || value === undefined ? "" : String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(words) && Number.isNaN(Number(words)) ? `'${words}` : words;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
export const saveCsv = (rows, name) => save(`${name}.csv`, new Blob(["\ufeff", rows.map((row) => row.map(cell).join(",")).join("\r\n")], { type: "text/csv" }));
