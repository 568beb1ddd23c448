// The dialogs of a page by their ids. Those that wait in a <template> (<c-dialog later>) come out when they are wanted:
// until then their elements are none of the page's.

/** The dialog of this id, null when the page has none. */
export function dialog(id) {
  const held = document.querySelector(`template[data-dialog-held="${id}"]`);
  held?.replaceWith(held.content);
  return document.getElementById(id);
}
