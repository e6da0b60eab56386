/**
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {HTMLElement[]}
 */
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/**
 * Fills in the `{name}`s of a text.
 * @param {string | undefined} text
 * @param {Record<string, string | number>} values
 */
export const fill = (text, values) =>
  (text ?? "").replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));

/**
 * Says a text politely, through the region that every page has.
 * @param {string} text
 */
export function say(text) {
  const region = document.getElementById("sagt");
  if (region) region.textContent = text;
}
