// What stands beside a job: its time line, facts, and itself as code.

import * as acts from "./acts.js";
import { clock, duration, full, json, seconds } from "./format.js";
import { card, copy, facts, time } from "./parts.js";
import { workerName } from "./workers.js";
import { asCurl, asPython } from "./snippets.js";
import { now, state } from "./state.js";
import { h } from "./vdom.js";

export const FINISHED = ["completed", "failed", "cancelled"];

export function timeline(job, attempts) {
  const steps = [{ at: job.created_at, words: "stored", kind: "" }];
  const began = ({ attempt, started_at }) =>
    started_at && steps.push({ at: started_at, words: `attempt ${attempt} began`, kind: "active" });
  for (const one of attempts) {
    began(one);
    const last = one.attempt === job.attempt && FINISHED.includes(job.state);
    if (one.error && one.ended_at && !last)
      steps.push({ at: one.ended_at, words: `attempt ${one.attempt} failed`, kind: "failed", after: one.started_at });
  }
  if (!attempts.some((one) => one.attempt === job.attempt)) began(job);
  if (job.ended_at) steps.push({ at: job.ended_at, words: job.state, kind: job.state, after: job.started_at });
  if (job.state === "delayed" && job.due_at) steps.push({ at: job.due_at, words: "due", kind: "delayed" });
  return card(
    "Time line",
    {},
    h(
      "ol",
      { class: "timeline" },
      steps
        .filter((step) => step.at)
        .map((step, at) =>
          h(
            "li",
            { key: at, class: step.kind },
            h("span", null, step.words),
            h("span", { class: "quiet" }, when(step)),
          ),
        ),
    ),
  );
}

function when({ at, after }) {
  const ahead = seconds(at) - now();
  if (ahead > 0) return `${clock(at)}, in ${duration(ahead)}`;
  return [clock(at, { day: true }), after ? `, after ${duration(seconds(at) - seconds(after))}` : ""];
}

const PRIORITIES = [
  ["critical", -15],
  ["high", -10],
  ["medium", -5],
  ["normal", 0],
  ["low", 10],
];

export function factsCard(job) {
  const changeable = ["waiting", "delayed"].includes(job.state);
  const names = PRIORITIES.some(([, value]) => value === job.priority)
    ? PRIORITIES
    : [...PRIORITIES, [String(job.priority), job.priority]];
  const priority =
    changeable && !state.live?.read_only
      ? h(
          "select",
          {
            "aria-label": "Priority",
            value: String(job.priority),
            onchange: (event) => acts.change(job.id, { priority: Number(event.target.value) }),
          },
          names.map(([name, value]) => h("option", { value: String(value) }, name)),
        )
      : full(job.priority);
  return card(
    "Facts",
    {},
    facts([
      ["Attempts", `${full(job.attempt)} of ${full(job.attempts)}`],
      ["Priority", priority],
      job.worker && ["Worker", workerName(state.live, job.worker)],
      job.timeout !== null && ["Timeout", duration(job.timeout)],
      job.backoff && ["Backoff", `${job.backoff.kind}, ${duration(job.backoff.delay)}`],
      ["Stored", time(job.created_at)],
      job.started_at && job.ended_at && ["Ran for", duration(seconds(job.ended_at) - seconds(job.started_at))],
      job.started_at && job.attempt === 1 && ["Waited", duration(seconds(job.started_at) - seconds(job.created_at))],
      job.remove_on_complete && ["Afterwards", "forgotten when it completes"],
    ]),
  );
}

export function copyCard(job) {
  const queue = state.live?.queue ?? "default";
  const copier = (words, text) =>
    h("button", { type: "button", onclick: (event) => copy(text(), event.currentTarget) }, words);
  return card(
    "Copy",
    {},
    h(
      "div",
      { class: "actions" },
      copier("As Python", () => asPython(job, queue)),
      copier("As curl", () => asCurl(job, document.baseURI)),
      copier("Data", () => json(job.data)),
      copier("Link", () => location.href),
    ),
  );
}
