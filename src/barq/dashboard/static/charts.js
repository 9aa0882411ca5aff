// Charts, drawn as SVG: throughput above, failures below, on one line of time; and the small ones of the tables.

import { clock, full, rate } from "./format.js";
import { draw, now } from "./state.js";
import { h } from "./vdom.js";

const WIDE = 1000;
const HIGH = 100;
let hovered = null;

/** What a history says, per point: seconds since the epoch, completed a second, failed. */
export function series(history) {
  const step = history.step_seconds;
  return history.points.map((point) => {
    const at = Date.parse(point.at) / 1000;
    const took = Math.min(step, Math.max(step / 4, now() - at)); // the last one is not over yet
    const { completed, failed, retried } = point;
    return {
      at,
      perSecond: (completed || 0) / took,
      completed: completed || 0,
      failed: failed || 0,
      retried: retried || 0,
    };
  });
}

export function throughput(history) {
  const points = begun(series(history), history.step_seconds);
  const most = nice(Math.max(...points.map((point) => point.perSecond)));
  const worst = nice(Math.max(...points.map((point) => point.failed)), true);
  const shown = hovered !== null && points[hovered];
  return h(
    "div",
    {
      class: "plot",
      tabindex: 0,
      role: "img",
      "aria-label": spoken(points, history),
      onpointermove: (event) => hover(event, points.length),
      onpointerleave: () => select(null),
      onblur: () => select(null),
      onkeydown: (event) => step(event, points.length),
    },
    h("div", { class: "plot-area" }, gridded(most), scaled(area(points, most), "area")),
    h("div", { class: "plot-bars" }, h("span", { class: "tick" }, full(worst)), scaled(bars(points, worst), "bars")),
    axis(points, history),
    shown && marker(shown, points, history),
  );
}

/** Without the last point when it has only begun: it would tell more of chance than of the queue. */
const begun = (points, step) =>
  points.length > 2 && now() - points.at(-1).at < step / 4 ? points.slice(0, -1) : points;

const scaled = (shapes, name) =>
  h("svg", { class: name, viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" }, shapes);

const x = (index, length) => (length < 2 ? WIDE : (index / (length - 1)) * WIDE);

function area(points, most) {
  const line = points.map(
    (point, at) => `${x(at, points.length).toFixed(1)},${(HIGH - (point.perSecond / most) * (HIGH - 3)).toFixed(1)}`,
  );
  return [
    h("path", { class: "fill", d: `M0,${HIGH} L${line.join(" L")} L${WIDE},${HIGH} Z` }),
    h("path", { class: "line", d: `M${line.join(" L")}` }),
  ];
}

function bars(points, worst) {
  const wide = Math.max(2, (WIDE / points.length) * 0.7);
  return points.map((point, at) => {
    const high = point.failed ? Math.max(6, (point.failed / worst) * HIGH) : 0;
    const left = Math.max(0, x(at, points.length) - wide / 2);
    const right = Math.min(WIDE, x(at, points.length) + wide / 2);
    const [top, width] = [HIGH - high, right - left].map((value) => value.toFixed(1));
    return high > 0 && h("rect", { x: left.toFixed(1), y: top, width, height: high.toFixed(1) });
  });
}

const gridded = (most) =>
  [1, 0.5, 0].map((share) =>
    h(
      "div",
      { class: "grid-line", style: { top: `${3 + (1 - share) * 97}%` } },
      share > 0 && h("span", { class: "tick" }, `${rate(most * share)}/s`),
    ),
  );

function axis(points, history) {
  const many = innerWidth < 700 ? 3 : 6;
  const marks = Array.from({ length: many }, (_, at) => Math.round(((points.length - 1) * at) / (many - 1)));
  return h(
    "div",
    { class: "axis", "aria-hidden": "true" },
    marks.map((at) => points[at] && h("span", null, label(points[at].at, history))),
  );
}

function label(at, history) {
  if (history.span === "7d") return clock(at * 1000, { day: true, exactly: false }).slice(5, 10);
  return clock(at * 1000, { exactly: false });
}

function marker(point, points, history) {
  const share = points.length < 2 ? 1 : hovered / (points.length - 1);
  return h(
    "div",
    { class: share > 0.6 ? "marker left" : "marker", style: { left: `${share * 100}%` } },
    h(
      "div",
      { class: "tip" },
      h(
        "strong",
        null,
        clock(point.at * 1000, {
          day: history.span === "7d" || history.span === "24h",
          exactly: history.step_seconds < 60,
        }),
      ),
      h("span", null, `${full(point.completed)} completed, ${rate(point.perSecond)}/s`),
      h("span", null, `${full(point.failed)} failed, ${full(point.retried)} retried`),
    ),
  );
}

function hover(event, length) {
  const box = event.currentTarget.getBoundingClientRect();
  select(Math.round(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (length - 1)));
}

function step(event, length) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  select(Math.min(length - 1, Math.max(0, (hovered ?? length - 1) + by)));
}

function select(index) {
  if (hovered === index) return;
  hovered = index;
  draw();
}

function spoken(points, history) {
  const total = points.reduce((sum, point) => sum + point.completed, 0);
  const failed = points.reduce((sum, point) => sum + point.failed, 0);
  return `Throughput of the last ${history.span}: ${full(total)} completed, ${full(failed)} failed. Arrow keys read single points.`;
}

/** The next round number above. */
export function nice(value, whole = false) {
  if (!(value > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  const found = [1, 2, 2.5, 5, 10].map((times) => times * size).find((one) => one >= value * 0.999);
  return whole ? Math.max(1, Math.ceil(found)) : found;
}

export function sparkline(values, words) {
  if (!values?.length) return h("span", { class: "quiet" }, "–");
  const most = Math.max(1, ...values);
  const line = values.map(
    (value, at) =>
      `${((at / Math.max(1, values.length - 1)) * 100).toFixed(1)},${(22 - (value / most) * 20).toFixed(1)}`,
  );
  return h(
    "svg",
    { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": words },
    h("path", { class: "fill", d: `M0,24 L${line.join(" L")} L100,24 Z` }),
    h("path", { class: "line", d: `M${line.join(" L")}` }),
  );
}
