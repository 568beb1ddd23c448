// The frame's behaviour: drawer, menus, dialogs, forms that send when a choice changes.
import { dialog, leave, show } from "./dialogs.js";

const side = () => document.getElementById("side");

document.addEventListener("click", (event) => {
  const at = event.target.closest("[data-dialog],[data-close],[data-drawer],[data-fold]");
  if (at?.dataset.dialog) {
    event.preventDefault();
    const found = dialog(at.dataset.dialog);
    // A dialog gives the focus back to what had it, unless that is hidden by then.
    leave(at).focus();
    if (found) show(found);
  } else if (at && "close" in at.dataset) {
    at.closest("dialog")?.close();
  } else if (at && "drawer" in at.dataset) {
    const open = side().classList.toggle("open");
    at.setAttribute("aria-expanded", String(open));
  } else if (side()?.classList.contains("open") && !event.target.closest("#side")) {
    side().classList.remove("open");
    document.querySelector("[data-drawer]")?.setAttribute("aria-expanded", "false");
  }
  for (const menu of document.querySelectorAll("details.ws[open],details.avatar[open],details.drop[open]"))
    if (!menu.contains(event.target)) menu.open = false;
  if (event.target.matches("dialog")) event.target.close(); // a click on the backdrop
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  side()?.classList.remove("open");
  for (const menu of document.querySelectorAll("details.ws[open],details.avatar[open],details.drop[open]")) menu.open = false;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
});

// A second click on a slow network must not send twice.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method === "dialog") return;
  const button = event.submitter;
  if (button && event.target.method === "post") setTimeout(() => (button.disabled = true));
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[type=submit]:disabled")) button.disabled = false;
});

// Where the row of tabs is wider than the screen, the present one is in sight.
for (const tabs of document.querySelectorAll("nav.tabs")) {
  const now = tabs.querySelector("[aria-current]");
  if (now) tabs.scrollLeft = now.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - now.offsetWidth) / 2;
}

// Of the end of a log the last lines say most.
const toEnd = (root) => {
  for (const text of root.querySelectorAll("pre.tail")) text.scrollTop = text.scrollHeight;
};
toEnd(document);
document.addEventListener("toggle", ({ target }) => target.matches?.("details[open]") && toEnd(target), true);

// What a reader opened stays open, where they were in it, while its part of the page is read anew.
const kept = new Map();
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target } = event;
  if (target.querySelector("dialog[open]")) return event.preventDefault(); // it is read anew when that is answered
  for (const one of target.querySelectorAll("details[id][open]")) kept.set(one.id, one.querySelector("pre")?.scrollTop ?? 0);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const [id, place] of kept) {
    const one = document.getElementById(id);
    const text = one?.querySelector("pre");
    if (one) one.open = true;
    // The opening itself goes to the end, a moment later.
    if (text) setTimeout(() => (text.scrollTop = place));
  }
  kept.clear();
});

// A dialog whose form was refused opens again with what was wrong.
const refused = document.querySelector("dialog[data-open]");
if (refused) show(refused);
