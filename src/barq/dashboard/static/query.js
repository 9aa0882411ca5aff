// The query as a person types it: words, and `name:value` with the value in quotes where it has spaces.

import { quoted } from "./format.js";

const TOKEN = /(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g;

export const NAMES = {
  state: "waiting, active, failed …",
  type: "the name of a type",
  error: "the class of the last error",
  message: "a word of its message",
  place: "app.py:12, where it was raised",
  title: "a word of the title",
  priority: "<0, >0, a number",
  age: ">1h, <10m, >7d, since it was stored",
  ended: ">1d, since it ended",
  id: "7, or 7,8",
  data: "a text anywhere in the data",
};

export const tokens = (q) => q.match(TOKEN) || [];

export function value(q, name) {
  const found = tokens(q).find((token) => token.startsWith(`${name}:`));
  if (found === undefined) return "";
  const word = found.slice(name.length + 1);
  return word.startsWith('"') ? word.replace(/^"|"$/g, "").replace(/\\(.)/g, "$1") : word;
}

/** The query with `name:word` in place of what it said of `name`; without it when the word is empty. */
export function replaced(q, name, word) {
  const rest = tokens(q).filter((token) => !token.startsWith(`${name}:`));
  return [...(word ? [`${name}:${quoted(word)}`] : []), ...rest].join(" ");
}

/** Whether it says anything but states and one type. */
export const searches = (q) => tokens(q).some((token) => !/^state:|^type:[^,*]*$/.test(token));

/** What could stand where one is typing: whole queries, best first. */
export function suggestions(q, live) {
  const list = tokens(q);
  const last = /\s$/.test(q) || !list.length ? "" : list.at(-1);
  const before = last ? q.slice(0, q.length - last.length) : q;
  const [, name, begun] = last.match(/^(\w+):(.*)$/) || [];
  const found =
    name === undefined
      ? namesLike(last, live)
      : valuesOf(name, live)
          .filter((word) => like(word, begun.replace(/"/g, "")))
          .map((word) => ({ text: `${name}:${quoted(word)}`, words: "" }));
  return found.slice(0, 8).map(({ text, words }) => ({ text: before + text, shown: text, words }));
}

const like = (word, begun) => word.toLowerCase().includes(begun.toLowerCase()) && word !== begun;

function namesLike(begun, live) {
  const names = Object.entries(NAMES)
    .filter(([name]) => name.startsWith(begun))
    .map(([name, words]) => ({ text: `${name}:`, words }));
  if (!begun) return [{ text: "state:failed", words: "all failed jobs" }, ...names];
  const types = valuesOf("type", live)
    .filter((type) => like(type, begun))
    .map((type) => ({ text: `type:${quoted(type)}`, words: "type" }));
  const errors = valuesOf("error", live)
    .filter((error) => like(error, begun))
    .map((error) => ({ text: `error:${quoted(error)}`, words: "error" }));
  return [...types, ...errors, ...names];
}

function valuesOf(name, live) {
  if (name === "state") return ["failed", "waiting", "active", "delayed", "completed", "cancelled", "blocked"];
  if (name === "type") return (live?.types || []).map((type) => type.type);
  if (name === "error") return [...new Set((live?.failures || []).map((group) => group.error))];
  if (name === "place") return [...new Set((live?.failures || []).map((group) => group.place).filter(Boolean))];
  return [];
}
