// <code-drop ws rules>: a folder, files or a zip become a snapshot, whose id stands in the form that is submitted.
import { Unzip, UnzipInflate, Zip, ZipPassThrough } from "fflate";

import { ask, bytes, say, send } from "../wire.js";
import { choose } from "./code-rules.js";

const NAMED = 5;
/** Files that a folder may have before it is surely the wrong one. */
const MOST = 100_000;
const USUAL = ["train.py", "main.py", "run.py"];

class CodeDrop extends HTMLElement {
  connectedCallback() {
    this.rules = JSON.parse(this.getAttribute("rules"));
    this.out = new Set(this.rules.out);
    this.form = this.closest("form");
    this.note = this.querySelector("[data-note]");
    this.bar = this.querySelector("progress");
    this.api = `/api/v1/workspaces/${encodeURIComponent(this.getAttribute("ws"))}`;
    for (const input of this.querySelectorAll("input[type=file]")) {
      const chosen = () => {
        this.take([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
        input.value = "";
      };
      input.addEventListener("change", chosen);
      // Somebody was faster than this chunk of the bundle.
      if (input.files.length) chosen();
    }
    this.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.classList.add("over");
    });
    this.addEventListener("dragleave", () => this.classList.remove("over"));
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      this.classList.remove("over");
      this.querySelector("[value=sent]").checked = true;
      // The entries are asked for now: after this moment the browser gives none.
      this.take(dropped([...event.dataTransfer.items], this.out));
    });
    this.querySelector("[name=from_run]").addEventListener("change", (event) => this.earlier(event.target.value.trim()));
    this.form.addEventListener("submit", (event) => {
      if (!this.sending) return;
      event.preventDefault();
      const { submitter } = event;
      this.waits ??= this.sending.then((sent) => {
        this.waits = null;
        if (sent) this.form.requestSubmit(submitter);
      });
      this.say(`${this.note.textContent}\n${say("codewait")}`);
    });
  }
  say(text, bad = false) {
    this.note.textContent = text;
    this.note.classList.toggle("bad-text", bad);
  }
  /** Make what was chosen the code, the newest choice last. */
  take(given) {
    const mine = (this.sending = this.work(given)
      .catch((error) => {
        if (mine === this.sending) this.say(`${error.message} ${error.hint || ""}`.trim(), true);
        return false;
      })
      .finally(() => {
        if (mine !== this.sending) return;
        this.sending = null;
        this.bar.hidden = true;
      }));
  }
  async work(given) {
    this.form.elements.snapshot.value = "";
    this.files([]);
    let found = await given;
    if (found.length === 1 && /\.zip$/i.test(found[0].path)) found = await this.unpacked(found[0].file);
    found = below(found);
    const byPath = new Map(found.map((one) => [one.path, one.file]));
    const { kept, left } = await choose([...byPath.keys()].sort(), {
      names: this.rules.ignore,
      out: this.out,
      read: (path) => byPath.get(path).text(),
    });
    const code = kept.map((path) => ({ path, file: byPath.get(path) }));
    this.require(code);
    const size = sum(code);
    this.bar.hidden = false;
    const body = await packed(code, (at) => this.say(say("hashing", { at, count: code.length })));
    this.bar.max = body.size || 1;
    const made = await send("POST", `${this.api}/snapshots/zip`, body, (moved) => {
      this.bar.value = moved;
      this.say(say("sending", { done: bytes(moved), size: bytes(body.size) }));
    });
    this.form.elements.snapshot.value = made.id;
    this.files(kept);
    const told = say(code.length === 1 ? "codesent1" : "codesent", { count: code.length, size: bytes(size) });
    this.say(left.length ? `${told}\n${say(left.length === 1 ? "codeout1" : "codeout", { count: left.length, named: few(left) })}` : told);
    return true;
  }
  /** Throw what the studio would refuse, before anything is sent. */
  require(code) {
    const wrong = (key, facts) => Object.assign(new Error(say(key, facts)), { hint: key === "codenone" ? "" : say("codehow") });
    if (!code.length) throw wrong("codenone");
    if (code.length > this.rules.files) {
      const folders = new Map();
      for (const { path } of code) {
        const top = path.includes("/") ? `${path.split("/")[0]}/` : ".";
        folders.set(top, (folders.get(top) || 0) + 1);
      }
      const named = [...folders].sort((a, b) => b[1] - a[1]).map(([top, count]) => `${top} (${count})`);
      throw wrong("codemany", { count: code.length, most: this.rules.files, named: few(named) });
    }
    if (sum(code) > this.rules.bytes) {
      const named = [...code].sort((a, b) => b.file.size - a.file.size).map(({ path, file }) => `${path} (${bytes(file.size)})`);
      throw wrong("codelarge", { size: bytes(sum(code)), most: bytes(this.rules.bytes), named: few(named) });
    }
  }
  /** The files of a zip; those that are never code are not even unpacked. */
  async unpacked(zip) {
    const found = [];
    const bad = () => new Error(say("codezip", { name: zip.name }));
    let total = 0;
    const reader = new Unzip((entry) => {
      if (entry.name.endsWith("/") || entry.name.split("/").some((one) => this.out.has(one))) return;
      const pieces = [];
      entry.ondata = (error, piece, last) => {
        if (error) throw bad();
        total += piece.length;
        // Unpacked it is already too much: which files are the biggest is said of what was read so far.
        if (total > 2 * this.rules.bytes) this.require([...found, { path: entry.name, file: new Blob(pieces) }]);
        pieces.push(piece);
        if (last) found.push({ path: entry.name, file: new Blob(pieces) });
      };
      entry.start();
    });
    reader.register(UnzipInflate);
    try {
      const stream = zip.stream().getReader();
      for (let read = await stream.read(); !read.done; read = await stream.read()) reader.push(read.value);
      reader.push(new Uint8Array(0), true);
    } catch (error) {
      throw error.hint === undefined ? bad() : error;
    }
    if (!found.length) throw bad();
    return found;
  }
  /** Offer the code of another run to the box of the script. */
  async earlier(run) {
    const told = /^[0-9A-Z]{26}$/.test(run) ? await ask("GET", `${this.api}/runs/${run}`).catch(() => null) : null;
    const found = told?.snapshot ? await ask("GET", `${this.api}/snapshots/${told.snapshot}`).catch(() => null) : null;
    this.files(found?.files.map((one) => one.path) || []);
    const { script } = this.form.elements;
    if (!script.value && told?.config?.script) script.value = told.config.script;
  }
  files(paths) {
    const list = this.querySelector("[data-list]");
    const shown = paths.slice(0, 500);
    const rows = (tag) => shown.map((path) => Object.assign(document.createElement(tag), tag === "li" ? { textContent: path } : { value: path }));
    list.hidden = !paths.length;
    list.querySelector("ul").replaceChildren(...rows("li"));
    const { script } = this.form.elements;
    script.list.replaceChildren(...rows("option"));
    const scripts = paths.filter((path) => path.endsWith(".py"));
    if (!script.value) script.value = USUAL.find((one) => scripts.includes(one)) || (scripts.length === 1 ? scripts[0] : "");
  }
}

const sum = (code) => code.reduce((all, { file }) => all + file.size, 0);
const few = (names) => names.slice(0, NAMED).join(", ") + (names.length > NAMED ? " …" : "");

/** Paths below the one folder that all of them lie in, if there is one: its name is no part of the code. */
function below(found) {
  const tops = new Set(found.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [top] = tops;
  return tops.size === 1 && top ? found.map(({ path, file }) => ({ path: path.slice(top.length + 1), file })) : found;
}

/** The files below what was dropped, without the folders that are never code. */
async function dropped(items, out) {
  const found = [];
  const walk = async (entry, path) => {
    if (entry.isFile) found.push({ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
    else if (!out.has(entry.name)) {
      const reader = entry.createReader();
      const read = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      // A browser gives a hundred at a time.
      for (let more = await read(); more.length && found.length < MOST; more = await read()) {
        for (const one of more) await walk(one, `${path}/${one.name}`);
      }
    }
  };
  // What no folder of the computer holds (it was dragged out of another page) is a file without an entry.
  const given = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  for (const { entry, file } of given) {
    if (entry?.isDirectory) await walk(entry, entry.name);
    else if (file) found.push({ path: file.name, file });
  }
  return found;
}

/** The files as a zip without compression: code is small, and so nothing of it looks like a bomb. */
async function packed(code, said) {
  const parts = [];
  let failed = null;
  const zip = new Zip((error, piece) => {
    failed ??= error;
    if (piece) parts.push(piece);
  });
  for (const [at, { path, file }] of code.entries()) {
    said(at + 1);
    const entry = new ZipPassThrough(path);
    zip.add(entry);
    entry.push(new Uint8Array(await file.arrayBuffer()), true);
  }
  zip.end();
  if (failed) throw failed;
  return new Blob(parts, { type: "application/zip" });
}

customElements.define("code-drop", CodeDrop);
