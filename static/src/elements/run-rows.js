// Rows of a table that say something else now: only what differs is replaced, so that focus, scroll and clocks stay.

const MARKS = ["data-v", "data-goes", "data-pin", "data-baseline"];

/** Let a table say what the page says that was read anew; false when that has none. */
export function patch(table, fresh, typing) {
  const [old, now] = [table.querySelector("#table"), fresh.getElementById("table")];
  if (!now) return false;
  const head = (root) => root.querySelector("thead")?.dataset.v;
  if (head(old) === undefined || head(old) !== head(now) || !old.querySelector("tbody[data-runs]") || !now.querySelector("tbody[data-runs]")) {
    // Groups, the first run of all, none any more: nothing in it is worth keeping.
    if (head(old) === undefined && head(now) !== undefined) {
      if (!typing) location.reload(); // what somebody types is worth more than being prompt
    } else if ((!old.contains(document.activeElement) && !old.querySelector('[data-expand][aria-expanded="true"]')) || head(now) === undefined) old.replaceWith(document.adoptNode(now));
  } else replace(old.querySelector("tbody[data-runs]"), now.querySelector("tbody[data-runs]"));
  for (const name of ["count", "pages"]) {
    const [was, is] = [table.querySelector(`[data-part=${name}]`), fresh.querySelector(`[data-part=${name}]`)];
    if (was && is && !was.contains(document.activeElement) && !was.isEqualNode(is)) was.replaceWith(document.adoptNode(is));
  }
  return true;
}

/** Let a body have the rows of a newer one; rows that were opened below others stay where they are. */
function replace(was, now) {
  const held = new Map([...was.rows].map((row) => [row.id, row]));
  const rows = [...now.rows].flatMap((row) => {
    const same = held.get(row.id);
    const below = same ? opened(same) : [];
    if (same && same.dataset.v !== row.dataset.v) mend(same, row);
    return [same || document.adoptNode(row), ...below];
  });
  const focused = document.activeElement;
  for (const [place, row] of rows.entries()) if (was.rows[place] !== row) was.insertBefore(row, was.rows[place] || null);
  while (was.rows.length > rows.length) was.lastElementChild.remove();
  // A row that has moved has lost the focus.
  if (focused !== document.activeElement && was.contains(focused)) focused.focus({ preventScroll: true });
}

function opened(row) {
  const found = [];
  for (let next = row.nextElementSibling; next?.dataset.depth; next = next.nextElementSibling) found.push(next);
  return found;
}

/** Let a row say what a newer one says, cell by cell: what is equal stays, with its focus and its clocks. */
function mend(row, newer) {
  for (const name of MARKS) {
    if (newer.hasAttribute(name)) row.setAttribute(name, newer.getAttribute(name));
    else row.removeAttribute(name);
  }
  const fold = newer.querySelector("[data-below]");
  if (fold) fold.ariaExpanded = row.querySelector("[data-below]")?.ariaExpanded || "false";
  const fresh = [...newer.cells];
  for (const [at, cell] of [...row.cells].entries()) {
    // The first one is the box, which is the reader's own.
    if (at && !alike(cell, fresh[at])) cell.replaceWith(document.adoptNode(fresh[at]));
  }
}

function alike(cell, other) {
  const [inner, newer] = [cell.firstElementChild, other.firstElementChild];
  if (!inner?.localName.includes("-")) return cell.isEqualNode(other);
  // Clocks write their own text.
  return inner.localName === newer?.localName && ["at", "since", "until"].every((name) => inner.getAttribute(name) === newer.getAttribute(name));
}
