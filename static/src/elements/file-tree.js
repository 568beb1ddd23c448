// <file-tree>: a run's files, a folder's entries read when it is opened. Arrow keys walk it as they walk any tree.
import { ask, bytes, say } from "../wire.js";

class FileTree extends HTMLElement {
  connectedCallback() {
    if (this.root) return;
    this.api = this.closest("run-outputs").getAttribute("api");
    this.root = document.createElement("ul");
    this.root.setAttribute("role", "tree");
    this.root.setAttribute("aria-label", say("files"));
    this.append(this.root);
    this.root.addEventListener("click", (event) => this.clicked(event));
    this.root.addEventListener("keydown", (event) => this.typed(event));
    this.fill(this.root, "", 1).then(() => this.select(this.wanted));
    // A run that goes on writes more: folders that are open read themselves anew.
    this.closest("live-run")?.addEventListener("zaffre-run", () => this.again());
  }

  async fill(list, folder, level) {
    const told = await ask("GET", `${this.api}/folder?${new URLSearchParams({ path: folder })}`).catch(() => null);
    if (!told) return;
    // What is open now: somebody may have opened a folder while the answer was on its way.
    const open = new Set([...list.querySelectorAll('[aria-expanded="true"]')].map((one) => one.dataset.path));
    list.replaceChildren(...told.entries.map((entry) => this.item(entry, folder, level)));
    if (told.more) list.append(this.more(folder, level));
    if (!folder) {
      // A tree has branches; without them it is a list with a note.
      if (told.entries.length) list.setAttribute("role", "tree");
      else {
        list.removeAttribute("role");
        list.append(this.nothing());
      }
    }
    for (const item of list.querySelectorAll("[aria-expanded]")) if (open.has(item.dataset.path)) await this.unfold(item);
    this.mark();
  }
  again() {
    if (this.reading) return;
    this.reading = this.fill(this.root, "", 1).finally(() => (this.reading = null));
  }
  nothing() {
    const note = document.createElement("li");
    note.className = "quiet";
    note.textContent = say(this.hasAttribute("final") ? "nofilesleft" : "nofiles");
    return note;
  }
  item(entry, folder, level) {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    const item = document.createElement("li");
    Object.assign(item.dataset, { path, size: entry.size });
    item.setAttribute("role", "treeitem");
    item.setAttribute("aria-level", level);
    item.tabIndex = -1;
    const row = document.createElement("div");
    const name = document.createElement(entry.folder ? "span" : "a");
    name.textContent = entry.name;
    name.title = path;
    if (!entry.folder) Object.assign(name, { href: `?${new URLSearchParams({ file: path })}`, tabIndex: -1 });
    const size = document.createElement("small");
    size.textContent = entry.folder ? `${entry.files} · ${bytes(entry.size)}` : bytes(entry.size);
    row.append(name, size);
    if (entry.folder) {
      item.setAttribute("aria-expanded", "false");
      const zip = document.createElement("a");
      Object.assign(zip, { href: `${this.api}/zip?${new URLSearchParams({ folder: path })}`, className: "zip", textContent: "zip", tabIndex: -1 });
      zip.title = say("zipped", { folder: path });
      zip.setAttribute("download", "");
      row.append(zip);
    }
    item.append(row);
    if (entry.folder) {
      const list = document.createElement("ul");
      list.setAttribute("role", "group");
      list.hidden = true;
      item.append(list);
    }
    return item;
  }
  more(folder, level) {
    const item = document.createElement("li");
    item.setAttribute("role", "none");
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn s", textContent: say("morefiles") });
    button.addEventListener("click", async () => {
      const last = item.previousElementSibling?.dataset.path.split("/").at(-1) || "";
      const told = await ask("GET", `${this.api}/folder?${new URLSearchParams({ path: folder, after: last })}`);
      item.replaceWith(...told.entries.map((entry) => this.item(entry, folder, level)), ...(told.more ? [this.more(folder, level)] : []));
    });
    item.append(button);
    return item;
  }

  async unfold(item) {
    item.setAttribute("aria-expanded", "true");
    const list = item.querySelector("ul");
    list.hidden = false;
    if (!list.childElementCount) await this.fill(list, item.dataset.path, Number(item.getAttribute("aria-level")) + 1);
  }
  fold(item) {
    item.setAttribute("aria-expanded", "false");
    item.querySelector("ul").hidden = true;
  }
  toggle(item) {
    if (item.getAttribute("aria-expanded") === "true") this.fold(item);
    else this.unfold(item);
  }

  /** Mark a file and open the folders above it. */
  async select(path) {
    this.wanted = path;
    this.mark();
    if (!path || !this.root.childElementCount) return;
    const parts = path.split("/");
    for (let at = 1; at < parts.length; at += 1) {
      const folder = this.find(parts.slice(0, at).join("/"));
      if (!folder?.hasAttribute("aria-expanded")) return;
      await this.unfold(folder);
    }
    this.mark();
  }
  find(path) {
    return [...this.root.querySelectorAll("[data-path]")].find((one) => one.dataset.path === path);
  }
  mark() {
    for (const one of this.root.querySelectorAll("[aria-selected]")) one.removeAttribute("aria-selected");
    const item = this.wanted && this.find(this.wanted);
    item?.setAttribute("aria-selected", "true");
    if (!this.root.querySelector('[tabindex="0"]')) {
      const first = item || this.root.querySelector('[role="treeitem"]');
      if (first) first.tabIndex = 0;
    }
  }
  choose(item) {
    this.dispatchEvent(new CustomEvent("choose", { detail: { path: item.dataset.path, size: Number(item.dataset.size) } }));
  }

  clicked(event) {
    const item = event.target.closest('[role="treeitem"]');
    if (!item || event.target.closest(".zip") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.focusOn(item);
    if (item.hasAttribute("aria-expanded")) this.toggle(item);
    else this.choose(item);
  }
  focusOn(item) {
    for (const one of this.root.querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
    item.tabIndex = 0;
    item.focus();
  }
  typed(event) {
    const item = event.target.closest('[role="treeitem"]');
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const seen = [...this.root.querySelectorAll('[role="treeitem"]')].filter((one) => one.offsetParent);
    const at = seen.indexOf(item);
    const folder = item.hasAttribute("aria-expanded");
    const open = item.getAttribute("aria-expanded") === "true";
    const acts = {
      ArrowDown: () => seen[at + 1] && this.focusOn(seen[at + 1]),
      ArrowUp: () => seen[at - 1] && this.focusOn(seen[at - 1]),
      ArrowRight: () => (folder && !open ? this.unfold(item) : open && seen[at + 1] && this.focusOn(seen[at + 1])),
      ArrowLeft: () => {
        const above = item.parentElement.closest('[role="treeitem"]');
        if (open) this.fold(item);
        else if (above) this.focusOn(above);
      },
      Home: () => this.focusOn(seen[0]),
      End: () => this.focusOn(seen.at(-1)),
      Enter: () => (folder ? this.toggle(item) : this.choose(item)),
      " ": () => (folder ? this.toggle(item) : this.choose(item)),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}
customElements.define("file-tree", FileTree);
