// What is known at the moment, for all views. Whoever changes it calls `draw`.

export const state = {
  live: null, // the newest overview
  status: "starting", // live, polling, away
  trouble: "", // why nothing comes
  route: null,
  dialog: null,
  toasts: [],
  busy: new Set(), // acts under way
};

let drawing = () => {};
let asked = false;

export const drawWith = (function_) => {
  drawing = function_;
};

export function draw() {
  if (asked) return;
  asked = true;
  const now = () => {
    if (!asked) return;
    asked = false;
    drawing();
  };
  requestAnimationFrame(now);
  setTimeout(now, 200); // a window in the background has no frames
}

/** Seconds since the epoch by the clock of the server, as of the newest overview. */
export const now = () => (state.live ? Date.parse(state.live.at) / 1000 : Date.now() / 1000);

export const ago = (time) => (time ? now() - Date.parse(time) / 1000 : null);

export const readOnly = () => Boolean(state.live?.read_only);

/** Something that a page reads: its value, whether it is on its way, and why it did not come. */
export function resource(load) {
  let running = null;
  const made = {
    value: null,
    error: null,
    loading: false,
    async load({ quietly = false } = {}) {
      if (quietly && running) return;
      running?.abort();
      const control = (running = new AbortController());
      made.loading = true;
      if (!quietly) draw();
      try {
        const value = await load(control.signal);
        if (running === control) Object.assign(made, { value, error: null });
      } catch (error) {
        if (error.name !== "AbortError" && running === control) made.error = error;
      }
      if (running === control) {
        running = null;
        made.loading = false;
        draw();
      }
    },
    stop() {
      running?.abort();
      running = null;
    },
  };
  return made;
}
