/** A form is sent once. Its button says that it is busy and stays enabled, so that it keeps focus and its value is sent. */
export function setUpSubmits() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || event.defaultPrevented || form.method === "dialog") return;
    if (form.ariaBusy === "true") {
      event.preventDefault();
      return;
    }
    // A form without an address of its own goes to that of the page, and the answer would put focus on a field that was once led to.
    if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
    form.ariaBusy = "true";
    const button = event.submitter ?? form.querySelector("[type=submit]");
    if (button instanceof HTMLElement && button.dataset.travelt) setBusy(button);
  });
  // Back may show the page as it was left.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.forms) form.ariaBusy = null;
    for (const button of document.querySelectorAll("button[data-hvile]")) setIdle(button);
  });
}

/** @param {HTMLElement} button */
function setBusy(button) {
  const text = button.querySelector("span") ?? button;
  button.dataset.hvile = text.textContent ?? "";
  text.textContent = button.dataset.travelt ?? "";
  button.ariaBusy = "true";
}

/** @param {Element} button */
function setIdle(button) {
  if (!(button instanceof HTMLElement)) return;
  const text = button.querySelector("span") ?? button;
  text.textContent = button.dataset.hvile ?? "";
  delete button.dataset.hvile;
  button.ariaBusy = null;
}
