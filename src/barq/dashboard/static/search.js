// The search box: a query with suggestions. Enter goes to what it finds.

import { suggestions } from "./query.js";
import * as route from "./route.js";
import { draw, state } from "./state.js";
import { h } from "./vdom.js";

let typed = null; // null: not being typed in
let chosen = -1;

const input = () => document.getElementById("search");
const shown = () => typed ?? state.route.query.q ?? "";
const found = () => (typed === null ? [] : suggestions(typed, state.live));

export function searchBox() {
  const list = found();
  return h(
    "form",
    { class: "search", role: "search", onsubmit: submit },
    h("input", {
      id: "search",
      type: "text",
      placeholder: "Search: words, state:failed type:email age>1h",
      "aria-label": "Search jobs",
      role: "combobox",
      "aria-expanded": list.length ? "true" : "false",
      "aria-controls": "suggestions",
      "aria-autocomplete": "list",
      "aria-activedescendant": list[chosen] ? `suggestion-${chosen}` : undefined,
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      value: shown(),
      oninput: (event) => type(event.target.value),
      onfocus: (event) => type(event.target.value),
      onblur: () => type(null),
      onkeydown: keydown,
    }),
    h("kbd", { "aria-hidden": "true" }, "/"),
    h(
      "ul",
      { id: "suggestions", role: "listbox", "aria-label": "Suggestions" },
      list.map((one, at) =>
        h(
          "li",
          {
            key: one.text,
            id: `suggestion-${at}`,
            role: "option",
            "aria-selected": at === chosen ? "true" : "false",
            onmousedown: (event) => (event.preventDefault(), take(one)),
          },
          h("code", null, one.shown),
          h("span", { class: "quiet" }, one.words),
        ),
      ),
    ),
  );
}

function type(text) {
  typed = text;
  chosen = -1;
  draw();
}

/** A name waits for its value; what is complete is searched for at once. */
function take(one) {
  input().value = one.text;
  if (one.text.endsWith(":")) type(one.text);
  else search(one.text);
}

function search(text) {
  const where = route.jobs(text.trim());
  input().blur();
  if (location.hash === where) dispatchEvent(new HashChangeEvent("hashchange"));
  else route.go(where);
}

function submit(event) {
  event.preventDefault();
  search(input().value);
}

function keydown(event) {
  const list = found();
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by && list.length) {
    event.preventDefault();
    chosen = (chosen + by + list.length + (chosen < 0 && by < 0 ? 1 : 0)) % list.length;
    draw();
  } else if (event.key === "Escape") {
    input().value = state.route.query.q ?? "";
    input().blur();
  } else if ((event.key === "Enter" || event.key === "Tab") && list[chosen]) {
    event.preventDefault();
    take(list[chosen]);
  }
}

export function focusSearch() {
  input().focus();
  input().select();
}
