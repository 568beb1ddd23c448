// A file of text in the page's one viewer of lines (log-view.js), with the bar that a log has.
import { isWritten, languageOf } from "./file-kinds.js";

const TEXT = ["lines", "search"];

/** Show a file of text in `place`. It is read by windows from the studio and follows a file that still grows. */
export function showText(place, file) {
  const bar = document.querySelector("template[data-text-bar]").content.cloneNode(true);
  const view = document.createElement("log-view");
  for (const name of TEXT) view.setAttribute(name, `${file.api}/text/${name}/${file.way}`);
  view.setAttribute("file", file.path);
  view.setAttribute("following", "");
  const language = languageOf(file.path);
  if (language) view.setAttribute("language", language);
  // What a program writes on and on is read from its end, all else from its beginning.
  if (!isWritten(file.path)) {
    view.setAttribute("from", "start");
    for (const name of ["error", "newest"]) bar.querySelector(`[data-${name}]`).remove();
  }
  place.append(bar, view);
  return view;
}
