// Server: what the queue lives on, what a person should know of it, and who has done what.

import { get } from "./api.js";
import { bytes, clock, duration, full } from "./format.js";
import { a, card, empty, facts, table, time, trouble } from "./parts.js";
import { draw, resource, state } from "./state.js";
import { h } from "./vdom.js";

const PAGE = 50;
let older = [];
const audit = resource((signal) => get("audit", { limit: PAGE }, signal));

export const server = {
  title: () => "Server",
  enter() {
    older = [];
    audit.load();
  },
  leave: () => audit.stop(),
  changed: () => audit.load({ quietly: true }),
  view() {
    const told = state.live?.server;
    return [
      h("div", { class: "page-head" }, h("h1", null, "Server")),
      told
        ? [warnings(told), h("div", { class: "columns" }, about(told), kept(told))]
        : h("p", { class: "quiet", role: "status" }, state.trouble || "Reading the server …"),
      auditCard(),
    ];
  },
};

const MARKS = { bad: "✕", warn: "!", ok: "✓" };

/** What `barq doctor` says, where it is not all well; else that it is. */
function warnings({ warnings: words, doctor = [] }) {
  const found = doctor.filter((one) => one.mark !== "ok").map((one) => [one.mark, `${one.check}: ${one.says}`]);
  const all = found.length ? found : words.map((one) => ["warn", one]);
  if (!all.length) return h("p", { class: "fine" }, "✓ nothing to worry about");
  return h(
    "section",
    { class: "card warn", "aria-label": "Worth knowing" },
    h("header", null, h("h2", null, "Worth knowing")),
    h(
      "ul",
      null,
      all.map(([mark, one]) =>
        h("li", null, h("span", { class: "sign", "aria-hidden": "true" }, MARKS[mark] || "!"), one),
      ),
    ),
  );
}

const about = (told) =>
  card(
    "Server",
    {},
    facts([
      ["Software", `${told.name} ${told.version}`],
      ["Address", told.address],
      ["Up for", duration(told.uptime_seconds)],
      ["Connections", full(told.clients)],
      ["Commands per second", full(told.commands_per_second)],
      ["API", a("openapi.json", { target: "_blank" }, "openapi.json")],
    ]),
  );

function kept({ memory, persistence }) {
  const share = memory.limit ? memory.used / memory.limit : null;
  return card(
    "Memory and disk",
    {},
    facts([
      ["Memory", memory.limit ? `${bytes(memory.used)} of ${bytes(memory.limit)}` : `${bytes(memory.used)}, no limit`],
      share !== null && [
        "Used",
        h(
          "span",
          { class: "progress" },
          h("progress", { value: share, max: 1, "aria-label": "memory used" }),
          h("span", { class: "percent" }, `${Math.round(share * 100)}%`),
        ),
      ],
      ["Peak", bytes(memory.peak)],
      [
        "Append-only file",
        persistence.append_only ? (persistence.append_only_ok ? "on" : "on, but its last write failed") : "off",
      ],
      ["Last snapshot", persistence.snapshot_ok ? "went well" : "failed"],
      ["Changes since", full(persistence.changes_since_snapshot)],
    ]),
  );
}

// ---- who has done what

function auditCard() {
  const told = audit.value;
  const rows = told ? [...told.acts, ...older] : [];
  const next = older.length ? older.next : told?.next;
  const columns = [
    { head: "When", kind: "when", cell: (act) => h("span", { title: clock(act.at, { day: true }) }, time(act.at)) },
    { head: "Who", kind: "main", cell: (act) => act.by || "–" },
    { head: "Did", cell: (act) => act.act },
    { head: "To", cell: (act) => h("span", { class: "clip" }, target(act)) },
    { head: "Before", kind: "roomy", cell: (act) => value(act.before) },
    { head: "After", kind: "roomy", cell: (act) => value(act.after) },
  ];
  return card(
    "Who has done what",
    {},
    trouble(audit.error),
    told &&
      (rows.length
        ? table(columns, rows, {
            key: (act) => `${act.at} ${act.act} ${act.target}`,
            caption: "Acts, the latest first",
          })
        : empty(
            "Nobody has done anything yet",
            "Acts through the API, this dashboard and the command line are written down here.",
          )),
    next && h("button", { type: "button", onclick: () => more(next) }, "Older"),
  );
}

async function more(before) {
  const told = await get("audit", { limit: PAGE, before });
  older = Object.assign([...older, ...told.acts], { next: told.next });
  draw();
}

const target = (act) => [String(act.target ?? ""), act.count > 1 && ` (${full(act.count)} jobs)`];

function value(told) {
  if (told === null || told === undefined || told === "") return h("span", { class: "quiet" }, "–");
  return h("span", { class: "clip" }, typeof told === "string" ? told : inWords(told));
}

/** A pause in words; else what it is. */
function inWords(told) {
  if (typeof told !== "object" || !("by" in told && "at" in told)) return JSON.stringify(told);
  return [
    "paused",
    told.by && ` by ${told.by}`,
    told.reason && `: ${told.reason}`,
    told.until && `, until ${clock(told.until, { day: true })}`,
  ]
    .filter(Boolean)
    .join("");
}
