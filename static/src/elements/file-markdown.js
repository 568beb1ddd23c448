// A file in Markdown as the studio renders it, which leaves no tag of its writer in it, and its source beside that.
import { ask, say } from "../wire.js";
import { showText } from "./file-text.js";

/** `opened` is told of the view of lines when the source is first looked at. */
export async function showMarkdown(place, file, opened) {
  const bar = document.createElement("div");
  bar.className = "file-note row switch";
  bar.setAttribute("role", "group");
  bar.setAttribute("aria-label", say("shownas"));
  const pane = document.createElement("div");
  pane.className = "file-rendered";
  pane.tabIndex = 0;
  const source = document.createElement("div");
  const ways = {
    rendered: () => draw(pane, file),
    source: () => source.childElementCount || opened(showText(source, file)),
  };
  const choose = async (way) => {
    for (const one of bar.children) one.setAttribute("aria-pressed", String(one.dataset.way === way));
    pane.hidden = way !== "rendered";
    source.hidden = way !== "source";
    await ways[way]();
  };
  for (const way of Object.keys(ways)) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn s", textContent: say(way) });
    button.dataset.way = way;
    button.addEventListener("click", () => choose(way).catch((error) => pane.replaceChildren(note(error.message))));
    bar.append(button);
  }
  place.append(bar, pane, source);
  // A link to a line, or a search that stands in the address, is about the source.
  const asked = new URLSearchParams(location.search);
  await choose(location.hash.startsWith("#L") || asked.has("find") || asked.has("line") ? "source" : "rendered");
}

/** Read anew each time: a run may still write it. */
async function draw(pane, file) {
  const told = await ask("GET", `${file.api}/rendered/${file.way}`);
  const prose = document.createElement("article");
  prose.className = "prose";
  prose.append(...new DOMParser().parseFromString(told.html, "text/html").body.childNodes);
  if (!prose.childNodes.length) prose.append(note(say("emptyfile")));
  pane.replaceChildren(prose);
  if (told.cut) pane.append(note(say("markdowncut")));
}
function note(text) {
  return Object.assign(document.createElement("p"), { className: "file-note", textContent: text });
}
