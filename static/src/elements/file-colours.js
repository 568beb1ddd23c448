// Code as text with colours: comments, texts, numbers and words of common languages, line by line, and nodes only.

const LONGEST = 10_000;

const WORDS = {
  python: "and as assert async await break class continue def del elif else except False finally for from global if import in is lambda None nonlocal not or pass raise return True try while with yield then fi do done function echo export local end",
  script: "async await break case catch class const continue default delete do else enum export extends false final finally fn for from func function if impl import in interface let match mod mut new nil null package private protected pub public return self static struct super switch this throw throws trait true try type typeof undefined use var void while yield int float double bool char long",
  sql: "select from where and or not in as on join left right inner outer group by order having limit offset insert into values update set delete create table drop alter null is like between distinct union all case when then else end",
  marks: "true false null yes no on off",
};
const PATTERNS = {
  python: /(#.*$)|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b/g,
  script: /(\/\/.*$|\/\*.*?(?:\*\/|$))|("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`)|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b/g,
  sql: /(--.*$)|("(?:\\.|[^"\\])*"|'(?:''|[^'])*')|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b/g,
  marks: /((?:^|\s)#.*$)|("(?:\\.|[^"\\])*"|'(?:''|[^'])*')|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b/g,
};
const SETS = Object.fromEntries(Object.entries(WORDS).map(([name, words]) => [name, new Set(words.split(" "))]));
const CLASSES = ["", "t-note", "t-text", "t-number"];

/** A line as nodes: comments, texts, numbers and words of the language have a colour. Line by line, which is light. */
export function coloured(place, text, language) {
  if (language === "diff") {
    const part = document.createElement("span");
    part.textContent = text;
    part.className = { "+": "t-new", "-": "t-old", "@": "t-note" }[text[0]] || "";
    place.append(part);
    return;
  }
  const pattern = PATTERNS[language];
  if (!pattern || text.length > 2000) {
    place.append(text);
    return;
  }
  let at = 0;
  for (const found of text.matchAll(pattern)) {
    const group = found.slice(1).findIndex((one) => one !== undefined) + 1;
    const word = group === 4;
    if (word && !SETS[language].has(language === "sql" ? found[0].toLowerCase() : found[0])) continue;
    const part = document.createElement("span");
    part.className = word ? "t-word" : CLASSES[group];
    part.textContent = found[0];
    place.append(text.slice(at, found.index), part);
    at = found.index + found[0].length;
  }
  place.append(text.slice(at));
}

/** Rows with numbers. */
export function code(text, language, first = 1) {
  const rows = document.createElement("div");
  rows.className = "code";
  text.split("\n").forEach((line, at) => rows.append(row(first + at, line, language)));
  return rows;
}
function row(number, text, language) {
  const line = document.createElement("div");
  const mark = document.createElement("b");
  mark.textContent = number;
  const said = document.createElement("span");
  coloured(said, text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text, language);
  line.append(mark, said);
  return line;
}
