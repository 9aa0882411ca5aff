// Overview: the first page. Totals, throughput, types, what runs, what failed, who works.

import * as acts from "./acts.js";
import { get } from "./api.js";
import { cleanUp } from "./bulk.js";
import { series, throughput } from "./charts.js";
import { coarse, duration, full, number, rate, sum } from "./format.js";
import { failuresTable } from "./failures.js";
import { a, button, card, code, empty, jobCell, progress, sign, table, tile } from "./parts.js";
import * as route from "./route.js";
import { ago, resource, state } from "./state.js";
import { h } from "./vdom.js";
import { LATE_SECONDS, typesCard } from "./types.js";
import { workerName, workersTable } from "./workers.js";

const SPANS = [
  ["15m", "15 min"],
  ["1h", "1 h"],
  ["24h", "24 h"],
  ["7d", "7 d"],
];
const SPAN_WORDS = { "15m": "Last 15 minutes", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days" };
const EVERY = { "15m": 5, "1h": 10, "24h": 60, "7d": 300 };
const MOST_RUNNING = 12;

const span = () => (SPANS.some(([name]) => name === state.route.query.span) ? state.route.query.span : "1h");
const history = resource((signal) => get("history", { span: span() }, signal));
let ticks = 0;

export const overview = {
  title: () => "Overview",
  enter: () => history.load(),
  leave: () => history.stop(),
  tick() {
    ticks += 1;
    if (ticks % EVERY[span()] === 0) history.load({ quietly: true });
  },
  view() {
    const live = state.live;
    if (!live) return h("p", { class: "quiet", role: "status" }, state.trouble || "Reading the queue …");
    const fresh = !live.types.length;
    return [
      h("div", { class: "page-head" }, h("h1", null, "Overview"), h("div", { class: "actions" }, headActions(live))),
      totals(live),
      fresh
        ? firstSteps(live)
        : [
            chartCard(),
            typesCard(live),
            h("div", { class: "columns" }, runningCard(live), failuresCard(live)),
            workersCard(live),
          ],
    ];
  },
};

const headActions = (live) => [
  button("Remove old …", { onclick: cleanUp, title: "Remove what ended long ago" }),
  live.paused
    ? null
    : button("Pause queue …", { onclick: () => acts.pauseDialog(null), title: "Hand out no job at all" }),
];

// ---- totals

function totals({ counts, types }) {
  const oldest = types
    .map((type) => type.oldest_waiting_at)
    .filter(Boolean)
    .sort()[0];
  const age = ago(oldest);
  const per = sum(types.map((type) => type.rate));
  return h(
    "div",
    { class: "tiles" },
    tile("Waiting", number(counts.waiting), { where: route.jobs("state:waiting") }),
    tile("Running", number(counts.active), { where: route.jobs("state:active") }),
    tile("Delayed", number(counts.delayed), { where: route.jobs("state:delayed") }),
    tile("Failed", [counts.failed > 0 && sign("failed"), number(counts.failed)], {
      where: route.link("failures"),
      kind: counts.failed ? "bad" : "",
    }),
    tile("Completed", number(counts.completed), { where: route.jobs("state:completed") }),
    tile("Per second", rate(per), {
      where: route.jobs("state:completed"),
      kind: per ? "good" : "",
      title: "Completed, over the last minute",
    }),
    tile("Oldest waiting", oldest ? coarse(age) : "–", {
      where: route.jobs("state:waiting"),
      kind: age > LATE_SECONDS ? "late" : "",
    }),
  );
}

// ---- throughput

function chartCard() {
  const value = history.value;
  const spans = h(
    "div",
    { class: "chips", role: "group", "aria-label": "Span of time" },
    SPANS.map(([name, words]) =>
      a(
        route.link("overview", name === "1h" ? {} : { span: name }),
        { class: "chip", "aria-current": name === span() ? "true" : undefined },
        words,
      ),
    ),
  );
  return h(
    "section",
    { class: "card chart", "aria-label": "Throughput" },
    h("header", null, h("h2", null, SPAN_WORDS[span()]), value && legend(value), spans),
    history.error
      ? h("p", { class: "trouble" }, history.error.message)
      : value
        ? throughput(value)
        : h("div", { class: "plot" }),
  );
}

function legend(value) {
  const points = series(value);
  const done = sum(points.map((point) => point.completed));
  const failed = sum(points.map((point) => point.failed));
  const took = points.length * value.step_seconds;
  return h(
    "p",
    { class: "legend" },
    h(
      "span",
      { class: "swatch area" },
      h("strong", { id: "throughput" }, full(done)),
      ` completed, ${rate(done / took)}/s`,
    ),
    h("span", { class: "swatch bars" }, h("strong", null, full(failed)), " failed"),
  );
}

// ---- what runs, what failed, who works

function runningCard(live) {
  const columns = [
    { head: "Job", kind: "main", cell: jobCell },
    { head: "Worker", cell: (job) => workerName(live, job.worker) },
    { head: "Progress", cell: (job) => progress(job.progress?.percent ?? 0, `progress of job ${job.id}`) },
    { head: "For", number: true, cell: (job) => duration(ago(job.started_at)) },
    {
      head: "",
      kind: "acts",
      cell: (job) =>
        button("Cancel", {
          press: "c",
          kind: "small",
          busy: `cancel ${job.id}`,
          title: `Cancel job ${job.id}`,
          onclick: () => acts.cancel(job.id),
        }),
    },
  ];
  const shown = live.running.slice(0, MOST_RUNNING);
  const left = live.counts.active - shown.length;
  return card(
    "Running now",
    { actions: a(route.jobs("state:active"), null, "All") },
    shown.length
      ? table(columns, shown, { key: (job) => job.id, href: (job) => route.job(job.id), caption: "Jobs that run now" })
      : empty("Nothing runs at the moment"),
    left > 0 && a(route.jobs("state:active"), { class: "quiet" }, `and ${full(left)} more`),
  );
}

function failuresCard(live) {
  const groups = live.failures || [];
  return card(
    "Failures by error",
    { actions: a(route.link("failures"), null, "All") },
    groups.length
      ? failuresTable(groups.slice(0, 8), { brief: true })
      : empty(live.failures ? "No failed jobs" : "Reading the failures …"),
  );
}

function workersCard(live) {
  const waiting = live.counts.waiting > 0;
  return card(
    "Workers",
    { actions: a(route.link("workers"), null, "All") },
    live.workers.length
      ? workersTable(live.workers.slice(0, 8), { brief: true })
      : empty("No worker is alive", waiting ? "Jobs wait until one comes:" : "Start one:", `barq worker app:queue`),
  );
}

const firstSteps = (live) =>
  card(
    "Nothing here yet",
    {},
    h("p", null, "Store a first job:"),
    code(`barq enqueue hello '{"name": "Ann"}' --queue ${live.queue}`),
    h("p", null, "and give it a worker, with this in app.py:"),
    code(
      `import barq\n\nqueue = barq.Queue(${JSON.stringify(live.queue)})\n\n\n@queue.task\nasync def hello(name: str) -> str:\n    return f"hello {name}"\n`,
    ),
    code("barq worker app:queue"),
  );
