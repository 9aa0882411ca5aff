// The dashboard: pages by their address, drawn anew whenever something is known that was not before.

import * as acts from "./acts.js";
import { layer } from "./dialog.js";
import { failures } from "./failures.js";
import { full } from "./format.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";
import { help, listen } from "./keys.js";
import * as live from "./live.js";
import { overview } from "./overview.js";
import { a, button } from "./parts.js";
import * as route from "./route.js";
import { searchBox } from "./search.js";
import { server } from "./server.js";
import { draw, drawWith, state } from "./state.js";
import { pausedWords } from "./types.js";
import { h, patch } from "./vdom.js";
import { workers } from "./workers.js";

const PAGES = { overview, jobs, failures, job, workers, server };
const lost = {
  title: () => "Not found",
  enter() {},
  leave() {},
  view: () => [h("h1", null, "There is no such page"), a(route.link("overview"), null, "Overview")],
};

let page = null;

function goTo() {
  page?.leave();
  state.route = route.parse(location.hash);
  page = PAGES[state.route.page] || lost;
  page.enter();
  scrollTo(0, 0);
  draw();
}

// ---- what stands around every page

const LINKS = [
  ["overview", "Overview"],
  ["jobs", "Jobs"],
  ["failures", "Failures"],
  ["workers", "Workers"],
  ["server", "Server"],
];

function header() {
  const here = state.route.page === "job" ? "jobs" : state.route.page;
  return h(
    "header",
    { class: "top" },
    a(
      route.link("overview"),
      { class: "brand", "aria-label": "barq, overview" },
      h("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, h("path", { d: "M9.6 1 3 9.2h4L6 15l7-8.8H8.7z" })),
      "barq",
      state.live && h("span", { class: "queue" }, state.live.queue),
    ),
    h(
      "nav",
      { "aria-label": "Pages" },
      LINKS.map(([name, words]) =>
        a(route.link(name), { "aria-current": name === here ? "page" : undefined }, words, mark(name)),
      ),
    ),
    searchBox(),
    h(
      "div",
      { class: "tools" },
      liveSign(),
      themeSwitch(),
      button("?", { act: false, kind: "plain", title: "Keys", label: "Keys and help", onclick: help }),
    ),
  );
}

function mark(name) {
  const told = state.live;
  if (!told) return null;
  if (name === "failures" && told.counts.failed)
    return h("span", { class: "mark bad", title: "failed jobs" }, full(told.counts.failed));
  if (name === "workers" && !told.workers.length && told.types.length)
    return h("span", { class: "mark bad", title: "no worker is alive" }, "0");
  if (name === "server" && told.server?.warnings.length)
    return h("span", { class: "mark late", title: "warnings" }, "!");
  return null;
}

const WORDS = { live: "live", polling: "live, by asking", starting: "connecting", away: "no answer, trying again" };

const liveSign = () =>
  h(
    "span",
    { class: `live ${state.status}`, role: "status", id: "live", title: state.trouble || undefined },
    h("span", { class: "dot", "aria-hidden": "true" }),
    WORDS[state.status],
  );

const THEMES = { auto: ["light", "◐"], light: ["dark", "☀"], dark: ["auto", "☾"] };

function themeSwitch() {
  const chosen = document.documentElement.dataset.theme || "auto";
  const [next, shown] = THEMES[chosen];
  return button(shown, {
    act: false,
    kind: "plain",
    title: `Theme: ${chosen}`,
    label: `Theme: ${chosen}, switch to ${next}`,
    onclick: () => choose(next),
  });
}

function choose(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("barq-theme", theme);
  } catch {
    // then it holds until the page is left
  }
  draw();
}

function banners() {
  const told = state.live;
  return [
    state.status === "away" &&
      h(
        "div",
        { class: "banner bad", role: "alert", key: "away" },
        h("strong", null, "No news: "),
        state.trouble || "the dashboard does not answer",
      ),
    told?.paused &&
      h(
        "div",
        { class: "banner", key: "paused" },
        h("strong", null, "The queue is paused: "),
        pausedWords(told.paused),
        " ",
        button("Resume", { kind: "small primary", busy: "pause null", onclick: () => acts.resume(null) }),
      ),
    told?.read_only && h("div", { class: "banner", key: "read-only" }, "Read-only: nothing can be changed from here."),
  ];
}

// ---- drawing

function drawAll() {
  const bad = state.live?.counts.failed;
  document.title = `${page.title()}${bad ? ` · ${full(bad)} failed` : ""} · barq ${state.live?.queue ?? ""}`.trim();
  patch(document.getElementById("app"), [
    header(),
    h("main", { id: "main", tabindex: -1, key: state.route.page }, banners(), page.view()),
  ]);
  patch(document.getElementById("layer"), layer());
}

drawWith(drawAll);
live.onLook(() => page.tick?.());
acts.onChange(() => page.changed?.());
listen();
addEventListener("hashchange", goTo);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
goTo();
live.start();
