import { all, fill } from "./dom.js";

/** «Kopier»: the value beside the button, or the one it carries. */
export function setUpCopying() {
  for (const button of all("[data-kopier]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

/** A browser keeps a page that was left, as it looked, for Back. A secret must not be in it. */
export function clearSecrets() {
  for (const secret of all("[data-hemmelig]")) secret.remove();
}

/** @param {HTMLElement} button */
async function copy(button) {
  const code = button.parentElement?.querySelector("code");
  const value = button.dataset.verdi ?? code?.textContent ?? "";
  const status = document.getElementById("kopistatus");
  const felt = button.dataset.kopier ?? "";
  let text;
  try {
    await navigator.clipboard.writeText(value);
    text = fill(status?.dataset.kopiert, { felt });
  } catch {
    // No clipboard without https, or the browser was told not to.
    select(code ?? showValue(button, value));
    text = fill(status?.dataset.markert, { felt });
  }
  if (!status) return;
  // The same text twice is not read aloud twice.
  status.textContent = "";
  setTimeout(() => (status.textContent = text), 50);
}

/**
 * Puts the value of «Kopier alle» on the page, to be marked.
 * @param {HTMLElement} button
 * @param {string} value
 */
function showValue(button, value) {
  const shown = button.nextElementSibling;
  if (shown instanceof HTMLPreElement) return shown;
  const pre = document.createElement("pre");
  pre.className = "kopi__alt";
  pre.dataset.hemmelig = "";
  pre.textContent = value;
  button.after(pre);
  return pre;
}

/** @param {Node} node */
function select(node) {
  getSelection()?.selectAllChildren(node);
}
