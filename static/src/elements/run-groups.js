// A group of runs in a table, opened where it stands: its first runs below it, and a link to all of them.

const MOST = 25;

/** Show the runs of the group whose button was pressed, or put them away again. */
export async function fold(button, say) {
  const group = button.closest("tr");
  const open = button.ariaExpanded !== "true";
  button.ariaExpanded = String(open);
  if (!open) {
    while (group.nextElementSibling?.classList.contains("inside")) group.nextElementSibling.remove();
    return;
  }
  button.disabled = true;
  try {
    const answer = await fetch(new URL(button.dataset.expand, location.href), { headers: { "HX-Request": "true" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const heads = [...page.querySelectorAll("thead th")].map((one) => one.textContent.trim());
    group.after(...rows(page, heads, { query: button.dataset.expand, width: group.cells.length, all: say("all_runs") }));
  } finally {
    button.disabled = false;
    button.focus();
  }
}

function rows(page, heads, more) {
  // The group's own head lists the columns with numbers; a run has all of them, so its cells are found by their heads.
  const wanted = [...document.querySelectorAll("run-table thead th")].slice(2).map((one) => one.querySelector("a")?.textContent.trim() || "");
  const all = [...page.querySelectorAll("tbody[data-runs] > tr")];
  const made = all.slice(0, MOST).map((row) => {
    const line = document.createElement("tr");
    line.className = "inside";
    const cells = [...row.cells];
    const name = document.adoptNode(cells[1]);
    const status = cells.find((cell) => cell.querySelector(".pill"));
    line.append(name, status ? document.adoptNode(status) : document.createElement("td"));
    for (const head of wanted) {
      const cell = cells[heads.indexOf(head)];
      line.append(cell ? document.adoptNode(cell) : document.createElement("td"));
    }
    return line;
  });
  if (all.length > MOST) {
    const line = document.createElement("tr");
    const cell = document.createElement("td");
    const link = document.createElement("a");
    line.className = "inside";
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
