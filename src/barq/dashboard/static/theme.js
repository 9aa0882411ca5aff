// Light or dark, before anything is drawn: as the system has it, or as was chosen here.
"use strict";
try {
  const chosen = localStorage.getItem("barq-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing
}
