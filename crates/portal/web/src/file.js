import { all, fill } from "./dom.js";

/** Makes the browser's file field a zone to drop on, and says which file was chosen: its own text is invisible there. */
export function setUpFileZones() {
  for (const zone of all("[data-filsone]")) {
    const input = zone.querySelector("input");
    if (input) prepare(zone, input);
  }
}

/**
 * The invisible input covers the zone, so that the browser itself takes what is dropped.
 * @param {HTMLElement} zone
 * @param {HTMLInputElement} input
 */
function prepare(zone, input) {
  zone.classList.add("ds-file-upload");
  for (const text of all(".filsone__tekst", zone)) text.hidden = false;
  for (const type of ["dragenter", "dragover"]) input.addEventListener(type, () => zone.classList.add("filsone--over"));
  for (const type of ["dragleave", "drop"]) input.addEventListener(type, () => zone.classList.remove("filsone--over"));
  const show = () => {
    const file = input.files?.[0];
    const chosen = zone.querySelector(".filsone__valgt");
    if (chosen) chosen.textContent = file ? fill(zone.dataset.valgt, { navn: file.name, storrelse: size(file.size) }) : "";
  };
  input.addEventListener("change", show);
  show();
}

/** @param {number} bytes */
function size(bytes) {
  const kilo = bytes >= 1000;
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit",
    unit: kilo ? "kilobyte" : "byte",
    maximumFractionDigits: 1,
  }).format(kilo ? bytes / 1000 : bytes);
}
