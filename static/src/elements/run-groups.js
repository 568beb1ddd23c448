// A group of runs in a table, opened where it stands: the groups of the next level, or its first runs and a link to all.

const MOST = 25;

/** Show what is in the group whose button was pressed, or put it away again. */
export async function fold(button, say) {
  const group = button.closest("tr");
  const open = button.ariaExpanded !== "true";
  button.ariaExpanded = String(open);
  if (!open) {
    while (depth(group.nextElementSibling) > depth(group)) group.nextElementSibling.remove();
    return;
  }
  button.disabled = true;
  try {
    const answer = await fetch(new URL(button.dataset.expand, location.href), { headers: { "HX-Request": "true" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = [...page.querySelectorAll("tbody > tr.group")].map((row) => document.adoptNode(row));
    const made = next.length ? next : rows(page, { query: button.dataset.expand, width: group.cells.length, all: say("all_runs") });
    const deep = depth(group) + 1;
    for (const line of made) {
      line.dataset.depth = deep;
      // A dot is the colour of a line of the charts, which draw the groups of the first level.
      if (next.length) line.cells[0].className = "";
      line.classList.add(`in-${Math.min(deep, 4)}`);
    }
    group.after(...made);
  } catch {
    button.ariaExpanded = "false"; // the studio is away: another press asks again
  } finally {
    button.disabled = false;
    button.focus();
  }
}

const depth = (row) => Number(row ? row.dataset.depth || 0 : -1);

function rows(page, more) {
  // The group's own head lists the columns with numbers; a run has all of them, so its cells are found by their heads.
  const heads = [...page.querySelectorAll("thead th")].map((one) => one.dataset.column);
  const wanted = [...document.querySelectorAll("run-table thead th")].slice(2).map((one) => one.dataset.column);
  const all = [...page.querySelectorAll("tbody[data-runs] > tr")];
  const made = all.slice(0, MOST).map((row) => {
    const line = document.createElement("tr");
    line.className = "inside";
    const cells = [...row.cells];
    const name = document.adoptNode(cells[1]);
    name.querySelector("[data-below]")?.remove();
    const status = cells.find((cell) => cell.querySelector(".pill"));
    line.append(name, status ? document.adoptNode(status) : document.createElement("td"));
    for (const column of wanted) {
      const cell = cells[heads.indexOf(column)];
      line.append(cell ? document.adoptNode(cell) : document.createElement("td"));
    }
    return line;
  });
  if (all.length > MOST || page.querySelector("[data-part=pages] a")) {
    const line = document.createElement("tr");
    const cell = document.createElement("td");
    const link = document.createElement("a");
    line.className = "inside whole";
    cell.colSpan = more.width;
    link.className = "link";
    link.href = more.query;
    link.textContent = more.all;
    cell.append(link);
    line.append(cell);
    made.push(line);
  }
  return made;
}
