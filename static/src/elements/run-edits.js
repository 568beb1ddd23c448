// Tags, notes, parameters and child runs of a run's page, where they stand.
import htmx from "htmx.org";

import { ask } from "../wire.js";

/** Have the page read its parts anew; where there is none that does, nothing happens. */
const refresh = (from) => htmx.trigger(from.closest("live-run") || document.body, "zaffre-run");

/** What was changed keeps the focus: its part of the page is another one then, and may be replaced more than once. */
let focusOn = null;
let until = 0;
document.addEventListener("htmx:afterSettle", (event) => {
  const found = focusOn && Date.now() < until ? document.querySelector(focusOn) : null;
  // Who went on to something else meanwhile stays there.
  if (found && event.target.contains?.(found) && document.activeElement === document.body) found.focus();
});

async function save(element, change, focus) {
  const note = element.querySelector("[data-wrong]");
  try {
    await ask("PATCH", element.getAttribute("api"), change);
  } catch (error) {
    note.textContent = `${error.message} ${error.hint || ""}`.trim();
    note.hidden = false;
    return false;
  }
  delete element.dataset.editing;
  document.activeElement?.blur();
  focusOn = focus;
  until = Date.now() + 5000;
  refresh(element);
  return true;
}

/** <tag-list api>: its rows are changed and removed in place; its form adds one. */
class TagList extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const row = event.target.closest("[data-key]");
      if (event.target.closest("[data-change]")) this.edit(row);
      else if (event.target.closest("[data-remove]")) save(this, { tags: { [row.dataset.key]: null } }, "#run-tags .add input");
    });
    const add = this.querySelector("form.add");
    add?.addEventListener("submit", (event) => {
      event.preventDefault();
      const { key, value } = add.elements;
      if (key.value.trim()) save(this, { tags: { [key.value.trim()]: value.value } }, "#run-tags .add input");
    });
  }
  edit(row) {
    if (row.querySelector("form")) return;
    this.dataset.editing = "";
    const shown = row.querySelector("dd");
    const form = document.createElement("form");
    const box = document.createElement("input");
    Object.assign(box, { value: row.dataset.value, maxLength: 8000, autocomplete: "off" });
    box.setAttribute("aria-label", row.querySelector("[data-change]").getAttribute("aria-label"));
    form.append(box);
    const before = [...shown.childNodes];
    shown.replaceChildren(form);
    box.select();
    const close = () => {
      delete this.dataset.editing;
      shown.replaceChildren(...before);
      row.querySelector("[data-change]").focus();
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const focus = `#run-tags [data-key="${CSS.escape(row.dataset.key)}"] [data-change]`;
      save(this, { tags: { [row.dataset.key]: box.value } }, focus);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      close();
    });
    box.addEventListener("blur", () => setTimeout(() => form.isConnected && box.value === row.dataset.value && close()));
  }
}

/** <note-edit api>: shows a text, and the same as it was written while somebody writes. */
class NoteEdit extends HTMLElement {
  connectedCallback() {
    const [button, form, shown] = ["[data-edit]", "form", "[data-shown]"].map((one) => this.querySelector(one));
    if (!button || !form) return;
    const box = form.elements.description;
    const open = (on) => {
      form.hidden = !on;
      shown.hidden = on;
      if (on) this.dataset.editing = "";
      else delete this.dataset.editing;
      (on ? box : button).focus();
    };
    button.addEventListener("click", () => open(form.hidden));
    const close = () => {
      box.value = box.defaultValue;
      open(false);
    };
    form.querySelector("[data-cancel]").addEventListener("click", close);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && box.value === box.defaultValue) close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      save(this, { description: box.value }, "#run-notes [data-edit]");
    });
  }
}

let sought = "";
/** <find-rows>: its search box leaves those pairs of a list that hold the text. */
class FindRows extends HTMLElement {
  connectedCallback() {
    const box = this.querySelector("input[type=search]");
    if (!box) return;
    const show = () => {
      sought = box.value;
      const word = box.value.trim().toLowerCase();
      let found = 0;
      for (const term of this.querySelectorAll("dt")) {
        const value = term.nextElementSibling;
        const fits = !word || `${term.title} ${value.title}`.toLowerCase().includes(word);
        term.hidden = value.hidden = !fits;
        found += fits;
      }
      this.querySelector("[data-none-found]").hidden = found > 0;
    };
    box.value = sought;
    show();
    box.addEventListener("input", show);
  }
}

const folded = new Set();
/** <tree-rows>: rows that stand under another one can be folded away; what was folded stays so. */
class TreeRows extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = event.target.closest("button.fold");
      if (!button) return;
      const { id } = button.closest("tr").dataset;
      if (!folded.delete(id)) folded.add(id);
      this.draw();
    });
    this.draw();
  }
  draw() {
    const hidden = new Set();
    for (const row of this.querySelectorAll("tr[data-id]")) {
      const { id, parent } = row.dataset;
      row.hidden = hidden.has(parent) || folded.has(parent);
      if (row.hidden) hidden.add(id);
      row.querySelector("button.fold")?.setAttribute("aria-expanded", String(!folded.has(id)));
    }
  }
}

/** <run-picker ws>: its box offers runs whose name holds what is typed. */
class RunPicker extends HTMLElement {
  connectedCallback() {
    const box = this.querySelector("input[list]");
    const list = box?.list;
    if (!list) return;
    let late = 0;
    box.addEventListener("input", () => {
      clearTimeout(late);
      const word = box.value.trim();
      if (!word) return;
      late = setTimeout(async () => {
        const told = await ask("GET", `/api/v1/workspaces/${this.getAttribute("ws")}/runs?limit=12&q=${encodeURIComponent(word)}`).catch(() => null);
        if (!told || box.value.trim() !== word) return;
        list.replaceChildren(
          ...told.runs.map((run) => {
            const one = document.createElement("option");
            one.value = run.id;
            one.label = `${run.name} · ${run.experiment}`;
            return one;
          }),
        );
      }, 200);
    });
  }
}

customElements.define("tag-list", TagList);
customElements.define("note-edit", NoteEdit);
customElements.define("find-rows", FindRows);
customElements.define("tree-rows", TreeRows);
customElements.define("run-picker", RunPicker);
