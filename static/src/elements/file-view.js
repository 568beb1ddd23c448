// <file-view>: one file of a run, shown by its kind (file-kinds.js), with what one does with a file beside it.
import { ask, bytes, say } from "../wire.js";
import { MOST, codecOf, ending, kindOf, part } from "./file-kinds.js";
import { showText } from "./file-text.js";

const SNIFFED = 4096;
const LOADERS = { csv: "pandas.read_csv({path})", tsv: 'pandas.read_csv({path}, sep="\\t")', tab: 'pandas.read_csv({path}, sep="\\t")', parquet: "pandas.read_parquet({path})", pq: "pandas.read_parquet({path})", json: "json.loads(Path({path}).read_text())" };
const IMPORTS = { json: "import json\nfrom pathlib import Path\n" };

class FileView extends HTMLElement {
  get owner() {
    return this.closest("run-outputs");
  }

  /** Show a file of the run; `size` is read when it is not known. */
  async show(path, size) {
    this.reading?.abort();
    const { signal } = (this.reading = new AbortController());
    const api = this.owner.getAttribute("api");
    const way = path.split("/").map(encodeURIComponent).join("/");
    const file = { path, api, way, address: `${api}/artifacts/${way}`, rows: `${api}/rows/${way}`, preview: `${api}/preview/${way}`, size };
    this.hidden = false;
    this.body = document.createElement("div");
    this.body.className = "file-body";
    this.body.setAttribute("aria-busy", "true");
    this.replaceChildren(...this.head(file), this.body);
    try {
      // Text says itself how much there is: a question for the size would have all of it checked first.
      if (file.size === undefined && kindOf(path) !== "text") {
        file.size = await sizeOf(file.address, signal);
        this.replaceChildren(...this.head(file), this.body);
      }
      await this.draw(file, kindOf(path), signal);
      this.watch(this.body.querySelector("log-view"));
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) this.note(error.message || say("away"));
    }
    this.body.removeAttribute("aria-busy");
  }
  close() {
    this.reading?.abort();
    this.hidden = true;
    this.replaceChildren();
  }

  async draw(file, kind, signal) {
    if (kind === "unknown") {
      if (await isText(file, signal)) return showText(this.body, file);
      return this.offer(file);
    }
    if (file.size > MOST[kind]) {
      if (kind === "json") {
        this.note(say("jsonlarge", { size: bytes(MOST.json) }));
        return showText(this.body, file);
      }
      return this.note(say("toolarge", { size: bytes(file.size), most: bytes(MOST[kind]) }));
    }
    if (kind === "text") return showText(this.body, file);
    if (kind === "markdown") return (await import("./file-markdown.js")).showMarkdown(this.body, file, (view) => this.watch(view));
    if (kind === "image") return this.picture(file);
    if (kind === "audio" || kind === "video") return this.media(kind, file);
    if (kind === "frame") return this.frame(file, false);
    if (kind === "notebook") return (await import("./file-notebook.js")).showNotebook(this.body, file, signal);
    const data = await import("./file-data.js");
    return { json: data.showJson, table: data.showTable, parquet: data.showParquet }[kind](this.body, file, signal);
  }
  note(text) {
    const place = document.createElement("p");
    place.className = "file-note";
    place.textContent = text;
    this.body.append(place);
  }
  /** Bytes that look like no text are shown as such to who asks for it. */
  offer(file) {
    this.note(say("nopreview"));
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn s", textContent: say("astext") });
    button.addEventListener("click", () => {
      this.body.replaceChildren();
      showText(this.body, file);
      this.watch(this.body.querySelector("log-view"));
    });
    this.body.lastElementChild.append(" ", button);
  }
  /** The head says how much of a file of lines there is now. */
  watch(view) {
    view?.addEventListener("known", () => (this.querySelector("[data-size]").textContent = bytes(view.size)));
  }
  picture(file) {
    const link = document.createElement("a");
    Object.assign(link, { href: file.address, target: "_blank", rel: "noopener", className: "file-picture" });
    const image = document.createElement("img");
    Object.assign(image, { src: file.address, alt: file.path });
    link.append(image);
    this.body.append(link);
  }
  media(kind, file) {
    const player = document.createElement(kind);
    Object.assign(player, { controls: true, preload: "metadata", src: file.address, className: "file-media" });
    player.setAttribute("aria-label", file.path);
    this.body.append(player);
  }
  /** Pages, drawings and PDF: in a frame of another origin, which reaches neither the studio nor the network. */
  async frame(file, scripts) {
    const { url } = await ask("GET", `${file.preview}${scripts ? "?scripts=1" : ""}`);
    const pdf = ending(file.path) === "pdf";
    const frame = document.createElement("iframe");
    frame.className = "file-frame";
    frame.title = file.path;
    frame.referrerPolicy = "no-referrer";
    // The browser's reader of PDF does not open in a sandbox; it runs in one of its own.
    if (!pdf) frame.setAttribute("sandbox", scripts ? "allow-scripts" : "");
    frame.src = url;
    this.body.replaceChildren();
    if (ending(file.path).startsWith("htm")) {
      const bar = document.createElement("p");
      bar.className = "file-note row spread";
      bar.append(say(scripts ? "scriptson" : "scriptsoff"));
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "btn s", textContent: say(scripts ? "withoutscripts" : "withscripts") });
      button.addEventListener("click", () => this.frame(file, !scripts).catch((error) => this.note(error.message)));
      bar.append(button);
      this.body.append(bar);
    }
    this.body.append(frame);
  }

  head(file) {
    const head = document.createElement("h2");
    const name = document.createElement("span");
    name.textContent = file.path;
    name.title = file.path;
    const about = document.createElement("em");
    const following = Object.assign(document.createElement("span"), { hidden: true, textContent: `${say("following")} · ` });
    const lines = document.createElement("span");
    const size = document.createElement("span");
    following.dataset.following = lines.dataset.lines = size.dataset.size = "";
    if (file.size !== undefined) size.textContent = bytes(file.size);
    about.append(following, lines, size);
    const link = document.createElement("a");
    Object.assign(link, { className: "link", href: `${file.address}?download=1`, textContent: say("download") });
    link.setAttribute("download", file.path.split("/").at(-1));
    about.append(link);
    head.append(name, about);
    const bar = document.createElement("div");
    bar.className = "file-bar row";
    const back = document.createElement("button");
    Object.assign(back, { type: "button", className: "btn s", textContent: say("tolog") });
    back.addEventListener("click", () => this.owner.open(null));
    const copy = document.createElement("copy-text");
    copy.className = "inline";
    copy.setAttribute("value", file.path);
    const words = document.createElement("code");
    words.textContent = say("copypath");
    copy.append(words);
    const fold = document.createElement("details");
    fold.className = "file-snippet";
    const summary = document.createElement("summary");
    summary.textContent = "Python";
    const snippet = document.createElement("copy-text");
    snippet.className = "snippet";
    const code = document.createElement("pre");
    code.textContent = this.snippet(file);
    snippet.append(code);
    fold.append(summary, snippet);
    bar.append(back, copy, fold);
    return [head, bar];
  }
  snippet(file) {
    const [ws, run] = [this.owner.getAttribute("ws"), this.owner.getAttribute("run")];
    const text = (value) => JSON.stringify(value);
    const end = ending(file.path);
    const lines = [`from zaffre.core import Run, Workspace`, "", `run = Run.get(Workspace.get(${text(ws)}), ${text(run)})`, `path = run.download_file(${text(file.path)})`];
    if (!LOADERS[end]) return lines.join("\n");
    return `${IMPORTS[end] || "import pandas\n"}${lines.join("\n")}\nfound = ${LOADERS[end].replace("{path}", "path")}`;
  }
}

async function sizeOf(address, signal) {
  const answer = await fetch(address, { headers: { Range: "bytes=0-0" }, signal });
  if (answer.status === 416) return 0;
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error?.message || say("nofile"));
  return Number((answer.headers.get("Content-Range") || "").split("/")[1] || 0);
}
async function isText(file, signal) {
  if (!file.size) return true;
  const data = await part(file.address, 0, Math.min(SNIFFED, file.size), signal);
  if (codecOf(data) !== "utf-8") return true;
  if (data.includes(0)) return false;
  try {
    // The last letter may be cut in two.
    new TextDecoder("utf-8", { fatal: true }).decode(data, { stream: true });
    return true;
  } catch {
    return false;
  }
}
customElements.define("file-view", FileView);
