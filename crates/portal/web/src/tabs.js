import { all } from "./dom.js";

/** Keeps the current tab in view where the tabs are wider than the screen, also when the screen is turned. */
export function showCurrentTab() {
  for (const tabs of all(".faner")) new ResizeObserver(() => center(tabs)).observe(tabs);
}

/** @param {HTMLElement} tabs */
function center(tabs) {
  const current = tabs.querySelector("[aria-current]");
  if (current instanceof HTMLElement) tabs.scrollLeft = current.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
}
