// Job: one job with all that is known of it, live while it runs, and what can be done with it.

import * as acts from "./acts.js";
import { get } from "./api.js";
import { cancelEdit, dataCard, edit } from "./edit.js";
import { clock, duration, json, seconds } from "./format.js";
import { a, badge, button, card, code, empty, progress, time, trouble } from "./parts.js";
import { copyCard, factsCard, FINISHED, timeline } from "./jobside.js";
import * as route from "./route.js";
import { ago, resource, state } from "./state.js";
import { tracebackView } from "./traceback.js";
import { h } from "./vdom.js";
import { workerName } from "./workers.js";

const EVENTS = [
  "start",
  "progress",
  "log",
  "complete",
  "failed",
  "failed attempt",
  "requeue",
  "retry",
  "cancel",
  "promotion",
  "remove",
];
const SETTLE_MS = 150;

let stream = null;
let timer = null;
let ticks = 0;
let leaving = false;

const id = () => state.route.id;
const told = resource(readAll);

/** The job, and with it what belongs to it; what a server does not know yet is left out. */
async function readAll(signal) {
  const job = await get(`jobs/${encodeURIComponent(id())}`, {}, signal);
  const part = (path, field) =>
    get(`jobs/${job.id}/${path}`, {}, signal)
      .then((answer) => answer[field])
      .catch(() => []);
  const waits = !FINISHED.includes(job.state) && job.state !== "active";
  const [lines, attempts, reasons] = await Promise.all([
    part("log", "lines"),
    part("attempts", "attempts"),
    waits ? part("explain", "reasons") : [],
  ]);
  return { job, lines, attempts, reasons };
}

export const job = {
  title: () => (told.value ? `${told.value.job.type} ${id()}` : `Job ${id()}`),
  async enter() {
    told.value = null;
    told.error = null;
    leaving = false;
    cancelEdit();
    await told.load();
    follow();
  },
  leave() {
    told.stop();
    unfollow();
  },
  async changed() {
    if (leaving) return;
    await told.load({ quietly: true });
    if (!stream) follow();
  },
  tick() {
    ticks += 1;
    const waits = told.value && !FINISHED.includes(told.value.job.state);
    if (waits && !leaving && ticks % 3 === 0) told.load({ quietly: true });
  },
  view() {
    if (told.error && !told.value) return [h("h1", null, `Job ${id()}`), gone(told.error)];
    if (!told.value) return h("p", { class: "quiet", role: "status" }, "Reading the job …");
    return jobView(told.value);
  },
};

// ---- as it happens

function follow() {
  unfollow();
  const job = told.value?.job;
  if (!job || FINISHED.includes(job.state)) return;
  stream = new EventSource(`jobs/${job.id}/events`);
  for (const name of EVENTS) stream.addEventListener(name, () => soon());
  stream.onerror = () => stream?.readyState === EventSource.CLOSED && unfollow();
}

/** Many events at once are one reading. */
function soon() {
  timer ??= setTimeout(async () => {
    timer = null;
    await told.load({ quietly: true });
    if (FINISHED.includes(told.value?.job.state)) unfollow();
  }, SETTLE_MS);
}

function unfollow() {
  stream?.close();
  stream = null;
  clearTimeout(timer);
  timer = null;
}

// ---- how it looks

function jobView({ job, lines, attempts, reasons }) {
  return [
    h(
      "div",
      { class: "page-head" },
      h(
        "h1",
        null,
        badge(job.state),
        " ",
        a(route.jobs(`type:${/\s/.test(job.type) ? JSON.stringify(job.type) : job.type}`), { class: "name" }, job.type),
        " ",
        h("span", { class: "id" }, `#${job.id}`),
        job.title && h("span", { class: "sub" }, job.title),
      ),
      h("div", { class: "actions" }, jobButtons(job)),
    ),
    trouble(told.error),
    job.state === "active" &&
      h(
        "div",
        { class: "card running" },
        progress(job.progress?.percent ?? 0, "progress"),
        h("span", null, ` for ${duration(ago(job.started_at))} on `, workerName(state.live, job.worker)),
        job.progress?.data != null && h("pre", { class: "note" }, json(job.progress.data)),
      ),
    reasons.length > 0 &&
      card(
        "Why is it not running?",
        { kind: "reasons" },
        h(
          "ul",
          null,
          reasons.map((reason) => h("li", { "data-code": reason.code }, reason.text)),
        ),
      ),
    h(
      "div",
      { class: "columns job" },
      h(
        "div",
        null,
        job.error && job.state !== "completed" && errorCard(job),
        attempts.length > 0 && attemptsCard(attempts, job),
        dataCard(job),
        job.state === "completed" && card("Result", {}, code(json(job.result))),
        logCard(lines),
      ),
      h("div", null, timeline(job, attempts), factsCard(job), copyCard(job)),
    ),
  ];
}

const gone = (error) =>
  error.status === 404
    ? card(
        "Not here",
        {},
        empty("There is no such job (any more)", "It has been removed, or forgotten after its retention."),
        a(route.link("jobs"), null, "All jobs"),
      )
    : trouble(error);

function jobButtons(job) {
  const again = FINISHED.includes(job.state) || job.state === "blocked";
  return [
    again &&
      button("Retry", { press: "r", kind: "primary", busy: `retry ${job.id}`, onclick: () => acts.retry(job.id) }),
    again && button("Edit and retry", { press: "e", onclick: () => edit(job, "retry") }),
    job.state === "delayed" &&
      button("Promote", {
        kind: "primary",
        busy: `promote ${job.id}`,
        title: "Do not wait for its time",
        onclick: () => acts.promote(job.id),
      }),
    !FINISHED.includes(job.state) &&
      button("Cancel", { press: "c", busy: `cancel ${job.id}`, onclick: () => acts.cancel(job.id) }),
    button("Clone", {
      busy: `clone ${job.id}`,
      title: "Store a copy that runs as well",
      onclick: async () => {
        const made = await acts.clone(job.id);
        if (made) route.go(route.job(made.id));
      },
    }),
    job.state !== "active" &&
      button("Remove", { kind: "danger", busy: `remove ${job.id}`, onclick: () => removeAndLeave(job) }),
  ];
}

/** What is no longer there is not read again. */
async function removeAndLeave(job) {
  unfollow();
  leaving = true;
  leaving = (await acts.remove(job.id)) !== undefined;
  if (leaving) route.go(route.link("jobs"));
  else follow();
}

const errorHead = (error) =>
  h("p", { class: "error-head" }, h("strong", null, error.type), error.message && `: ${error.message}`);

const errorCard = (job) =>
  card(
    { failed: "Why it failed", blocked: "Why it is parked" }[job.state] || "Why the last attempt failed",
    { kind: "failure" },
    errorHead(job.error),
    (job.error.traceback || job.state !== "blocked") && tracebackView(job.error.traceback),
  );

function attemptsCard(attempts, job) {
  const shown = job.error && job.state !== "completed"; // the last error stands above
  const rows = attempts
    .filter((one) => one.error && !(shown && one === attempts.at(-1) && same(one.error, job.error)))
    .reverse();
  if (!rows.length) return null;
  return card(
    "Attempts before",
    {},
    rows.map((one) =>
      h(
        "details",
        { key: one.attempt, class: "attempt" },
        h(
          "summary",
          null,
          h("strong", null, `Attempt ${one.attempt}`),
          one.error ? ` ${one.error.type}: ${one.error.message}` : "",
          h(
            "span",
            { class: "quiet" },
            " ",
            one.started_at && one.ended_at
              ? `after ${duration(seconds(one.ended_at) - seconds(one.started_at))}, `
              : "",
            time(one.ended_at),
          ),
        ),
        one.worker && h("p", { class: "quiet" }, "on ", workerName(state.live, one.worker)),
        one.error && tracebackView(one.error.traceback, {}),
      ),
    ),
  );
}

const same = (one, other) => one && other && one.type === other.type && one.message === other.message;

const logCard = (lines) =>
  lines.length > 0 &&
  card(
    "Log",
    {},
    h(
      "ol",
      { class: "log" },
      lines.map((line, at) =>
        h(
          "li",
          { key: at },
          h("time", { datetime: line.at, class: "quiet" }, clock(line.at)),
          h("span", null, line.text),
        ),
      ),
    ),
  );
