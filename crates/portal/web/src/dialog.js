/** Opens the dialog of a link that without script leads to a page of its own, and closes it by the buttons that name it. */
export function setUpDialogs() {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!(event.target instanceof Element)) return;
    const opener = event.target.closest("[data-dialog]");
    const dialog = opener instanceof HTMLElement && document.getElementById(opener.dataset.dialog ?? "");
    if (dialog instanceof HTMLDialogElement) {
      event.preventDefault();
      open(dialog);
      return;
    }
    closeByCommand(event.target);
  });
}

/**
 * Opens a dialog with focus on its heading, so that the question is read before the answers.
 * @param {HTMLDialogElement} dialog
 */
export function open(dialog) {
  dialog.showModal();
  dialog.querySelector("h2")?.focus();
}

/**
 * Browsers that know `commandfor` close the dialog themselves.
 * @param {Element} target
 */
function closeByCommand(target) {
  if ("commandForElement" in HTMLButtonElement.prototype) return;
  const id = target.closest('button[command="close"]')?.getAttribute("commandfor");
  const dialog = id && document.getElementById(id);
  if (dialog instanceof HTMLDialogElement) dialog.close();
}
