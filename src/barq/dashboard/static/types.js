// Types: a row for each, with what a person wants to know and to do about it.

import * as acts from "./acts.js";
import { allAtOnce } from "./bulk.js";
import { sparkline } from "./charts.js";
import { coarse, count, duration, full, number, quoted, rate, seconds, sum } from "./format.js";
import { a, button, card, counted, sign, table } from "./parts.js";
import * as route from "./route.js";
import { ago, now } from "./state.js";
import { h } from "./vdom.js";

export const LATE_SECONDS = 60;

const spread = (times) => (times ? `${duration(times.p50)} / ${duration(times.p95)}` : "–");
/** The minute that goes on counts as it will have been, once enough of it is over to tell. */
function steady(counts) {
  const passed = now() % 60;
  if (!counts?.length || passed < 20) return counts?.slice(0, -1);
  return [...counts.slice(0, -1), (counts.at(-1) * 60) / passed];
}

const failedOf = (type) => `state:failed type:${quoted(type)}`;

export function typesCard(live) {
  const columns = [
    { head: "Type", kind: "main", cell: typeName },
    {
      head: "15 min",
      kind: "wide",
      cell: (row) => sparkline(steady(row.spark), `${full(sum(row.spark || []))} completed in the last 15 minutes`),
    },
    { head: "Waiting", number: true, cell: (row) => linked(row, "waiting") },
    { head: "Running", number: true, cell: (row) => linked(row, "active") },
    {
      head: "Failed",
      number: true,
      cell: (row) => a(route.jobs(failedOf(row.type)), null, counted(row.counts.failed, "failed")),
    },
    { head: "Per second", number: true, cell: (row) => rate(row.rate) },
    { head: "Oldest waiting", number: true, cell: (row) => oldest(row) },
    { head: "Wait p50 / p95", number: true, kind: "roomy pair", cell: (row) => spread(row.waiting) },
    { head: "Run p50 / p95", number: true, kind: "pair", cell: (row) => spread(row.running) },
    { head: "", kind: "acts", cell: typeActs },
  ];
  return card(
    "Types",
    { actions: h("kbd", { class: "hint" }, "j k move · enter open · r retry failed · p pause") },
    table(columns, live.types, {
      key: (row) => row.type,
      href: (row) => route.jobs(`type:${quoted(row.type)}`),
      caption: "Types of jobs",
    }),
    live.more_types > 0 && h("p", { class: "quiet" }, `${count(live.more_types, "more type")} with less to see`),
  );
}

const linked = (row, name) =>
  row.counts[name]
    ? a(route.jobs(`state:${name} type:${quoted(row.type)}`), null, number(row.counts[name]))
    : h("span", { class: "quiet" }, "0");

function typeName(row) {
  return [
    a(route.jobs(`type:${quoted(row.type)}`), { class: "name" }, row.type),
    row.paused && pausedWords(row.paused),
  ];
}

export function pausedWords(paused) {
  const until = paused.until && ` until ${coarse(seconds(paused.until) - now())} from now`;
  return h(
    "span",
    { class: "paused" },
    sign("blocked"),
    "paused",
    paused.by && ` by ${paused.by}`,
    paused.reason && `: ${paused.reason}`,
    until,
  );
}

function oldest(row) {
  const age = ago(row.oldest_waiting_at);
  return age === null
    ? h("span", { class: "quiet" }, "–")
    : h("span", { class: age > LATE_SECONDS ? "late" : "" }, coarse(age));
}

function typeActs({ type, counts, paused }) {
  return [
    counts.failed > 0 &&
      button(`Retry ${number(counts.failed)}`, {
        press: "r",
        kind: "small",
        busy: `retry ${failedOf(type)}`,
        title: `Retry all failed jobs of ${type}`,
        onclick: () => allAtOnce("retry", failedOf(type)),
      }),
    paused
      ? button("Resume", {
          press: "p",
          kind: "small primary",
          busy: `pause ${type}`,
          title: `Resume ${type}`,
          onclick: () => acts.resume(type),
        })
      : button("Pause", {
          press: "p",
          kind: "small",
          busy: `pause ${type}`,
          title: `Pause ${type}`,
          onclick: () => acts.pause(type),
        }),
  ];
}
