import { open } from "./dialog.js";

const WARNING_MS = 120_000;
const TICK_MS = 1_000;

/** Asks before the session ends for want of use, and leaves the page when it has ended. */
export function setUpSession() {
  const dialog = document.getElementById("okt");
  if (dialog instanceof HTMLDialogElement) new Session(dialog);
}

class Session {
  /** Between the tabs of one person: use of one is use of them all. */
  channel = new BroadcastChannel("okt");

  /** @param {HTMLDialogElement} dialog */
  constructor(dialog) {
    this.dialog = dialog;
    this.last = Date.now() + Number(dialog.dataset.rest) * 1000;
    this.channel.addEventListener("message", () => this.#prolong());
    this.#used();
    dialog.querySelector("[data-behold]")?.addEventListener("click", () => this.#keep());
    // Esc is the harmless answer: to stay.
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#keep();
    });
    // A clock that is read, not a long timer: a machine that sleeps stops timers, not the session.
    this.ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The server has just heard from the person, in this tab. */
  #used() {
    this.#prolong();
    this.channel.postMessage("brukt");
  }

  #prolong() {
    this.end = Math.min(Date.now() + Number(this.dialog.dataset.ledig) * 1000, this.last);
    if (this.dialog.open && this.end - Date.now() > WARNING_MS) this.dialog.close();
  }

  #tick() {
    const left = this.end - Date.now();
    if (left <= 0) this.#leave();
    else if (left <= WARNING_MS && !this.dialog.open) {
      for (const other of document.querySelectorAll("dialog[open]")) if (other instanceof HTMLDialogElement) other.close();
      open(this.dialog);
    }
  }

  async #keep() {
    const { beholdUrl } = this.dialog.dataset;
    const csrf = this.dialog.querySelector("input[name=csrf]");
    const body = new URLSearchParams({ csrf: csrf instanceof HTMLInputElement ? csrf.value : "" });
    try {
      const response = await fetch(beholdUrl ?? "", { method: "POST", body, redirect: "error" });
      if (response.status === 401 || response.status === 403) return this.#leave();
      if (!response.ok) return;
    } catch {
      // The question stays until it is answered or the time is out.
      return;
    }
    this.#used();
    this.dialog.close();
  }

  #leave() {
    clearInterval(this.ticker);
    const here = encodeURIComponent(location.pathname + location.search);
    location.replace(`${this.dialog.dataset.sluttUrl}&retur=${here}`);
  }
}
