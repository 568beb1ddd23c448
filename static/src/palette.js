// ⌘K: find a run, model, dataset, endpoint or experiment by its name.
import { ask, say } from "./wire.js";

const dialog = document.getElementById("palette");
const box = dialog?.querySelector("input");
const list = dialog?.querySelector("ul");
let asked = 0;

function open() {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  box.select();
  find();
}

function show(found) {
  list.replaceChildren();
  for (const one of found) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const name = document.createElement("span");
    const kind = document.createElement("span");
    link.href = one.url;
    link.setAttribute("role", "option");
    name.textContent = one.name;
    kind.textContent = one.kind;
    kind.className = "quiet";
    link.append(name, kind);
    item.append(link);
    list.append(item);
  }
  if (!found.length) {
    const none = document.createElement("li");
    none.className = "quiet";
    none.textContent = say("nothing");
    list.append(none);
  }
  choose(0);
}

function choose(to) {
  const all = [...list.querySelectorAll("a")];
  for (const [at, link] of all.entries()) link.setAttribute("aria-selected", String(at === to));
  all[to]?.scrollIntoView({ block: "nearest" });
}

async function find() {
  asked += 1;
  const mine = asked;
  try {
    const { found } = await ask("GET", `${dialog.dataset.url}?q=${encodeURIComponent(box.value)}`);
    if (mine === asked) show(found);
  } catch (error) {
    if (mine === asked) list.textContent = error.message;
  }
}

if (dialog) {
  const key = document.querySelector("[data-find-key]");
  if (key && /^Mac|iP/.test(navigator.platform)) key.textContent = "⌘K";
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "k") {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener("click", (event) => event.target.closest("[data-find]") && open());
  let wait = 0;
  box.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(find, 120);
  });
  box.addEventListener("keydown", (event) => {
    const all = [...list.querySelectorAll("a")];
    const at = all.findIndex((link) => link.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose((at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      all[at]?.click();
    }
  });
}
