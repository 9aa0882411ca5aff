// The HTTP API: every call goes through `ask`. Paths are relative to where the page is.

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail);
    Object.assign(this, { status, code });
  }
}

export async function ask(path, { method = "GET", body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: typeof body === "string" || body === undefined ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "no-answer", "the dashboard does not answer: is it running?");
  }
  const told = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return told;
  throw new Problem(answer.status, told?.code ?? "", told?.detail ?? `${answer.status} ${answer.statusText}`);
}

export const get = (path, query = {}, signal) => ask(path + search(query), { signal });
export const post = (path, body) => ask(path, { method: "POST", body });

export function search(query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

export const at = (...parts) => parts.map((part) => encodeURIComponent(part)).join("/");
