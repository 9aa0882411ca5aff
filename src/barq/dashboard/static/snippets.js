// A job as code: what one would write in Python, or type in a shell, to store it again.

const INDENT = "    ";

/** A value of JSON as Python writes it. */
export function python(value, depth = 0) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return pythonText(value);
  const inner = INDENT.repeat(depth + 1);
  const items = Array.isArray(value)
    ? value.map((item) => python(item, depth + 1))
    : Object.entries(value).map(([key, item]) => `${pythonText(key)}: ${python(item, depth + 1)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const flat = `${open}${items.join(", ")}${close}`;
  if (flat.length + depth * 4 < 90 && !flat.includes("\n")) return flat;
  return `${open}\n${items.map((item) => `${inner}${item},\n`).join("")}${INDENT.repeat(depth)}${close}`;
}

// JSON's escapes are Python's too, but for pairs of surrogates, which JSON.stringify leaves as they are
const pythonText = (text) =>
  JSON.stringify(text)
    .replace(/\u007f/g, "\\x7f")
    .replace(/[\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16)}`);

export const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);

function options(job) {
  const { priority, attempts, timeout, title, remove_on_complete: forget, backoff } = job;
  return Object.entries({
    priority: priority || undefined,
    attempts: attempts === 1 ? undefined : attempts,
    timeout: timeout ?? undefined,
    title: title ?? undefined,
    remove_on_complete: forget || undefined,
    backoff: backoff ?? undefined,
  }).filter(([, value]) => value !== undefined);
}

export function asPython(job, queue) {
  const given = options(job).map(([name, value]) =>
    name === "backoff" ? `backoff=${pythonBackoff(value)}` : `${name}=${python(value)}`,
  );
  const words = [pythonText(job.type), python(job.data), ...given].filter(Boolean).join(", ");
  return `import barq\nfrom barq.sync import Queue\n\nqueue = Queue(${pythonText(queue)})\njob = queue.enqueue(${words})\nprint(job.id)\n`;
}

function pythonBackoff({ kind, delay, factor, most, jitter }) {
  const given = Object.entries(kind === "fixed" ? { jitter } : { factor, most, jitter }).filter(
    ([, value]) => value !== undefined,
  );
  return `barq.${kind}(${[python(delay), ...given.map(([name, value]) => `${name}=${python(value)}`)].join(", ")})`;
}

export function asCurl(job, base) {
  const body = JSON.stringify({ type: job.type, data: job.data, ...Object.fromEntries(options(job)) });
  return `curl ${shell(new URL("jobs", base).href)} --json ${shell(body)}`;
}
