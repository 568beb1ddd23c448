// <run-pictures api>: a gallery; a name that was logged several times has a slider, and each picture its full size.
//
// Ctrl or Cmd with the arrows goes through the steps of a picture, the arrows alone through the pictures.
import { ask, say } from "../wire.js";

const PAGE = 1000;
/** What was read, and which step was chosen, by run and name: the gallery is read anew while the run goes on. */
const known = new Map();

class RunPictures extends HTMLElement {
  connectedCallback() {
    this.api = this.getAttribute("api");
    this.addEventListener("input", ({ target }) => target.matches("input[type=range]") && this.slide(target.closest("[data-picture]")));
    this.addEventListener("click", (event) => {
      const link = event.target.closest("[data-picture] > a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.open(link.parentElement);
    });
    // A picture that somebody looks at is not taken away: the next bell shows what came meanwhile.
    this.onswap = (event) => {
      if (event.detail.target === this.parentElement && this.dialog?.open) event.detail.shouldSwap = false;
    };
    document.addEventListener("htmx:beforeSwap", this.onswap);
    for (const figure of this.querySelectorAll("[data-count]")) {
      const memory = known.get(this.name(figure));
      const range = figure.querySelector("input");
      if (!range || memory?.at === undefined) continue;
      range.value = memory.at;
      this.slide(figure);
    }
  }
  disconnectedCallback() {
    document.removeEventListener("htmx:beforeSwap", this.onswap);
  }
  name(figure) {
    return `${this.api} ${figure.dataset.key}`;
  }
  address(path) {
    return `${this.api}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** What was logged under the figure's name, in order; read once, and what came since. */
  async frames(figure) {
    const name = this.name(figure);
    if (!known.has(name)) known.set(name, { frames: [], after: 0 });
    const memory = known.get(name);
    const wanted = Number(figure.dataset.count);
    memory.reading ||= (async () => {
      while (memory.frames.length < wanted) {
        const told = await ask("GET", `${this.api}/items?${new URLSearchParams({ key: figure.dataset.key, after: memory.after, limit: PAGE })}`);
        memory.frames.push(...told.items.filter((item) => item.kind === "image").map((item) => ({ step: item.step, path: item.value.path })));
        if (!told.items.length || told.next === null) break;
        memory.after = told.items.at(-1).id;
      }
    })().finally(() => (memory.reading = null));
    await memory.reading;
    return memory.frames;
  }
  async slide(figure) {
    const range = figure.querySelector("input");
    const frames = await this.frames(figure).catch(() => []);
    const at = Number(range.value);
    const frame = frames[at - 1];
    if (!frame) return;
    // At its end the slider stays at what is logged last.
    known.get(this.name(figure)).at = at === Number(range.max) ? undefined : at;
    this.show(figure, frame, at, frames.length);
  }
  show(figure, frame, at, count) {
    figure.dataset.path = frame.path;
    const link = figure.querySelector("a");
    link.href = this.address(frame.path);
    link.querySelector("img").src = link.href;
    figure.querySelector("[data-step]").textContent = `${frame.step === null ? "" : `${say("ofstep", { step: frame.step })} · `}${at} / ${count}`;
    figure.querySelector("input").setAttribute("aria-valuetext", frame.step === null ? `${at} / ${count}` : say("ofstep", { step: frame.step }));
    if (this.figure === figure) this.draw();
  }
  step(figure, by) {
    const range = figure.querySelector("input");
    if (!range) return;
    range.value = Number(range.value) + by;
    this.slide(figure);
  }

  // --- full size -----------------------------------------------------------------------------------------
  open(figure) {
    this.dialog ||= this.build();
    this.figure = figure;
    this.draw();
    this.dialog.showModal();
  }
  build() {
    const dialog = document.createElement("dialog");
    dialog.className = "lightbox";
    const bar = document.createElement("div");
    bar.className = "row spread";
    this.title_ = document.createElement("span");
    const acts = document.createElement("span");
    acts.className = "row";
    const button = (words, text, act) => {
      const made = document.createElement("button");
      Object.assign(made, { type: "button", className: "btn s", textContent: text, title: words });
      made.setAttribute("aria-label", words);
      made.addEventListener("click", act);
      acts.append(made);
      return made;
    };
    button(say("previouspicture"), "←", () => this.move(-1));
    button(say("nextpicture"), "→", () => this.move(1));
    this.size = button(say("actualsize"), "1:1", () => this.size.setAttribute("aria-pressed", String(dialog.classList.toggle("actual"))));
    button(say("close"), "×", () => dialog.close());
    bar.append(this.title_, acts);
    const place = document.createElement("div");
    place.className = "lightbox-place";
    place.tabIndex = 0;
    this.picture = document.createElement("img");
    place.append(this.picture);
    this.slider = document.createElement("input");
    this.slider.type = "range";
    this.slider.min = 1;
    this.slider.addEventListener("input", () => {
      this.figure.querySelector("input").value = this.slider.value;
      this.slide(this.figure);
    });
    dialog.append(bar, place, this.slider);
    dialog.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || (event.target === this.slider && !event.ctrlKey && !event.metaKey)) return;
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) this.step(this.figure, by);
      else this.move(by);
    });
    dialog.addEventListener("close", () => {
      this.figure?.querySelector("a").focus();
      this.figure = null;
    });
    this.append(dialog);
    return dialog;
  }
  move(by) {
    const all = [...this.querySelectorAll("[data-picture]")];
    this.figure = all[(all.indexOf(this.figure) + by + all.length) % all.length];
    this.draw();
  }
  draw() {
    const all = [...this.querySelectorAll("[data-picture]")];
    const { key, path } = this.figure.dataset;
    const step = this.figure.querySelector("[data-step]")?.textContent;
    this.title_.textContent = [key || path, step, say("ofpictures", { at: all.indexOf(this.figure) + 1, count: all.length })].filter(Boolean).join(" · ");
    Object.assign(this.picture, { src: this.address(path), alt: key || path });
    const range = this.figure.querySelector("input");
    this.slider.hidden = !range;
    if (range) {
      this.slider.max = range.max;
      this.slider.value = range.value;
      this.slider.setAttribute("aria-label", range.getAttribute("aria-label"));
    }
  }
}
customElements.define("run-pictures", RunPictures);
