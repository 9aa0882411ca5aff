// What can be done to a job, to types, the queue and workers. Each says what became of it; bulk.js does it to many jobs.

import { at, ask, post } from "./api.js";
import { close, open, toast } from "./dialog.js";
import { draw, state } from "./state.js";
import { h } from "./vdom.js";

const after = new Set();

/** Called when something has been changed from here. */
export const onChange = (listener) => after.add(listener);

/** Do something once at a time, and say what became of it. Returns its answer, undefined when it failed. */
export async function act(busy, work, said, actions = () => []) {
  if (state.busy.has(busy)) return undefined;
  state.busy.add(busy);
  draw();
  try {
    const answer = await work();
    toast(said(answer), { actions: actions(answer) });
    return answer ?? null;
  } catch (error) {
    toast(error.message, { kind: "bad" });
    return undefined;
  } finally {
    state.busy.delete(busy);
    for (const listener of after) listener();
    draw();
  }
}

// ---- one job

const path = (id, verb) => `jobs/${id}/${verb}`;

/** `data`: JSON as it was typed, so that nothing of it is lost on the way. */
const withData = (data) => (data === undefined ? undefined : `{"data":${data}}`);

export const retry = (id, data) =>
  act(
    `retry ${id}`,
    () => post(path(id, "retry"), withData(data)),
    () => `Job ${id} runs again`,
  );

export const cancel = (id) =>
  act(
    `cancel ${id}`,
    () => post(path(id, "cancel")),
    () => `Job ${id} is cancelled`,
    () => [{ words: "Run it again", run: () => retry(id) }],
  );

export const promote = (id) =>
  act(
    `promote ${id}`,
    () => post(path(id, "promote")),
    () => `Job ${id} waits no longer for its time`,
  );
export const clone = (id, data) =>
  act(
    `clone ${id}`,
    () => post(path(id, "clone"), withData(data)),
    (made) => `Job ${made.id} is a copy of ${id}`,
  );
export const change = (id, fields) =>
  act(
    `change ${id}`,
    () => ask(`jobs/${id}`, { method: "PATCH", body: fields }),
    () => `Job ${id} is changed`,
  );
export const remove = (id) =>
  act(
    `remove ${id}`,
    () => ask(`jobs/${id}`, { method: "DELETE" }),
    () => `Job ${id} is removed`,
  );

// ---- types and the queue

const place = (type) => (type === null ? "" : `types/${at(type)}/`);
const named = (type) => (type === null ? "the queue" : type);

export const resume = (type) =>
  act(
    `pause ${type}`,
    () => post(`${place(type)}resume`),
    () => `${capital(named(type))} goes on`,
  );

export const pause = (type) =>
  act(
    `pause ${type}`,
    () => post(`${place(type)}pause`),
    () => `${capital(named(type))} is paused; what runs goes on`,
    () => [
      { words: "Reason, end …", run: () => pauseDialog(type) },
      { words: "Resume", run: () => resume(type) },
    ],
  );

const ENDS = [
  ["no end", ""],
  ["15 minutes", 900],
  ["1 hour", 3600],
  ["8 hours", 28800],
  ["24 hours", 86400],
];

/** Why, and until when. */
export function pauseDialog(type) {
  const it = { reason: "", seconds: "" };
  const run = async () => {
    const body = { reason: it.reason, ...(it.seconds ? { seconds: Number(it.seconds) } : {}) };
    close();
    await act(
      `pause ${type}`,
      () => post(`${place(type)}pause`, body),
      () => `${capital(named(type))} is paused`,
    );
  };
  open({
    title: `Pause ${named(type)}`,
    body: () => [
      h(
        "label",
        null,
        "Reason, for those who wonder later",
        h("input", {
          name: "reason",
          maxlength: 200,
          autofocus: true,
          oninput: (event) => (it.reason = event.target.value),
        }),
      ),
      h(
        "label",
        null,
        "Ends by itself after",
        h(
          "select",
          { name: "end", onchange: (event) => (it.seconds = event.target.value) },
          ENDS.map(([label, value]) => h("option", { value }, label)),
        ),
      ),
    ],
    buttons: () => [{ words: "Pause", kind: "primary", run }],
  });
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

// ---- workers

export const drain = (worker) =>
  act(
    `worker ${worker}`,
    () => post(`workers/${at(worker)}/drain`),
    () => "The worker finishes what it runs and takes nothing more",
  );

export const resumeWorker = (worker) =>
  act(
    `worker ${worker}`,
    () => post(`workers/${at(worker)}/resume`),
    () => "The worker takes jobs again",
  );

export function stopWorker(worker, name) {
  const run = () => {
    close();
    act(
      `worker ${worker}`,
      () => post(`workers/${at(worker)}/stop`),
      () => "The worker is told to stop",
    );
  };
  open({
    title: "Stop this worker?",
    body: () =>
      h(
        "p",
        null,
        `${name} finishes what it runs within its grace time, hands back the rest, and ends. Whatever started it may start it again.`,
      ),
    buttons: () => [{ words: "Stop it", kind: "danger", run }],
  });
}
