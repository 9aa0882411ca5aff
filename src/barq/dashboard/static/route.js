// Where one is: everything stands in the address behind the #, so that reload, back and a link to somebody work.

import { search } from "./api.js";

export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [page = "", ...rest] = path.split("/").map(decoded);
  return { page: page || "overview", id: rest.join("/"), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `link("jobs", { q: "state:failed" })`, `link("job", {}, 12)` */
export function link(page, query = {}, id = "") {
  const path = page === "overview" ? "" : page + (id === "" ? "" : `/${encodeURIComponent(id)}`);
  return `#/${path}${search(query)}`;
}

export const jobs = (q) => link("jobs", { q });
export const job = (id) => link("job", {}, id);

export const go = (where) => {
  location.hash = where;
};
