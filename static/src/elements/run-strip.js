// The charts above a table of runs: the metrics that it shows, of the selected runs, else of the newest on the page.

const NEWEST = 10;
const KEPT = "runs strip";
const NARROW = 760;

/** Fill the strip when it is open; who folded it finds it folded. */
export function strip(table, say) {
  const fold = table.querySelector("details[data-strip]");
  if (!fold) return;
  const place = fold.querySelector("[data-charts]");
  const metrics = JSON.parse(fold.dataset.metrics);
  const draw = () => {
    if (!fold.open) return;
    const runs = chosen(table);
    const said = JSON.stringify(runs);
    fold.querySelector("[data-whose]").textContent = table.chosen.size ? say("many", { count: runs.length }) : "";
    if (!place.children.length) place.append(...metrics.map((metric) => chart(table.dataset.ws, metric, said)));
    for (const one of place.querySelectorAll("series-chart")) if (one.getAttribute("runs") !== said) one.setAttribute("runs", said);
  };
  let waiting = 0;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, 250);
  };
  fold.addEventListener("toggle", () => {
    localStorage.setItem(KEPT, fold.open ? "open" : "folded");
    draw();
  });
  table.addEventListener("runs-selected", soon);
  table.addEventListener("runs-read", soon);
  const kept = localStorage.getItem(KEPT);
  fold.open = kept ? kept === "open" : innerWidth > NARROW;
}

function chosen(table) {
  const rows = table.rows.map((row) => ({
    id: row.id.slice(2),
    name: row.querySelector("a.name").title,
    colour: Number(row.querySelector("td.first").className.match(/dot-(\d)/)[1]),
  }));
  const selected = rows.filter((row) => table.chosen.has(row.id));
  return selected.length ? selected : rows.slice(0, NEWEST);
}

function chart(ws, metric, runs) {
  const card = document.createElement("section");
  const drawn = document.createElement("series-chart");
  card.className = "card";
  drawn.setAttribute("ws", ws);
  drawn.setAttribute("metric", metric);
  drawn.setAttribute("runs", runs);
  drawn.setAttribute("height", "140");
  card.append(drawn);
  return card;
}
