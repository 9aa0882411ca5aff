// Keys: / search, j k move, Enter opens, r p c e press what stands there, ? says all of this.

import { open } from "./dialog.js";
import { NAMES } from "./query.js";
import * as route from "./route.js";
import { focusSearch } from "./search.js";
import { h } from "./vdom.js";

const KEYS = [
  ["/", "search"],
  ["j k", "next and previous row"],
  ["Enter", "open the row"],
  ["r", "retry: the row, or the job of the page"],
  ["p", "pause or resume the type of the row"],
  ["c", "cancel the row, or the job of the page"],
  ["e", "edit the job of the page"],
  ["g then o j f w s", "go to Overview, Jobs, Failures, Workers, Server"],
  ["Esc", "leave a field or a dialog"],
  ["?", "these words"],
];

const PAGES = { o: "overview", j: "jobs", f: "failures", w: "workers", s: "server" };
let going = 0;

export function help() {
  open({
    title: "Keys, and words of a search",
    kind: "help",
    body: () => [
      h(
        "dl",
        { class: "keys" },
        KEYS.map(([keys, words]) =>
          h(
            "div",
            null,
            h(
              "dt",
              null,
              keys.split(" ").map((key) => (key === "then" ? " then " : h("kbd", null, key))),
            ),
            h("dd", null, words),
          ),
        ),
      ),
      h(
        "p",
        null,
        "A search holds words that a job must have in its id, type, title, error or indexed fields, and any of:",
      ),
      h(
        "dl",
        { class: "keys" },
        Object.entries(NAMES).map(([name, words]) =>
          h(
            "div",
            null,
            h("dt", null, h("code", null, ["age", "ended"].includes(name) ? name : `${name}:`)),
            h("dd", null, words),
          ),
        ),
      ),
      h(
        "p",
        null,
        "Fields that jobs are indexed by are searched for by their name: ",
        h("code", null, "customer:42"),
        ".",
      ),
    ],
    buttons: () => [],
  });
}

const isTyping = (node) => node.closest("input, textarea, select, [contenteditable]") !== null;

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog")) return;
    if (press(event.key, event.target)) event.preventDefault();
  });
}

function press(key, target) {
  if (Date.now() - going < 1200 && PAGES[key]) {
    going = 0;
    route.go(route.link(PAGES[key]));
    return true;
  }
  switch (key) {
    case "/":
      focusSearch();
      return true;
    case "?":
      help();
      return true;
    case "g":
      going = Date.now();
      return true;
    case "j":
      return move(1);
    case "k":
      return move(-1);
    case "Enter":
      return target.matches("[data-row][data-href]") && (route.go(target.dataset.href), true);
    default:
      return pressButton(key);
  }
}

const rows = () => [...document.querySelectorAll("[data-row]")];

function move(by) {
  const all = rows();
  if (!all.length) return false;
  const at = all.indexOf(document.activeElement?.closest("[data-row]"));
  const row = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
  row.focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

/** The button for a key: in the row where one is, else of the page. */
function pressButton(key) {
  const row = document.activeElement?.closest("[data-row]");
  const found = (row || document.querySelector(".page-head"))?.querySelector(`[data-press="${CSS.escape(key)}"]`);
  found?.click();
  return Boolean(found);
}
