// Jobs: what a query finds, by state, and what can be done with all of it.

import * as acts from "./acts.js";
import { get } from "./api.js";
import { allWithCount, VERBS } from "./bulk.js";
import { duration, number, seconds } from "./format.js";
import { badge, a, button, card, empty, jobCell, progress, sign, STATES, table, time, trouble } from "./parts.js";
import * as query from "./query.js";
import * as route from "./route.js";
import { ago, now, resource, state } from "./state.js";
import { h } from "./vdom.js";

const LIMIT = 50;
const EVERY_TICKS = 3;
const LOOKS = 5000; // for the count of a state; beyond it says "and more"
const VERBS_OF = {
  waiting: ["cancel", "remove"],
  delayed: ["promote", "cancel", "remove"],
  active: ["cancel"],
  completed: ["retry", "remove"],
  failed: ["retry", "remove"],
  cancelled: ["retry", "remove"],
  blocked: ["retry", "cancel", "remove"],
};

const asked = () => state.route.query.q || "";
/** A state and a type alone are a listing, which has an order; the rest is a search, the latest first. */
const lists = () => !query.searches(asked()) && statesOf(asked()).length < 2;
const which = () =>
  lists() ? { state: statesOf(asked())[0], type: query.value(asked(), "type"), order: order() } : { q: asked() };
const LIVE = ["waiting", "delayed", "active"];
const order = () => state.route.query.order || (LIVE.includes(statesOf(asked())[0]) ? "line" : "newest");
const ended = () => statesOf(asked()).length > 0 && !LIVE.includes(statesOf(asked())[0]);
const page = resource((signal) => get("jobs", { ...which(), limit: LIMIT, after: state.route.query.after }, signal));
const counts = resource(readCounts);
let ticks = 0;

export const jobs = {
  title: () => asked() || "Jobs",
  enter() {
    page.load();
    counts.value = null;
    if (query.searches(asked())) counts.load();
  },
  leave() {
    page.stop();
    counts.stop();
  },
  changed: () => page.load({ quietly: true }),
  tick() {
    ticks += 1;
    if (ticks % EVERY_TICKS === 0 && !page.error) page.load({ quietly: true });
  },
  view() {
    const told = page.value;
    return [
      h(
        "div",
        { class: "page-head" },
        h("h1", null, "Jobs"),
        told && !page.error && (told.jobs.length > 0 || told.next) && h("div", { class: "actions" }, actsOnAll()),
      ),
      chips(),
      trouble(page.error),
      told &&
        !page.error &&
        card(
          [
            asked() ? h("code", { class: "query" }, asked()) : "All jobs",
            byType() && h("span", { class: "quiet" }, ", type by type"),
          ],
          { actions: lists() && orders() },
          told.jobs.length ? jobsTable(told.jobs) : nothing(told),
          pages(told),
        ),
      !told && !page.error && h("p", { class: "quiet", role: "status" }, "Searching …"),
    ];
  },
};

/** The order is that of each type's own line; the newest of one state come as one list. */
const byType = () =>
  lists() &&
  !query.value(asked(), "type") &&
  state.live?.types.length > 1 &&
  (order() === "line" || !statesOf(asked()).length);

// ---- by state

/** With words in the query each state is counted by the server; else the overview knows it. */
async function readCounts(signal) {
  const q = asked();
  const total = state.live?.counts || {};
  const states = STATES.filter((name) => total[name] !== 0);
  const found = await Promise.all(
    states.map((name) => get("jobs/count", { q: query.replaced(q, "state", name), looks: LOOKS }, signal)),
  );
  return Object.fromEntries(states.map((name, at) => [name, found[at]]));
}

function countOf(name) {
  if (query.searches(asked())) {
    const told = counts.value?.[name];
    if (!counts.value) return null;
    return told ? `${number(told.count)}${told.exact ? "" : "+"}` : "0";
  }
  const type = query.value(asked(), "type");
  const from = type ? state.live?.types.find((row) => row.type === type)?.counts : state.live?.counts;
  return from ? number(from[name]) : null;
}

const statesOf = (q) => query.value(q, "state").split(",").filter(Boolean);

function chips() {
  const chosen = statesOf(asked());
  const chip = (name) =>
    a(
      route.jobs(query.replaced(asked(), "state", chosen.includes(name) ? "" : name)),
      { class: `chip ${name}`, "aria-current": chosen.includes(name) ? "true" : undefined, "data-state": name },
      sign(name),
      name,
      " ",
      h("strong", null, countOf(name)),
    );
  const type = query.value(asked(), "type");
  return h(
    "div",
    { class: "chips", role: "group", "aria-label": "States" },
    STATES.filter((name) => name !== "blocked" || state.live?.counts.blocked || chosen.includes(name)).map(chip),
    type &&
      a(route.jobs(query.replaced(asked(), "type", "")), { class: "chip", title: "All types" }, `type:${type}`, " ×"),
  );
}

function actsOnAll() {
  const [first, ...others] = statesOf(asked()).map((name) => VERBS_OF[name] || []);
  return (first || [])
    .filter((verb) => others.every((verbs) => verbs.includes(verb)))
    .map((verb) =>
      button(`${VERBS[verb].words} all …`, {
        kind: VERBS[verb].kind,
        onclick: () => allWithCount(verb, asked()),
      }),
    );
}

function orders() {
  const to = (words, value) =>
    a(
      route.link("jobs", { q: asked(), order: value }),
      { "aria-current": order() === value ? "true" : undefined, class: "chip small" },
      words,
    );
  return h("div", { class: "chips" }, to(ended() ? "Oldest first" : "As they will run", "line"), to("Newest first", "newest"));
}

const nothing = (told) => {
  if (told.next) return empty("None on this page", "The next one may have some.");
  return asked()
    ? empty(
        "No job matches",
        "Words match id, type, title, error or indexed fields; state:failed, type:email, age>1h narrow it down. ? tells more.",
      )
    : empty(
        "No jobs yet",
        "Store one:",
        `barq enqueue hello '{"name": "Ann"}' --queue ${state.live?.queue ?? "default"}`,
      );
};

const pages = (told) => {
  const { after, order } = state.route.query; // as it was chosen, if it was
  if (!after && !told.next) return null;
  return h(
    "nav",
    { class: "pages", "aria-label": "Pages" },
    after && a(route.link("jobs", { q: asked(), order }), null, "First page"),
    told.next && a(route.link("jobs", { q: asked(), order, after: told.next }), { rel: "next" }, "Next page"),
  );
};

// ---- the table

function jobsTable(rows) {
  const columns = [
    { head: "Job", kind: "main", cell: jobCell },
    { head: "State", cell: (job) => badge(job.state) },
    { head: "What", kind: "what", cell: what },
    {
      head: "Attempt",
      number: true,
      cell: (job) =>
        job.attempts > 1 || job.attempt > 1 ? `${number(job.attempt)} of ${number(job.attempts)}` : number(job.attempt),
    },
    { head: "When", number: true, cell: when },
    { head: "", kind: "acts", cell: jobActs },
  ];
  return table(columns, rows, { key: (job) => job.id, href: (job) => route.job(job.id), caption: "Jobs" });
}

const LONGEST = 160;
const brief = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
};

function what(job) {
  if (job.state === "active") return progress(job.progress?.percent ?? 0, `progress of job ${job.id}`);
  if (job.error && job.state !== "completed")
    return a(
      route.job(job.id),
      { class: "error clip" },
      h("strong", null, job.error.type),
      job.error.message && `: ${job.error.message}`,
    );
  if (job.state === "delayed" && job.due_at) return `due in ${duration(seconds(job.due_at) - now())}`;
  return job.data === null ? null : h("span", { class: "clip mono quiet" }, brief(job.data));
}

function when(job) {
  if (job.state === "active") return h("span", { title: job.started_at }, `for ${duration(ago(job.started_at))}`);
  return time(job.ended_at || job.created_at);
}

export function jobActs(job) {
  const small = { kind: "small" };
  switch (job.state) {
    case "failed":
    case "cancelled":
    case "completed":
    case "blocked":
      return button("Retry", { ...small, press: "r", busy: `retry ${job.id}`, onclick: () => acts.retry(job.id) });
    case "delayed":
      return [
        button("Promote", {
          ...small,
          busy: `promote ${job.id}`,
          title: "Do not wait for its time",
          onclick: () => acts.promote(job.id),
        }),
        cancelButton(job),
      ];
    default:
      return cancelButton(job);
  }
}

const cancelButton = (job) =>
  button("Cancel", { kind: "small", press: "c", busy: `cancel ${job.id}`, onclick: () => acts.cancel(job.id) });
