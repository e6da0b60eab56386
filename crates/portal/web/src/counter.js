import { all, fill, say } from "./dom.js";

/** How long to wait after the last key before the count is read aloud. */
const PAUSE_MS = 800;

/** Counts the characters of a field against its limit, as the server does: whole characters, trimmed, line breaks as one. */
export function setUpCounters() {
  for (const counter of all("[data-teller]")) {
    const field = document.getElementById(counter.dataset.teller ?? "");
    if (field instanceof HTMLTextAreaElement || field instanceof HTMLInputElement) count(counter, field);
  }
}

/**
 * @param {HTMLElement} counter
 * @param {HTMLTextAreaElement | HTMLInputElement} field
 */
function count(counter, field) {
  const limit = counter.textContent ?? "";
  let timer = 0;
  const show = () => {
    const left = Number(counter.dataset.maks) - [...field.value.trim()].length;
    const text = fill(left < 0 ? counter.dataset.over : counter.dataset.under, { n: Math.abs(left) });
    counter.textContent = field.value ? text : limit;
    counter.classList.toggle("teller--over", left < 0);
    return text;
  };
  field.addEventListener("input", () => {
    const text = show();
    clearTimeout(timer);
    timer = setTimeout(() => say(text), PAUSE_MS);
  });
  show();
}
