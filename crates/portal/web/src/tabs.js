import { all } from "./dom.js";

/** Brings the current tab into view where the tabs are wider than the screen. */
export function showCurrentTab() {
  for (const tabs of all(".faner")) {
    const current = tabs.querySelector("[aria-current]");
    if (current instanceof HTMLElement) tabs.scrollLeft = current.offsetLeft - (tabs.clientWidth - current.offsetWidth) / 2;
  }
}
