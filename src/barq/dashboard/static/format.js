// Numbers, times and names in words.

const exact = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });

export const number = (value) => (Math.abs(value) < 100_000 ? exact.format(value) : compact.format(value));
export const full = (value) => exact.format(value);

/** `3 jobs`, `1 job`. */
export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export function rate(value) {
  if (!value) return "0";
  if (value < 0.01) return "<0.01";
  if (value < 10) return String(Number(value.toPrecision(2)));
  return value < 100 ? String(Number(value.toFixed(1))) : number(Math.round(value));
}

/** Seconds as people say them: 400 ms, 7.7 s, 1 min 31 s, 3 h 12 min, 2 d 4 h. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0) return duration(-seconds);
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const parts = [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  let rest = Math.round(seconds);
  const first = parts.findIndex(([, size]) => rest >= size);
  const said = [];
  for (const [unit, size] of parts.slice(first, first + 2)) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole) said.push(`${whole} ${unit}`);
  }
  return said.join(" ");
}

/** The same, coarse, for how long ago something was: 12 s, 3 min, 2 h, 5 d. */
export function coarse(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const past = Math.max(0, seconds);
  for (const [unit, size] of [
    ["d", 86400],
    ["h", 3600],
    ["min", 60],
  ])
    if (past >= size) return `${Math.floor(past / size)} ${unit}`;
  return `${Math.floor(past)} s`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${at && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

export const seconds = (time) => (time ? Date.parse(time) / 1000 : null);

export function clock(time, { day = false, exactly = true } = {}) {
  const at = new Date(time);
  const two = (value) => String(value).padStart(2, "0");
  const hours = `${two(at.getHours())}:${two(at.getMinutes())}${exactly ? `:${two(at.getSeconds())}` : ""}`;
  return day ? `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hours}` : hours;
}

/** A word of the query language, quoted where it has to be. */
export const quoted = (word) => (/^[\p{L}\p{N}_.-]+$/u.test(word) ? word : `"${word.replace(/(["\\])/g, "\\$1")}"`);

export const json = (value) => JSON.stringify(value, null, 2);

export const sum = (values) => values.reduce((total, value) => total + (value || 0), 0);
