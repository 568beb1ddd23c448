// A terminal's colours as nodes: colour, weight and underline. No cursor, no titles, no links, and never HTML.

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const ESCAPE = /\u001b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;
/** Codes that switch a class on, and those that switch it off. */
const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "under", 9: "struck" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["under"], 29: ["struck"] };
const CUBE = [0, 95, 135, 175, 215, 255];

/** Remembers the colour from one piece of text to the next. */
export class Colours {
  constructor() {
    this.reset();
  }
  reset() {
    this.classes = new Set();
    this.ink = null;
    this.ground = null;
  }
  get plain() {
    return !this.classes.size && !this.ink && !this.ground;
  }

  /** The text as nodes, put into `place`. */
  paint(place, text) {
    if (this.plain && !text.includes("\u001b")) {
      place.append(clean(text));
      return;
    }
    let at = 0;
    for (const found of text.matchAll(ESCAPE)) {
      this.put(place, text.slice(at, found.index));
      at = found.index + found[0].length;
      if (found[1] !== undefined) this.take(found[1]);
    }
    this.put(place, text.slice(at));
  }
  put(place, text) {
    if (!text) return;
    if (this.plain) {
      place.append(clean(text));
      return;
    }
    const part = document.createElement("span");
    part.textContent = clean(text);
    for (const [colour, what] of [[this.ink, "ink"], [this.ground, "ground"]]) {
      if (typeof colour === "string") part.classList.add(`${what}-${colour}`);
      else if (colour) part.style[what === "ink" ? "color" : "backgroundColor"] = `rgb(${colour.join(" ")})`;
    }
    part.classList.add(...this.classes);
    place.append(part);
  }

  take(codes) {
    const all = codes.split(/[;:]/).map(Number);
    for (let at = 0; at < all.length; at += 1) {
      const code = all[at];
      if (!code) this.reset();
      else if (ON[code]) this.classes.add(ON[code]);
      else if (OFF[code]) OFF[code].forEach((one) => this.classes.delete(one));
      else if (code === 38 || code === 48) {
        const [colour, used] = extended(all.slice(at + 1));
        at += used;
        if (code === 38) this.ink = colour;
        else this.ground = colour;
      } else if (code === 39) this.ink = null;
      else if (code === 49) this.ground = null;
      else if (code >= 30 && code < 38) this.ink = NAMES[code - 30];
      else if (code >= 90 && code < 98) this.ink = NAMES[code - 90];
      else if (code >= 40 && code < 48) this.ground = NAMES[code - 40];
      else if (code >= 100 && code < 108) this.ground = NAMES[code - 100];
    }
  }
}

/** [colour, how many codes it took] of what follows 38 or 48: one of 256, or three parts. */
function extended([kind, ...rest]) {
  const part = (value) => Math.min(255, value || 0);
  if (kind === 2) return [rest.slice(0, 3).map(part), 4];
  const number = part(rest[0]);
  if (number < 16) return [NAMES[number % 8], 2];
  if (number > 231) return [Array(3).fill(8 + 10 * (number - 232)), 2];
  const at = number - 16;
  return [[CUBE[Math.floor(at / 36)], CUBE[Math.floor(at / 6) % 6], CUBE[at % 6]], 2];
}

/** Without characters that control a terminal. */
export function clean(text) {
  return text.replace(CONTROLS, "");
}

/** A progress bar overwrites its line: what it said last counts. */
export function lastState(text) {
  const plain = text.endsWith("\r") ? text.slice(0, -1) : text;
  return plain.slice(plain.lastIndexOf("\r") + 1);
}
