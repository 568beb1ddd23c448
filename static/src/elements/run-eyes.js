// Which runs of a table its charts draw: the eyes of its rows.
import * as eyes from "../series/eyes.js";
import { page } from "../series/settings.js";

const idOf = (row) => row.id.slice(2);

/** Nobody said which: those that are selected, if there are any. */
export const governed = (table) => table.chosen.size > 0 && !eyes.write(page.eyes) && table.rows.some((row) => table.chosen.has(idOf(row)));

/** The runs that charts may draw, in their order: [{id, name, colour, going}]. */
export function drawable(table) {
  const rows = governed(table) ? table.rows.filter((row) => table.chosen.has(idOf(row))) : table.rows;
  return rows.map((row) => ({
    id: idOf(row),
    name: row.querySelector("a.name").title,
    colour: Number(row.querySelector("td.first").className.match(/dot-(\d)/)[1]),
    going: row.hasAttribute("data-goes"),
  }));
}

/** Let the eyes say what is drawn. */
export function paint(table) {
  const seen = new Set(drawable(table).filter((run, at) => page.sees({ ...run, at })).map((run) => run.id));
  for (const row of table.rows) row.querySelector("[data-eye]").ariaPressed = String(seen.has(idOf(row)));
}

/** An eye was pressed. */
export function see(table, button) {
  const on = button.ariaPressed !== "true";
  if (governed(table)) {
    const chosen = [...table.chosen.keys()];
    page.look("none");
    page.chooseAll(chosen, true);
  }
  page.choose(idOf(button.closest("tr")), on);
}
