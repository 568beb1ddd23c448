// The dialogs of a page by their ids. Those that wait in a <template> (<c-dialog later>) come out when they are wanted:
// until then their elements are none of the page's.

/** The dialog of this id, null when the page has none. */
export function dialog(id) {
  const held = document.querySelector(`template[data-dialog-held="${id}"]`);
  held?.replaceWith(held.content);
  return document.getElementById(id);
}

const FIELD = ".body :is(input:not([type=hidden]), select, textarea):not(:disabled)";

/** Open it with the focus where somebody goes on: what is wrong, its first field, else the answer that changes nothing. */
export function show(one) {
  one.showModal();
  const [wrong, first, last] = [`${FIELD}[aria-invalid="true"]`, FIELD, "[data-keep], .end [data-close]"];
  (one.querySelector(wrong) || one.querySelector(first) || one.querySelector(last))?.focus();
}

/** Close the menu that `at` stands in. Returns what has the focus when all is over: the menu's button, else `at`. */
export function leave(at) {
  const menu = at.closest("details:is(.more, .drop)");
  if (!menu) return at;
  menu.open = false;
  return menu.querySelector("summary");
}
