// What a search through lines asks, what it found as a list, and how many that are: for one log or file, and for many logs.
import { say } from "../wire.js";

/** The words of the form, as the studio takes them. */
export const wordsOf = (form) => ({ q: form.find.value, case: form.case.checked ? "1" : "0", regex: form.regex.checked ? "1" : "0" });

/** A hit as an item of a list: a link to its line, with what stands around it; `before` comes first. */
export function hitItem(hit, href, ...before) {
  const item = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href });
  const number = Object.assign(document.createElement("b"), { textContent: hit.line });
  const mark = Object.assign(document.createElement("mark"), { textContent: hit.text.slice(hit.start, hit.end) });
  const text = document.createElement("span");
  text.append(hit.text.slice(0, hit.start), mark, hit.text.slice(hit.end));
  link.append(...before, number, text);
  item.append(link);
  return item;
}

/** How many lines hold the text, in words; `at` is the index of the one that is shown, -1 for none. */
export function tally({ count, whole, next }, at = -1) {
  const facts = { at: (at + 1).toLocaleString(), count: count.toLocaleString() };
  if (!count) return say(whole ? "nohits" : next ? "nohitsgoon" : "nohitsyet");
  if (at < 0) return say(whole ? "hits" : "hitsatleast", facts);
  return say(whole ? "hitof" : "hitofatleast", facts);
}
