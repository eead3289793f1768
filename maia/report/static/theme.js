// Runs before the first paint: a remembered theme must not flash in the other one.
"use strict";
try {
  const theme = localStorage.getItem("maia-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // no storage, as from disk in some browsers: the system's theme holds
}
