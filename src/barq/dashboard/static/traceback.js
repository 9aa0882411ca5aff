// A traceback of Python, read: one's own frames first, then all of it.

import { h } from "./vdom.js";

const FRAME = /^ {2}File "(.*)", line (\d+), in (.*)$/;
const FOREIGN = [
  /[\\/](site|dist)-packages[\\/]/,
  /[\\/]lib[\\/]python\d/,
  /^</,
  /[\\/]barq[\\/](worker|queue|task|handlers|job|aio)\b/,
];

/** Its frames, innermost last: file, line, function, and the lines of code shown of it. */
export function frames(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const [, file, number, where] = line.match(FRAME) || [];
    if (file !== undefined)
      found.push({ file, number, where, code: [], own: !FOREIGN.some((pattern) => pattern.test(file)) });
    else if (found.length && line.startsWith("    ") && !/^[\s~^]*$/.test(line)) found.at(-1).code.push(line.slice(4));
  }
  return found;
}

export function tracebackView(text, { open = false } = {}) {
  if (!text) return h("p", { class: "quiet" }, "no traceback was kept");
  const all = frames(text);
  const own = all.filter((frame) => frame.own).reverse();
  return h(
    "div",
    { class: "traceback" },
    own.length > 0 &&
      h(
        "ol",
        { class: "frames", "aria-label": "Your own frames, innermost first" },
        own.map((frame) =>
          h(
            "li",
            null,
            h(
              "div",
              null,
              h("strong", null, `${frame.file.split(/[\\/]/).slice(-2).join("/")}:${frame.number}`),
              " in ",
              frame.where,
            ),
            frame.code.length > 0 && h("pre", null, frame.code.join("\n")),
          ),
        ),
      ),
    h(
      "details",
      { open: open || !own.length },
      h("summary", null, own.length < all.length ? `Whole traceback, ${all.length} frames` : "Whole traceback"),
      h("pre", { class: "whole", tabindex: 0 }, text),
    ),
  );
}
