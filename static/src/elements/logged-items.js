// <logged-items ws run>: what a run logged and is no number, a card for each name.
//
// It reads the items once, and what came since whenever the run's socket says that there are some.
import { ask, say } from "../wire.js";
import { shown } from "../charts.js";
import { accuracy, matrix, predictions, residuals, table } from "./drawings.js";

const PAGE = 250;
/** Cards of one page; a run may have ten thousand names. */
const MOST_CARDS = 200;
/** Items of a chart or a picture that are kept for looking back. */
const MOST_KEPT = 50;

const TABULAR = ["row", "table"];

class LoggedItems extends HTMLElement {
  connectedCallback() {
    if (this.api) return;
    this.api = `/api/v1/workspaces/${this.getAttribute("ws")}/runs/${this.getAttribute("run")}`;
    this.after = 0;
    this.cards = new Map();
    const run = this.closest("live-run");
    run.addEventListener("zaffre-items", () => this.read());
    run.addEventListener("zaffre-run", () => this.read());
    this.themes = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.cards.forEach((card) => this.draw(card));
    this.themes.addEventListener("change", this.repaint);
    this.read();
  }
  disconnectedCallback() {
    this.themes?.removeEventListener("change", this.repaint);
  }

  /** Read what came since the last look; a call that comes meanwhile is a look afterwards. */
  async read() {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    try {
      for (let more = true; more; ) {
        const told = await ask("GET", `${this.api}/items?after=${this.after}&limit=${PAGE}`);
        const touched = new Set(told.items.map((item) => this.take(item)));
        touched.forEach((card) => card && this.draw(card));
        if (told.items.length) this.after = told.items.at(-1).id;
        more = told.next !== null && told.items.length > 0;
      }
    } catch {
      // The next bell, or the next look of the page, asks again.
    } finally {
      this.reading = false;
      this.dataset.cards = this.cards.size;
      if (this.again) {
        this.again = false;
        this.read();
      }
    }
  }

  take(item) {
    let card = this.cards.get(item.key);
    if (!card) {
      if (this.cards.size >= MOST_CARDS) return null;
      card = this.card(item);
      this.cards.set(item.key, card);
    }
    card.kind = item.kind;
    card.description = item.description || card.description;
    if (TABULAR.includes(item.kind)) {
      const more = Object.values(item.value)[0]?.length || 0;
      for (const name of Object.keys(item.value)) card.columns[name] ||= Array(card.rows).fill(null);
      for (const [name, cells] of Object.entries(card.columns)) cells.push(...(item.value[name] || Array(more).fill(null)));
      card.rows += more;
    } else {
      card.items.push(item);
      if (card.items.length > MOST_KEPT) card.items.shift();
    }
    return card;
  }

  card(item) {
    const place = document.createElement("section");
    place.className = "card item";
    place.dataset.key = item.key;
    place.dataset.kind = item.kind;
    const head = document.createElement("h2");
    const name = document.createElement("span");
    name.textContent = item.key;
    const note = document.createElement("em");
    head.append(name, note);
    const body = document.createElement("div");
    place.append(head, body);
    this.append(place);
    this.closest("live-run")?.querySelector("[data-none]")?.remove();
    return { key: item.key, place, head, name, note, body, items: [], columns: {}, rows: 0, choice: {} };
  }

  draw(card) {
    card.name.title = card.description || "";
    card.plots?.forEach((plot) => plot.destroy());
    card.plots = [];
    card.body.replaceChildren();
    if (TABULAR.includes(card.kind)) {
      card.note.textContent = say(card.rows === 1 ? "row" : "rows", { count: card.rows });
      table(card);
      return;
    }
    const count = card.items.length;
    const at = Math.min(card.choice.at ?? count - 1, count - 1);
    this.steps(card, at, count);
    const { value, kind } = card.items[at];
    if (kind === "text") text(card, value);
    else if (kind === "image") this.picture(card, value.path);
    else if (value.path) this.file(card, value.path);
    else ({ confusion_matrix: matrix, accuracy_table: accuracy, residuals, predictions })[kind](card, value.data, () => this.draw(card));
  }

  /** For what was logged several times: which of them is shown. */
  steps(card, at, count) {
    card.note.replaceChildren();
    if (count < 2) return;
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: 0, max: count - 1, value: at });
    range.setAttribute("aria-label", say("which"));
    range.addEventListener("change", () => {
      card.choice.at = Number(range.value) === card.items.length - 1 ? undefined : Number(range.value);
      this.draw(card);
      card.note.querySelector("input")?.focus();
    });
    card.note.append(range, ` ${at + 1} / ${count}`);
  }

  address(path) {
    return `${this.api}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`;
  }
  picture(card, path) {
    const link = document.createElement("a");
    link.href = this.address(path);
    const image = document.createElement("img");
    Object.assign(image, { src: link.href, alt: card.description || card.key, loading: "lazy" });
    image.addEventListener("error", () => link.replaceWith(note(say("notyet", { path }))), { once: true });
    link.append(image);
    card.body.append(link);
  }
  /** A chart that was too large for a request lies in a file. */
  async file(card, path) {
    const link = document.createElement("a");
    Object.assign(link, { className: "link", href: this.address(path), textContent: path });
    const around = note("");
    around.append(link);
    card.body.append(around);
  }
}
customElements.define("logged-items", LoggedItems);

function text(card, value) {
  const place = document.createElement("p");
  place.className = value.length > 40 ? "said long" : "said";
  place.textContent = shown(value);
  card.body.append(place);
}

function note(words) {
  const place = document.createElement("p");
  place.className = "chart-note";
  place.textContent = words;
  return place;
}
