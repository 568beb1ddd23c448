// Which charts somebody put where: a word of the address, so that links, views and reports have it, and beside it in this
// browser, so that who comes back to the experiment without such an address finds what they left.

/** Put what was kept under `key` into an address that does not say. One of a saved view says all there is to say. */
export function recall(word, key) {
  const asked = new URLSearchParams(location.search);
  const kept = key && !asked.has(word) && !asked.has("view") && stored((held) => held.getItem(`${word} ${key}`));
  if (typeof kept === "string") write(word, kept, asked);
}

/** Let the address say it, and keep it; null takes both back. */
export function keep(word, key, value) {
  write(word, value, new URLSearchParams(location.search));
  if (key) stored((held) => (value === null ? held.removeItem(`${word} ${key}`) : held.setItem(`${word} ${key}`, value)));
}

function write(word, value, asked) {
  if (value === null) asked.delete(word);
  else asked.set(word, value);
  history.replaceState(history.state, "", `${location.pathname}${String(asked) ? `?${asked}` : ""}${location.hash}`);
}

function stored(act) {
  try {
    return act(localStorage);
  } catch {
    return null; // the browser keeps nothing, or has no room: the address is enough
  }
}
