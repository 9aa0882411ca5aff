// Workers: who is alive, what each runs, and how to make them stop.

import * as acts from "./acts.js";
import { bytes, full } from "./format.js";
import { button, card, empty, jobLink, table, time } from "./parts.js";
import { state } from "./state.js";
import { h } from "./vdom.js";

export const workers = {
  title: () => "Workers",
  enter() {},
  leave() {},
  view() {
    const live = state.live;
    if (!live) return h("p", { class: "quiet", role: "status" }, state.trouble || "Reading the workers …");
    const slots = live.workers.reduce((sum, worker) => sum + worker.concurrency, 0);
    return [
      h("div", { class: "page-head" }, h("h1", null, "Workers")),
      card(
        live.workers.length ? `${full(live.workers.length)} alive, ${full(slots)} slots` : "Workers",
        {},
        live.workers.length
          ? workersTable(live.workers, {})
          : empty("No worker is alive", "Jobs wait until one comes. Start one:", "barq worker app:queue"),
      ),
    ];
  },
};

const started = (worker) => worker.started_at || (worker.started_ms ? new Date(worker.started_ms).toISOString() : null);
const name = (worker) => `${worker.host}:${worker.pid}`;

export function workersTable(rows, { brief = false }) {
  const columns = [
    {
      head: "Worker",
      kind: "main",
      cell: (worker) => [h("span", { class: "name", title: worker.id }, name(worker)), " ", how(worker)],
    },
    { head: "Slots", cell: slots },
    !brief && { head: "Runs now", kind: "pair", cell: runs },
    {
      head: "Types",
      kind: "roomy pair",
      cell: (worker) => h("span", { class: "clip", title: worker.types.join(", ") }, worker.types.join(", ") || "all"),
    },
    { head: "Memory", number: true, cell: (worker) => (worker.memory_bytes ? bytes(worker.memory_bytes) : "–") },
    { head: "Version", cell: (worker) => worker.version },
    { head: "Since", number: true, cell: (worker) => time(started(worker)) },
    !brief && { head: "", kind: "acts", cell: workerActs },
  ].filter(Boolean);
  return table(columns, rows, { key: (worker) => worker.id, caption: "Workers" });
}

function how(worker) {
  if (worker.stopping) return h("span", { class: "paused" }, "stopping");
  return worker.draining ? h("span", { class: "paused" }, "drains") : null;
}

const slots = (worker) =>
  h(
    "span",
    { class: "progress" },
    h("progress", { value: worker.running, max: Math.max(1, worker.concurrency), "aria-label": "slots in use" }),
    h("span", { class: "percent" }, `${full(worker.running)} of ${full(worker.concurrency)}`),
  );

function runs(worker) {
  const found = state.live.running.filter((job) => job.worker === worker.id);
  return h(
    "span",
    { class: "clip" },
    found.length
      ? found.map((job) => [h("span", { class: "run" }, jobLink(job.id), ` ${job.type}`), " "])
      : h("span", { class: "quiet" }, worker.running ? full(worker.running) : "nothing"),
  );
}

const workerActs = (worker) =>
  worker.stopping
    ? null
    : [
        worker.draining
          ? button("Resume", {
              kind: "small primary",
              title: "Take jobs again",
              busy: `worker ${worker.id}`,
              onclick: () => acts.resumeWorker(worker.id),
            })
          : button("Drain", {
              kind: "small",
              title: "Finish what runs, take nothing more, stay",
              busy: `worker ${worker.id}`,
              onclick: () => acts.drain(worker.id),
            }),
        button("Stop …", {
          kind: "small danger",
          title: "Finish or hand back what runs, then end",
          busy: `worker ${worker.id}`,
          onclick: () => acts.stopWorker(worker.id, name(worker)),
        }),
      ];

/** Who that is, where it is still alive. */
export function workerName(live, id) {
  const worker = live?.workers.find((one) => one.id === id);
  return worker
    ? h("span", { title: id }, `${worker.host}:${worker.pid}`)
    : h("span", { class: "quiet", title: id }, id?.slice(0, 12) || "–");
}
