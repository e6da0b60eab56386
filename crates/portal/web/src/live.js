import { all, say } from "./dom.js";

const INTERVAL_MS = 15_000;
const LONGEST_MS = 120_000;

/**
 * What `status.json` holds.
 * @typedef {{ tekst: string, farge?: string, melding?: string }} State
 * @typedef {{ oppdatert: { iso: string, tekst: string }, verdier: Record<string, string | State> }} Status
 */

/** Keeps the live parts of the page up to date, as long as somebody can see it. */
export function setUpLive() {
  for (const part of all("[data-status-url]")) new Poller(part);
}

class Poller {
  #timer = 0;
  #delay = INTERVAL_MS;
  /** @type {string | null} */
  #etag = null;
  #busy = false;

  /** @param {HTMLElement} part */
  constructor(part) {
    this.part = part;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(this.#timer);
      if (!document.hidden) this.#poll();
    });
    if (!document.hidden) this.#wait();
  }

  #wait() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poll(), this.#delay);
  }

  async #poll() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      await this.#fetch();
      this.#delay = INTERVAL_MS;
      this.#setStale(false);
    } catch {
      this.#delay = Math.min(this.#delay * 2, LONGEST_MS);
      this.#setStale(true);
    }
    this.#busy = false;
    if (!document.hidden) this.#wait();
  }

  async #fetch() {
    const headers = new Headers({ accept: "application/json" });
    if (this.#etag) headers.set("if-none-match", this.#etag);
    const response = await fetch(this.part.dataset.statusUrl ?? "", {
      headers,
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(10_000),
    });
    if (response.status === 304) return;
    if (!response.ok) throw new Error(String(response.status));
    this.#etag = response.headers.get("etag");
    this.#show(await response.json());
  }

  /** @param {Status} status */
  #show({ oppdatert, verdier }) {
    const changes = [];
    for (const element of all("[data-live]", this.part)) {
      const value = verdier[element.dataset.live ?? ""];
      if (value === undefined) continue;
      const { tekst, farge, melding } = typeof value === "string" ? { tekst: value } : value;
      if (element.textContent === tekst) continue;
      element.textContent = tekst;
      if (farge) element.dataset.color = farge;
      if (melding) changes.push(melding);
    }
    for (const time of all("[data-oppdatert]", this.part)) {
      time.textContent = oppdatert.tekst;
      time.setAttribute("datetime", oppdatert.iso);
    }
    for (const late of all("[data-sent]", this.part)) late.hidden = true;
    if (changes.length > 0) say(changes.join(". "));
  }

  /** @param {boolean} stale */
  #setStale(stale) {
    this.part.classList.toggle("levende--gamle", stale);
    for (const mark of all("[data-gamle]", this.part)) mark.hidden = !stale;
  }
}
