// Acts on all jobs that a query finds, call by call, and the dialogs that say first how many they are.

import { act } from "./acts.js";
import { post } from "./api.js";
import { close, open } from "./dialog.js";
import { count } from "./format.js";
import { draw } from "./state.js";
import { h } from "./vdom.js";

export const VERBS = {
  retry: { words: "Retry", done: "retried" },
  cancel: { words: "Cancel", done: "cancelled" },
  promote: { words: "Promote", done: "promoted" },
  remove: { words: "Remove", done: "removed", kind: "danger" },
};

/** Call by call, as one call does so many jobs at most; `told` hears how far it is. */
export async function all(verb, where, told = () => {}) {
  let [done, refused, after] = [0, 0, undefined];
  do {
    const answer = await post(`jobs/${verb}`, { where, after });
    done += answer.done;
    refused += answer.refused;
    after = answer.next ?? undefined;
    told(done);
  } while (after !== undefined);
  return { done, refused };
}

const words =
  (verb) =>
  ({ done, refused }) =>
    `${count(done, "job")} ${VERBS[verb].done}${refused ? `; ${count(refused, "job")} had moved on` : ""}`;

export const allAtOnce = (verb, where) => act(`${verb} ${where}`, () => all(verb, where), words(verb));

export const counting = (verb, where) => post(`jobs/${verb}`, { where, dry_run: true });

/** First how many, then whether. */
export function allWithCount(verb, where, title) {
  const it = { number: null, more: false, error: "", done: null };
  counting(verb, where)
    .then((answer) => Object.assign(it, { number: answer.matched, more: answer.more }))
    .catch((error) => (it.error = error.message))
    .finally(draw);
  const run = async () => {
    it.done = 0;
    await act(`${verb} ${where}`, () => all(verb, where, (done) => ((it.done = done), draw())), words(verb));
    close();
  };
  open({
    title: title || `${VERBS[verb].words} all that match?`,
    body: () => [
      h("p", null, h("code", { class: "query" }, where || "all jobs")),
      h(
        "p",
        { role: "status" },
        it.error ||
          (it.done !== null
            ? `${count(it.done, "job")} ${VERBS[verb].done} …`
            : it.number === null
              ? "Counting …"
              : found(verb, it.number, it.more)),
      ),
    ],
    buttons: () => [
      {
        words: it.number === null ? VERBS[verb].words : `${VERBS[verb].words} ${amount(it)}`,
        kind: VERBS[verb].kind || "primary",
        off: !it.number || it.done !== null,
        run,
      },
    ],
  });
}

const amount = ({ number, more }) => (more ? "all of them" : count(number, "job"));

const found = (verb, number, more) =>
  number
    ? `${more ? "More than " : ""}${count(number, "job")} match.${verb === "remove" ? " What is removed is gone for good." : ""}`
    : "No job matches.";

// ---- clean up

const AGES = [
  ["an hour", "1h"],
  ["a day", "1d"],
  ["a week", "7d"],
  ["30 days", "30d"],
  ["any age", ""],
];

/** Remove what ended long ago. */
export function cleanUp() {
  const it = { state: "completed", age: "1d", number: null, more: false, error: "" };
  const where = () => `state:${it.state}${it.age ? ` ended>${it.age}` : ""}`;
  const recount = async () => {
    it.number = null;
    draw();
    const asked = where();
    try {
      const { matched, more } = await counting("remove", asked);
      if (asked === where()) Object.assign(it, { number: matched, more, error: "" });
    } catch (error) {
      it.error = error.message;
    }
    draw();
  };
  const run = async () => {
    close();
    await act("clean up", () => all("remove", where()), words("remove"));
  };
  const choose = (name) => (event) => ((it[name] = event.target.value), recount());
  open({
    title: "Remove old jobs",
    body: () => [
      h(
        "label",
        null,
        "That are",
        h(
          "select",
          { name: "state", onchange: choose("state") },
          ["completed", "failed", "cancelled", "completed,failed,cancelled"].map((name) =>
            h("option", { value: name }, name.replaceAll(",", " or ")),
          ),
        ),
      ),
      h(
        "label",
        null,
        "Since more than",
        h(
          "select",
          { name: "age", value: "1d", onchange: choose("age") },
          AGES.map(([label, value]) => h("option", { value }, label)),
        ),
      ),
      h("p", { role: "status" }, it.error || (it.number === null ? "Counting …" : found("remove", it.number))),
    ],
    buttons: () => [{ words: it.number ? `Remove ${amount(it)}` : "Remove", kind: "danger", off: !it.number, run }],
  });
  recount();
}
