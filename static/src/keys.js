// Keys of the pages. Never caught while somebody types.
import { dialog } from "./dialogs.js";

const typing = (node) => node.closest?.("input,textarea,select,[contenteditable]");
let going = 0;

function rows() {
  return [...document.querySelectorAll("main table[data-rows] tbody tr:not([hidden])")];
}

function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => "at" in row.dataset);
  const next = Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by));
  if (at >= 0) delete all[at].dataset.at;
  all[next].dataset.at = "";
  all[next].scrollIntoView({ block: "nearest" });
  all[next].querySelector("a")?.focus();
}

function go(key) {
  document.querySelector(`[data-go="${key}"]`)?.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open], :popover-open")) return;
  if (Date.now() - going < 1200) {
    going = 0;
    return go(event.key);
  }
  if (event.key === "g") going = Date.now();
  else if (event.key === "/") {
    const box = [...document.querySelectorAll("input[type=search]")].find((one) => one.getClientRects().length);
    if (box) {
      event.preventDefault();
      box.focus();
    }
  } else if (event.key === "?") dialog("keys")?.showModal();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
});
