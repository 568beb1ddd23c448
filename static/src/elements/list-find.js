// <list-find of="id of a part of the page">: its box hides the rows of a list that is whole in the page. What was typed is in
// the address, so that a way back finds it, and is looked for again when the part was read anew.
import { say } from "../wire.js";

class ListFind extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector("input");
    this.said = this.querySelector("[role=status]");
    this.box.value = new URLSearchParams(location.search).get("q") || "";
    this.box.addEventListener("input", () => {
      this.keep();
      this.show();
    });
    this.again = () => this.show();
    document.addEventListener("htmx:afterSettle", this.again);
    this.show();
  }
  disconnectedCallback() {
    document.removeEventListener("htmx:afterSettle", this.again);
  }
  keep() {
    const asked = new URLSearchParams(location.search);
    if (this.box.value.trim()) asked.set("q", this.box.value.trim());
    else asked.delete("q");
    history.replaceState(history.state, "", `${location.pathname}${String(asked) ? `?${asked}` : ""}${location.hash}`);
  }
  show() {
    const rows = [...(document.getElementById(this.getAttribute("of"))?.querySelectorAll("table[data-rows] tbody tr") || [])];
    const words = this.box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      found += !row.hidden;
    }
    this.hidden = !rows.length;
    this.said.textContent = words.length ? (found ? say("listfound", { count: found, all: rows.length }) : say("nothing")) : "";
  }
}
customElements.define("list-find", ListFind);
