import { all } from "./dom.js";

/** Puts focus on what the page was loaded for: the list of errors, what came of the last POST, or the row just added. */
export function focusFirst() {
  all("[data-fokus]")[0]?.focus();
}
