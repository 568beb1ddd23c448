// <run-outputs api ws run>: a run's logs and files side by side; which of them is open stands in the address.
import "./log-view.js";
import "./merged-log.js";
import "./file-tree.js";
import "./file-view.js";

class RunOutputs extends HTMLElement {
  connectedCallback() {
    this.tree = this.querySelector("file-tree");
    this.view = this.querySelector("file-view");
    this.log = this.querySelector("[data-log]");
    this.tree.addEventListener("choose", ({ detail }) => this.open(detail.path, detail.size));
    this.addEventListener("click", (event) => {
      const link = event.target.closest("[data-list] a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (link.dataset.file !== undefined) {
        event.preventDefault();
        this.open(link.dataset.file, Number(link.dataset.size));
      } else if ("now" in link.dataset) {
        event.preventDefault();
        this.open(null);
      }
    });
    addEventListener("popstate", (this.onpop = () => this.sync()));
    document.addEventListener("htmx:afterSettle", (this.onswap = () => this.mark()));
    this.sync();
  }
  disconnectedCallback() {
    removeEventListener("popstate", this.onpop);
    document.removeEventListener("htmx:afterSettle", this.onswap);
  }

  /** Open a file, or with null the log. */
  open(path, size) {
    const place = new URL(location);
    for (const word of ["file", "folder", "find", "case", "regex", "line"]) place.searchParams.delete(word);
    place.hash = "";
    if (path !== null) place.searchParams.set("file", path);
    if (place.href !== location.href) history.pushState(null, "", place);
    this.sync(size);
  }
  sync(size) {
    const path = new URLSearchParams(location.search).get("file");
    if (path === this.shown) return;
    this.shown = path;
    this.log.hidden = path !== null;
    if (path === null) this.view.close();
    else this.view.show(path, size);
    this.tree.select(path);
    this.mark();
    if (path !== null && innerWidth <= 1080) this.view.scrollIntoView({ block: "start" });
  }
  mark() {
    for (const link of this.querySelectorAll("[data-list] a")) {
      const on = this.shown === null ? "now" in link.dataset : link.dataset.file === this.shown;
      if (on) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
}
customElements.define("run-outputs", RunOutputs);
