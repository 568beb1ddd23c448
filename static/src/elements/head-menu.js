// The menu below the head of a column of runs: its order, its filter, its width. The studio writes it (runs/head.html).
import { pop, put } from "./popover.js";

/** Open it for the button in a head; `columns` has the widths. */
export async function open(table, button, columns) {
  const head = button.closest("th");
  const asked = new URLSearchParams(location.search);
  for (const word of ["after", "before", "selected"]) asked.delete(word);
  asked.set("column", head.dataset.column);
  asked.set("shown", table.querySelector("thead").dataset.columns || "");
  if (table.dataset.experiment) asked.set("experiment", table.dataset.experiment);
  const content = document.createElement("div");
  content.className = "pop-wait";
  const place = pop(button, content, { label: button.ariaLabel, back: button });
  button.ariaExpanded = "true";
  place.addEventListener("toggle", (event) => event.newState === "closed" && (button.ariaExpanded = "false"));
  try {
    const answer = await fetch(`${table.dataset.head}?${asked}`, { headers: { "HX-Request": "true" } });
    const told = new DOMParser().parseFromString(await answer.text(), "text/html");
    const menu = told.querySelector(".head-menu");
    if (!menu) throw new Error(told.querySelector("[role=alert], h1, pre, body")?.textContent.trim().slice(0, 300));
    content.replaceWith(document.adoptNode(menu));
    ready(place, menu, head, columns);
    put(place, button);
  } catch (error) {
    content.className = "head-menu bad-text";
    content.textContent = error.message;
  }
}

function ready(place, menu, head, columns) {
  const find = menu.querySelector("[data-find]");
  find?.addEventListener("input", () => {
    const text = find.value.toLowerCase();
    for (const label of menu.querySelectorAll("label.check")) label.hidden = !label.textContent.toLowerCase().includes(text);
  });
  menu.querySelector("[data-empty]")?.addEventListener("click", () => {
    for (const box of menu.querySelectorAll("input:not([type=hidden])")) {
      if (box.type === "checkbox") box.checked = false;
      else box.value = "";
    }
  });
  menu.querySelector("form")?.addEventListener("submit", ({ target }) => {
    // What says nothing is no word of an address.
    for (const box of target.elements) if (box.name && !box.value && box.name !== "view") box.disabled = true;
  });
  menu.querySelector("[data-fit]").addEventListener("click", () => {
    place.hidePopover();
    columns.fit(head);
  });
  menu.querySelector("[data-widen]").addEventListener("click", () => {
    place.hidePopover();
    head.querySelector(".grip").focus();
  });
  (find || menu.querySelector("form input:not([type=hidden])") || menu.querySelector("a,button")).focus();
}
