// Failures: grouped by type, error and place.

import { get } from "./api.js";
import { allAtOnce, allWithCount } from "./bulk.js";
import { count, full, quoted } from "./format.js";
import { a, button, card, counted, empty, table, time, trouble } from "./parts.js";
import * as route from "./route.js";
import { resource, state } from "./state.js";
import { h } from "./vdom.js";

const groups = resource((signal) => get("failures", { type: state.route.query.type }, signal));
let ticks = 0;

export const failures = {
  title: () => "Failures",
  enter: () => groups.load(),
  leave: () => groups.stop(),
  changed: () => groups.load({ quietly: true }),
  tick() {
    ticks += 1;
    if (ticks % 3 === 0) groups.load({ quietly: true });
  },
  view() {
    const told = groups.value;
    const type = state.route.query.type;
    const where = `state:failed${type ? ` type:${quoted(type)}` : ""}`;
    const any = told?.groups.length > 0;
    return [
      h(
        "div",
        { class: "page-head" },
        h(
          "h1",
          null,
          "Failures",
          type && h("span", { class: "sub" }, ` of ${type} `, a(route.link("failures"), null, "all types")),
        ),
        any &&
          h(
            "div",
            { class: "actions" },
            button("Retry all …", { onclick: () => allWithCount("retry", where, "Retry all failed jobs?") }),
            button("Discard all …", {
              kind: "danger",
              onclick: () => allWithCount("remove", where, "Remove all failed jobs?"),
            }),
          ),
      ),
      typeChips(),
      trouble(groups.error),
      told &&
        card(
          any ? summary(told) : "Failures",
          {},
          any
            ? failuresTable(told.groups, {})
            : empty(
                "No failed jobs",
                "A job that has used up its attempts stays here until it is retried, removed, or forgotten after its retention.",
              ),
        ),
      !told && !groups.error && h("p", { class: "quiet", role: "status" }, "Reading the failures …"),
    ];
  },
};

const summary = ({ groups: found, looked_at, total }) =>
  `${count(found.length, "kind")} of failure${looked_at < total ? `, among the newest ${full(looked_at)} of ${full(total)}` : ""}`;

function typeChips() {
  const failed = (state.live?.types || []).filter((type) => type.counts.failed);
  if (failed.length < 2) return null;
  const chosen = state.route.query.type;
  return h(
    "div",
    { class: "chips" },
    failed.map(({ type, counts }) =>
      a(
        route.link("failures", { type: type === chosen ? "" : type }),
        { class: "chip", "aria-current": type === chosen ? "true" : undefined },
        type,
        " ",
        counted(counts.failed, "failed"),
      ),
    ),
  );
}

export function failuresTable(rows, { brief = false }) {
  const columns = [
    { head: "Error", kind: "main", cell: (group) => error(group) },
    {
      head: "Jobs",
      number: true,
      cell: (group) => a(route.jobs(group.where), { title: "See them" }, full(group.count)),
    },
    !brief && { head: "First", number: true, cell: (group) => time(group.first_at) },
    { head: "Last", number: true, cell: (group) => time(group.last_at, { suffix: brief ? "" : " ago" }) },
    { head: "", kind: "acts", cell: (group) => groupActs(group, brief) },
  ].filter(Boolean);
  return table(columns, rows, {
    key: (group) => group.where,
    href: (group) => route.job(group.sample_id),
    caption: "Failures by error",
  });
}

const error = (group) => [
  a(
    route.job(group.sample_id),
    { class: "error clip", title: "The latest, with its traceback" },
    h("strong", null, group.error),
    group.message && `: ${group.message}`,
  ),
  h("span", { class: "sub" }, group.type, group.place && ` · ${group.place}`),
];

const groupActs = (group, brief) => [
  button(brief ? "Retry all" : `Retry ${full(group.count)}`, {
    press: "r",
    kind: "small",
    busy: `retry ${group.where}`,
    title: "Retry all of them",
    onclick: () => allAtOnce("retry", group.where),
  }),
  !brief &&
    button("Discard …", {
      kind: "small danger",
      title: "Remove all of them",
      onclick: () => allWithCount("remove", group.where, "Remove these failed jobs?"),
    }),
];
