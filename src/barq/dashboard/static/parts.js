// Parts that several pages are made of.

import { coarse, clock, full } from "./format.js";
import * as route from "./route.js";
import { ago, readOnly, state } from "./state.js";
import { h } from "./vdom.js";

export const STATES = ["waiting", "delayed", "active", "completed", "failed", "cancelled", "blocked"];
const SIGNS = { waiting: "○", delayed: "◷", active: "▶", completed: "✓", failed: "✕", cancelled: "⊘", blocked: "‖" };

export const badge = (name) => h("span", { class: `badge ${name}` }, sign(name), name);
export const sign = (name) => h("span", { class: "sign", "aria-hidden": "true" }, SIGNS[name] || "");

/** `act`: changes something, so it is not there in read-only mode. `press`: the key that presses it. */
export function button(words, { act = true, press, kind = "", title, busy, onclick, label } = {}) {
  if (act && readOnly()) return null;
  const waits = busy !== undefined && state.busy.has(busy);
  return h(
    "button",
    {
      type: "button",
      class: kind,
      title: press ? `${title || words} (${press})` : title,
      "data-press": press,
      "aria-label": label,
      "aria-busy": waits ? "true" : undefined,
      onclick: () => waits || onclick(),
    },
    words,
  );
}

export const a = (where, props, ...words) => h("a", { href: where, ...props }, ...words);
export const jobLink = (id, ...words) => a(route.job(id), { class: "id" }, words.length ? words : `#${id}`);

/** Of a job in a list its id, type and title. */
export const jobCell = (job) => [
  jobLink(job.id),
  " ",
  h("span", { class: "name" }, job.type),
  job.title && h("span", { class: "sub" }, job.title),
];

export function time(value, { suffix = " ago" } = {}) {
  if (!value) return h("span", { class: "quiet" }, "–");
  return h("time", { datetime: value, title: clock(value, { day: true }) }, coarse(ago(value)), suffix);
}

export function progress(percent, words) {
  return h(
    "span",
    { class: "progress" },
    h("progress", { value: percent, max: 100, "aria-label": words || "progress" }),
    h("span", { class: "percent" }, `${Math.floor(percent)}%`),
  );
}

/** Columns are `{ head, cell, number, wide }`; on a narrow screen each row becomes a card that names them. */
export function table(columns, rows, { key, href, caption }) {
  return h(
    "table",
    null,
    h("caption", { class: "hidden" }, caption),
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        columns.map(({ head, number, kind }) =>
          h("th", { scope: "col", class: names(number, kind) }, head || h("span", { class: "hidden" }, "Acts")),
        ),
      ),
    ),
    h(
      "tbody",
      null,
      rows.map((row) =>
        h(
          "tr",
          { key: key(row), "data-row": "", tabindex: -1, "data-href": href ? href(row) : undefined },
          columns.map(({ head, cell, number, kind }) =>
            h("td", { "data-head": head || undefined, class: names(number, kind) }, cell(row)),
          ),
        ),
      ),
    ),
  );
}

const names = (number, kind) => [number && "number", kind].filter(Boolean).join(" ") || undefined;

export const card = (title, { actions, kind = "", id } = {}, ...children) =>
  h(
    "section",
    { class: `card ${kind}`, "aria-labelledby": id },
    h("header", null, h("h2", { id }, title), actions && h("div", { class: "actions" }, actions)),
    children,
  );

export const empty = (title, words, snippet) =>
  h("div", { class: "empty" }, h("strong", null, title), words && h("p", null, words), snippet && code(snippet));

/** Something to copy. */
export const code = (text, { kind = "" } = {}) =>
  h(
    "div",
    { class: "code" },
    h("pre", { class: kind, tabindex: 0 }, text),
    h("button", { type: "button", class: "small copy", onclick: (event) => copy(text, event.currentTarget) }, "Copy"),
  );

export async function copy(text, from) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text);
  }
  if (!from) return;
  const words = from.textContent;
  from.firstChild.data = "Copied";
  setTimeout(() => (from.firstChild.data = words), 1200);
}

/** Without TLS a browser has no clipboard for pages but this. */
function copyByHand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog") || document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export const trouble = (error) =>
  error && h("p", { class: "trouble", role: "alert" }, h("strong", null, "Not read: "), error.message);

export const tile = (words, value, { where, kind = "", title } = {}) =>
  h("a", { class: `tile ${kind}`, href: where, title }, h("span", null, words), h("strong", null, value));

export const facts = (pairs) =>
  h(
    "dl",
    null,
    pairs.filter(Boolean).map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))),
  );

export const counted = (value, name) =>
  value ? h("span", { class: `count ${name}` }, sign(name), full(value)) : h("span", { class: "quiet" }, "0");
