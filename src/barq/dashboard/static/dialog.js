// Dialogs, and the words that appear when something has been done.

import { draw, state } from "./state.js";
import { button } from "./parts.js";
import { h } from "./vdom.js";

const TOAST_MS = 8000;
let number = 0;

/** `body`: a function that gives what stands in it; `buttons`: `{ words, kind, run, off }`, the first is what Enter does. */
export function open(dialog) {
  state.dialog = { key: (number += 1), ...dialog };
  draw();
}

export function close() {
  document.querySelector("#layer dialog")?.close(); // gives the focus back to where it was
  state.dialog = null;
  draw();
}

export function toast(words, { kind = "good", actions = [] } = {}) {
  const made = { key: (number += 1), words, kind, actions };
  state.toasts = [...state.toasts.slice(-3), made];
  setTimeout(() => drop(made), kind === "bad" ? TOAST_MS * 2 : TOAST_MS);
  draw();
}

function drop(toast) {
  state.toasts = state.toasts.filter((one) => one !== toast);
  draw();
}

export const layer = () => [state.dialog && dialogView(state.dialog), toastsView()];

function dialogView(dialog) {
  const buttons = dialog.buttons();
  const first = buttons[0];
  const submit = (event) => {
    event.preventDefault();
    if (first && !first.off) first.run();
  };
  return h(
    "dialog",
    {
      key: dialog.key,
      class: dialog.kind,
      "aria-labelledby": "dialog-title",
      hook: (node) => node.showModal(),
      onclose: () => {
        if (state.dialog !== dialog) return;
        state.dialog = null;
        draw();
      },
      onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && submit(event),
    },
    h(
      "form",
      { onsubmit: submit },
      h("h2", { id: "dialog-title" }, dialog.title),
      h("div", { class: "body" }, dialog.body()),
      h(
        "div",
        { class: "buttons" },
        buttons.map(({ words, kind, run, off }, at) =>
          h(
            "button",
            { type: at ? "button" : "submit", class: kind, disabled: Boolean(off), onclick: at ? run : undefined },
            words,
          ),
        ),
        h("button", { type: "button", onclick: close }, buttons.length ? "Leave it" : "Close"),
      ),
    ),
  );
}

const toastsView = () =>
  h(
    "div",
    { class: "toasts", role: "status", key: "toasts" },
    state.toasts.map((one) =>
      h(
        "div",
        { key: one.key, class: `toast ${one.kind}` },
        h("span", { class: "sign", "aria-hidden": "true" }, one.kind === "bad" ? "✕" : "✓"),
        h("span", { class: "words" }, one.words),
        one.actions.map(({ words, run }) =>
          button(words, { act: false, kind: "small", onclick: () => (drop(one), run()) }),
        ),
        button("×", { act: false, kind: "small plain", label: "Dismiss", onclick: () => drop(one) }),
      ),
    ),
  );
