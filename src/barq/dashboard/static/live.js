// The overview as it comes: one stream, which is shared with all other viewers; where streams do not get through, by asking.

import { get } from "./api.js";
import { draw, state } from "./state.js";

const SILENCE_MS = 6000;
const POLL_MS = 2000;
const FAILURES_BEFORE_POLLING = 3;

let source = null;
let timer = null;
let failures = 0;
const listeners = new Set();

export const onLook = (listener) => listeners.add(listener);

function take(overview) {
  state.live = overview;
  state.trouble = "";
  for (const listener of listeners) listener(overview);
  draw();
}

function away(words) {
  state.status = "away";
  state.trouble = words;
  draw();
}

function follow() {
  source = new EventSource("overview/stream");
  source.addEventListener("overview", (event) => {
    failures = 0;
    state.status = "live";
    take(JSON.parse(event.data));
    watch();
  });
  source.addEventListener("problem", (event) => {
    away(JSON.parse(event.data).detail);
    watch();
  });
  source.onerror = failed;
  watch();
}

/** A stream that says nothing for long is as good as dead: somebody between us may keep it back. */
function watch() {
  clearTimeout(timer);
  timer = setTimeout(failed, SILENCE_MS);
}

function failed() {
  stop();
  failures += 1;
  if (failures < FAILURES_BEFORE_POLLING) timer = setTimeout(follow, 500 * failures);
  else poll();
}

async function poll() {
  stop();
  try {
    take(await get("overview"));
    state.status = "polling";
    failures += 1;
  } catch (error) {
    away(error.message);
  }
  if (document.hidden) return;
  // now and then it is worth trying the stream again; when nothing answers at all, at once
  timer = setTimeout(state.status === "away" || failures % 15 === 0 ? follow : poll, POLL_MS);
}

function stop() {
  source?.close();
  source = null;
  clearTimeout(timer);
}

export function start() {
  // a browser has few connections to one host: pages that nobody sees give theirs back
  document.addEventListener("visibilitychange", () => {
    stop();
    if (!document.hidden) follow();
  });
  follow();
}
