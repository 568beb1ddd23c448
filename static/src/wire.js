// The one way the pages speak with the JSON door.

const words = JSON.parse(document.getElementById("words")?.textContent || "{}");

/** A sentence of the page's language; the template lists them. */
export const say = (key, facts = {}) =>
  (words[key] || key).replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);

const csrf = () => document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] || "";

/** What the studio refused, with its sentence and its hint. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message || say("refused", { status }));
    this.status = status;
    this.hint = error?.hint || "";
  }
}

export async function ask(method, url, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrf();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, told.error);
  }
  return answer.status === 204 ? null : answer.json();
}

/** Send bytes and report how many of them left; fetch cannot. Gives the answer's JSON, null without one. */
export function send(method, url, blob, moved) {
  return new Promise((resolve, reject) => {
    const wire = new XMLHttpRequest();
    wire.open(method, url);
    wire.setRequestHeader("X-CSRFToken", csrf());
    wire.setRequestHeader("Content-Type", "application/octet-stream");
    wire.upload.onprogress = (event) => moved(event.loaded);
    wire.onerror = () => reject(new Error(say("away")));
    wire.onload = () => {
      let told = null;
      try {
        told = JSON.parse(wire.responseText);
      } catch {
        // Nothing, or a proxy's page; the status says enough.
      }
      if (wire.status < 300) return resolve(told);
      return reject(new Refused(wire.status, told?.error));
    };
    wire.send(blob);
  });
}

export function toast(text) {
  const note = document.createElement("div");
  note.className = "toast";
  note.setAttribute("role", "status");
  note.textContent = text;
  document.body.append(note);
  setTimeout(() => note.remove(), 2600);
}

export const socketUrl = (path) => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;

export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  for (; size >= 1000 && step < 4; step += 1) size /= 1000;
  return `${step && size < 100 ? size.toFixed(1) : Math.round(size)} ${units[step]}`;
}
