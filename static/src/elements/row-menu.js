// The menu of a row of runs: what the bar of the selection offers, where the pointer or the focus is.
import { pop } from "./popover.js";

/** Open it for a row that is selected, with all others that are, or for this row alone. */
export function open(table, row, at, say) {
  const menu = document.createElement("div");
  menu.className = "row-menu";
  const link = row.querySelector("a.name");
  const item = (text, act, href) => {
    const made = document.createElement(href ? "a" : "button");
    Object.assign(made, href ? { href } : { type: "button" });
    made.setAttribute("role", "menuitem");
    made.tabIndex = -1;
    made.textContent = text;
    made.addEventListener("click", () => {
      place.hidePopover();
      act?.();
    });
    menu.append(made);
    return made;
  };
  const line = () => menu.append(document.createElement("hr"));
  item(say("open"), null, link.href);
  item(say("open_tab"), null, link.href).target = "_blank";
  item(say("copy_id"), () => table.copy(row.id.slice(2)));
  const more = row.querySelector("[data-below]");
  if (more) item(say(more.ariaExpanded === "true" ? "fold" : "unfold"), () => more.click());
  const eye = row.querySelector("[data-eye]");
  if (eye) item(say(eye.ariaPressed === "true" ? "unseen" : "seen"), () => eye.click());
  line();
  for (const one of table.querySelectorAll("[data-bulk] > button, [data-bulk] > a")) {
    if ("clear" in one.dataset || "whole" in one.dataset) continue;
    if (one.matches("a[aria-disabled=true]")) continue;
    const made = item(one.textContent.trim(), () => one.click());
    if (one.matches(".d")) made.className = "bad-text";
  }
  line();
  for (const one of table.querySelectorAll("[data-bulk] form button")) item(say("file", { kind: one.textContent.trim() }), () => one.click());

  const label = say("menu_of", { name: link.title });
  const place = pop(at, menu, { label, role: "menu", back: link });
  const items = [...menu.querySelectorAll("[role=menuitem]")];
  const go = (to) => items[(to + items.length) % items.length].focus();
  place.addEventListener("keydown", (event) => {
    const now = items.indexOf(document.activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) go(to);
    else if (event.key === "Tab") place.hidePopover();
    else if (event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey) {
      const begins = (one) => one.textContent.toLowerCase().startsWith(event.key.toLowerCase());
      const next = [...items.slice(now + 1), ...items].find(begins);
      next?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  go(0);
}
