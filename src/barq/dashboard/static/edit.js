// Edit: the data of a job, changed before it runs again, before it runs at all, or in a copy.

import * as acts from "./acts.js";
import { json } from "./format.js";
import { button, card, code } from "./parts.js";
import * as route from "./route.js";
import { draw } from "./state.js";
import { h } from "./vdom.js";

let editing = null; // { text, first, how, wrong }

export function cancelEdit() {
  editing = null;
}

/** `how`: what is done with the new data: retry, save or clone. */
export function edit(job, how) {
  const text = json(job.data);
  editing = { text, first: text, how, wrong: "" };
  draw();
}

export function dataCard(job) {
  const waits = ["waiting", "delayed"].includes(job.state);
  if (!editing) {
    const buttons = [
      waits && button("Edit", { press: "e", kind: "small", onclick: () => edit(job, "save") }),
      button("Edit a copy", { kind: "small", onclick: () => edit(job, "clone") }),
    ];
    return card("Data", { actions: buttons }, code(json(job.data), { kind: "data" }));
  }
  return card("Data", {}, editor(job));
}

const WORDS = { retry: "Retry with this", save: "Save", clone: "Store as a new job" };

function editor(job) {
  const submit = (event) => {
    event?.preventDefault();
    send(job);
  };
  return h(
    "form",
    { class: "editor", onsubmit: submit },
    h("textarea", {
      "aria-label": "Data, as JSON",
      spellcheck: "false",
      rows: Math.min(24, editing.first.split("\n").length + 2),
      value: editing.first,
      hook: (node) => node.focus(),
      oninput: (event) => check(event.target.value),
      onkeydown: (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
        if (event.key === "Escape") leave();
      },
    }),
    h("p", { class: "trouble", role: "alert" }, editing.wrong),
    h(
      "div",
      { class: "actions" },
      h(
        "button",
        { type: "submit", class: "primary", disabled: Boolean(editing.wrong), title: "Ctrl Enter" },
        WORDS[editing.how],
      ),
      h("button", { type: "button", onclick: leave }, "Leave it"),
    ),
  );
}

function check(text) {
  editing.text = text;
  try {
    JSON.parse(text);
    editing.wrong = "";
  } catch (error) {
    editing.wrong = `This is not JSON: ${error.message}`;
  }
  draw();
}

async function send(job) {
  if (!editing || editing.wrong) return;
  const { how, text, first } = editing;
  const data = text === first ? undefined : text;
  const done =
    how === "retry"
      ? await acts.retry(job.id, data)
      : how === "clone"
        ? await acts.clone(job.id, data)
        : data === undefined
          ? null
          : await acts.change(job.id, `{"data":${data}}`);
  if (done === undefined) return; // refused: what was typed stays
  leave();
  if (how === "clone") route.go(route.job(done.id));
}

function leave() {
  editing = null;
  draw();
}
