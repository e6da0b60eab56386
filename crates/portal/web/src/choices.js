import { all } from "./dom.js";

/** Shows the blocks that belong to what is chosen, and hides those of the other choices. */
export function setUpBlocks() {
  const choices = all("[data-blokk]");
  if (choices.length === 0) return;
  const update = () => {
    const shown = new Set(choices.filter(isChosen).map((choice) => choice.dataset.blokk));
    for (const { dataset } of choices) {
      const block = document.getElementById(dataset.blokk ?? "");
      if (block) block.hidden = !shown.has(dataset.blokk);
    }
  };
  document.addEventListener("change", update);
  update();
}

/**
 * An option that narrowing took out of its select still says that it is selected.
 * @param {HTMLElement} choice
 */
function isChosen(choice) {
  if (choice instanceof HTMLOptionElement) return choice.selected && choice.isConnected;
  return choice instanceof HTMLInputElement && choice.checked;
}

/** Leaves in a select only the groups that belong to the value of another. */
export function setUpNarrowing() {
  for (const select of all("[data-snevres-av]")) {
    const other = document.getElementById(select.dataset.snevresAv ?? "");
    if (select instanceof HTMLSelectElement && other instanceof HTMLSelectElement) narrow(select, other);
  }
}

/**
 * Groups are taken out, not hidden: not all browsers leave out a hidden group.
 * @param {HTMLSelectElement} select
 * @param {HTMLSelectElement} other
 */
function narrow(select, other) {
  const groups = all("optgroup[data-av]", select);
  const update = () => {
    const { value } = select;
    for (const group of groups) group.remove();
    select.append(...groups.filter((group) => group.dataset.av === other.value));
    select.value = value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  other.addEventListener("change", update);
  update();
}
