/** <filter-box complete="/api/…/complete" experiment="name?">: completes the filter that is typed into its input.

A combobox with a list (ARIA): arrows choose, Enter or Tab takes, Escape closes; Enter with nothing chosen searches. */
import { ask } from "../wire.js";

class FilterBox extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector("input");
    this.list = this.querySelector("[role=listbox]");
    this.asked = 0;
    const soon = () => {
      clearTimeout(this.wait);
      this.wait = setTimeout(() => this.look(), 120);
    };
    this.box.addEventListener("input", soon);
    this.box.addEventListener("click", soon);
    this.box.addEventListener("blur", () => this.close());
    this.box.addEventListener("keydown", (event) => this.key(event));
    // The pointer must not take the focus from the input before the choice is taken.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.take(Number(option.dataset.at));
    });
    const { at, length } = this.dataset;
    if (at !== undefined) {
      this.box.focus();
      const [from, to] = this.halves(Number(at), Number(at) + Number(length));
      this.box.setSelectionRange(from, to);
    }
  }

  disconnectedCallback() {
    clearTimeout(this.wait);
  }

  /** Places in the text as the browser counts them: the studio counts characters, a browser halves of some. */
  halves(...places) {
    const whole = [...this.box.value];
    return places.map((place) => whole.slice(0, place).join("").length);
  }

  async look() {
    this.asked += 1;
    const mine = this.asked;
    const before = this.box.value.slice(0, this.box.selectionStart);
    const asked = new URLSearchParams({ text: this.box.value, cursor: [...before].length });
    const experiment = this.getAttribute("experiment");
    if (experiment) asked.set("experiment", experiment);
    try {
      const found = await ask("GET", `${this.getAttribute("complete")}?${asked}`);
      if (mine === this.asked && document.activeElement === this.box) this.show(found);
    } catch {
      // Nothing is suggested; the filter can be typed without.
      this.close();
    }
  }

  show({ start, end, items }) {
    this.place = this.halves(start, end);
    this.items = items;
    this.list.replaceChildren(
      ...items.map((one, at) => {
        const option = document.createElement("li");
        const label = document.createElement("span");
        const kind = document.createElement("span");
        option.id = `${this.list.id}-${at}`;
        option.setAttribute("role", "option");
        option.dataset.at = at;
        label.textContent = one.label;
        kind.textContent = this.list.dataset[one.kind] || one.kind;
        kind.className = "quiet";
        option.append(label, kind);
        return option;
      }),
    );
    this.list.hidden = !items.length;
    this.box.setAttribute("aria-expanded", String(items.length > 0));
    this.choose(-1);
  }

  close() {
    clearTimeout(this.wait);
    this.asked += 1;
    this.show({ start: 0, end: 0, items: [] });
  }

  choose(to) {
    this.at = to;
    for (const [at, option] of [...this.list.children].entries()) {
      option.setAttribute("aria-selected", String(at === to));
      if (at === to) option.scrollIntoView({ block: "nearest" });
    }
    if (to < 0) this.box.removeAttribute("aria-activedescendant");
    else this.box.setAttribute("aria-activedescendant", `${this.list.id}-${to}`);
  }

  key(event) {
    if (event.isComposing) return;
    const count = this.list.hidden ? 0 : this.items.length;
    if (event.key === "ArrowDown" && !count) this.look();
    else if (event.key === "ArrowDown" && count) this.choose((this.at + 1) % count);
    else if (event.key === "ArrowUp" && count) this.choose((this.at <= 0 ? count : this.at) - 1);
    // A search box of the browser would forget all that was typed.
    else if (event.key === "Escape") this.close();
    else if ((event.key === "Enter" || event.key === "Tab") && count && this.at >= 0) this.take(this.at);
    else return;
    event.preventDefault();
  }

  take(at) {
    const [start, end] = this.place;
    const { insert } = this.items[at];
    this.box.setRangeText(insert, start, end, "end");
    this.box.focus();
    this.look();
  }
}

customElements.define("filter-box", FilterBox);
