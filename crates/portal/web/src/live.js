import { all, say } from "./dom.js";

const INTERVAL_MS = 15_000;
const LONGEST_MS = 120_000;

/**
 * What `status.json` holds.
 * @typedef {{ tekst: string, farge?: string, melding?: string }} State
 * Numbers that could not be had in time are left out of `verdier`, and `sent` says so.
 * @typedef {{ oppdatert: { iso: string, tekst: string }, verdier: Record<string, string | State>, sent?: string }} Status
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
  /** Whether the page has numbers that may grow old; one that was made without them has none. */
  #known = true;
  /** Whether the last answer came without numbers. */
  #late = false;

  /** @param {HTMLElement} part */
  constructor(part) {
    this.part = part;
    this.#known = all("[data-sent]", part).every((late) => late.hidden);
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
      this.#setStale(this.#late && this.#known);
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
  #show({ oppdatert, verdier, sent }) {
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
    // Warnings stand at the top of the page, outside the part with the numbers.
    for (const alert of all("[data-varsel]")) {
      const heading = verdier[alert.dataset.varsel ?? ""];
      if (typeof heading !== "string") continue;
      alert.hidden = heading === "";
      for (const element of all("h2", alert)) element.textContent = heading;
    }
    this.#late = sent !== undefined;
    for (const late of all("[data-sent]", this.part)) {
      late.textContent = sent ?? "";
      late.hidden = !this.#late;
    }
    // The time is that of the numbers shown, so it stays where some of them do.
    if (!this.#late) {
      this.#known = true;
      for (const time of all("[data-oppdatert]", this.part)) {
        time.textContent = oppdatert.tekst;
        time.setAttribute("datetime", oppdatert.iso);
      }
    }
    if (changes.length > 0) say(changes.join(". "));
  }

  /** @param {boolean} stale */
  #setStale(stale) {
    this.part.classList.toggle("levende--gamle", stale);
    for (const mark of all("[data-gamle]", this.part)) mark.hidden = !stale;
  }
}
