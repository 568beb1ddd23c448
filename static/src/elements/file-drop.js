// <file-drop ws done>: hashes files here, sends only what the studio lacks, registers the version.
import { ask, bytes, say, send } from "../wire.js";

const ASK = 2000; // hashes of one question

async function sha256(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((one) => one.toString(16).padStart(2, "0")).join("");
}

class FileDrop extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.note = this.querySelector("[data-note]");
    this.bar = this.querySelector("progress");
    const input = this.querySelector("input[type=file]");
    if (!globalThis.crypto?.subtle) {
      this.note.textContent = say("insecure");
      input.disabled = true;
      return;
    }
    this.files = [];
    input.addEventListener("change", () => this.choose([...input.files]));
    this.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.classList.add("over");
    });
    this.addEventListener("dragleave", () => this.classList.remove("over"));
    this.addEventListener("drop", (event) => {
      event.preventDefault();
      this.classList.remove("over");
      this.choose([...event.dataTransfer.files]);
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send().catch((error) => this.say(`${error.message} ${error.hint || ""}`, true));
    });
  }
  choose(files) {
    this.files = files;
    this.say(say(files.length === 1 ? "chosen1" : "chosen", { count: files.length, size: bytes(files.reduce((sum, file) => sum + file.size, 0)) }));
  }
  say(text, bad = false) {
    this.note.textContent = text;
    this.note.classList.toggle("bad-text", bad);
  }
  async send() {
    const name = this.form.elements.name.value.trim();
    if (!name || !this.files.length) return this.say(say("choosefirst"), true);
    const api = `/api/v1/workspaces/${this.getAttribute("ws")}`;
    this.bar.hidden = false;
    const button = this.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      const known = [];
      for (const [at, file] of this.files.entries()) {
        this.say(say("hashing", { at: at + 1, count: this.files.length }));
        known.push({ file, path: file.webkitRelativePath || file.name, sha256: await sha256(file), size: file.size });
      }
      await this.upload(api, known);
      const description = this.form.elements.description?.value || "";
      const files = known.map(({ path, sha256: digest, size }) => ({ path, sha256: digest, size }));
      // A file that was chosen by itself, and not a folder that happens to hold one.
      const single_file = known.length === 1 && !known[0].file.webkitRelativePath;
      await ask("POST", `${api}/datasets`, { name, description, files, single_file });
      location.href = this.getAttribute("done").replace("NAME", encodeURIComponent(name));
    } finally {
      button.disabled = false;
      this.bar.hidden = true;
    }
  }
  async upload(api, known) {
    const missing = new Set();
    for (let at = 0; at < known.length; at += ASK) {
      const part = known.slice(at, at + ASK).map((one) => one.sha256);
      for (const one of (await ask("POST", `${api}/blobs/missing`, { sha256: part })).missing) missing.add(one);
    }
    const wanted = known.filter((one) => missing.delete(one.sha256));
    const total = wanted.reduce((sum, one) => sum + one.size, 0) || 1;
    let sent = 0;
    this.bar.max = total;
    for (const one of wanted) {
      await send("PUT", `${api}/blobs/${one.sha256}`, one.file, (moved) => {
        this.bar.value = sent + moved;
        this.say(say("sending", { done: bytes(sent + moved), size: bytes(total) }));
      });
      sent += one.size;
    }
  }
}
customElements.define("file-drop", FileDrop);
