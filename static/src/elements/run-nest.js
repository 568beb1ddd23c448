// The runs below a run, opened where it stands in a table; they are read anew whenever the table is.

const MOST = 50;

/** Open or close what is below the run of the button. */
export async function nest(table, button) {
  const row = button.closest("tr");
  const open = button.ariaExpanded !== "true";
  button.ariaExpanded = String(open);
  if (!open) return close(table, row);
  table.opened.add(row.id);
  await fill(table, row);
  return button.focus({ preventScroll: true });
}

/** After the rows were read anew: those that were opened are still. */
export async function again(table) {
  for (const id of [...table.opened]) {
    const row = table.querySelector(`#${CSS.escape(id)}`);
    if (!row?.querySelector("[data-below]")) {
      table.opened.delete(id);
      continue;
    }
    row.querySelector("[data-below]").ariaExpanded = "true";
    await fill(table, row);
  }
}

function close(table, row) {
  table.opened.delete(row.id);
  for (const one of inside(row)) {
    table.opened.delete(one.id);
    one.remove();
  }
}

const depth = (row) => Number(row.dataset.depth || 0);

/** The rows that stand below a row because it is open. */
function inside(row) {
  const found = [];
  for (let next = row.nextElementSibling; next && depth(next) > depth(row); next = next.nextElementSibling) found.push(next);
  return found;
}

async function fill(table, row) {
  const url = new URL(table.dataset.all, location.href);
  const run = row.id.replace(/^(r|b)-/, "");
  const archived = new URLSearchParams(location.search).get("archived");
  url.search = new URLSearchParams({ filter: `parent = '${run}'`, columns: table.querySelector("thead").dataset.columns, order_by: "number asc", ...(archived ? { archived } : {}) });
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  if (!answer.ok || !table.opened.has(row.id)) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = [...page.querySelectorAll("tbody[data-runs] > tr")].slice(0, MOST);
  const held = new Map(inside(row).filter((one) => depth(one) === depth(row) + 1).map((one) => [one.id, one]));
  const nested = new URLSearchParams(location.search).get("nest") === "1";
  let after = row;
  for (const one of fresh) {
    const line = document.adoptNode(one);
    // Where the page lists runs below others, too, they stand here a second time: then they are rows of the page there.
    if (!nested) line.id = line.id.replace("r-", "b-");
    line.dataset.depth = depth(row) + 1;
    line.classList.add("below", `in-${Math.min(4, depth(row) + 1)}`);
    for (const name of ["data-pin", "data-baseline"]) line.removeAttribute(name);
    if (!nested) line.cells[0].replaceChildren();
    const before = held.get(line.id);
    held.delete(line.id);
    const same = before?.dataset.v === line.dataset.v;
    if (before && !same) before.replaceWith(line);
    const placed = same ? before : line;
    if (after.nextElementSibling !== placed && !before) after.after(placed);
    after = [placed, ...inside(placed)].at(-1);
  }
  for (const one of held.values()) {
    close(table, one);
    one.remove();
  }
  table.paint();
}
