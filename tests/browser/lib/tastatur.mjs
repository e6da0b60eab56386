// The keyboard, for those who use nothing else.
import assert from "node:assert/strict";

/** More than any page has to stop at. */
const MOST_TABS = 80;

/** Goes on by Tab until the element has focus, as somebody without a mouse does. */
export async function tabTo(page, target) {
  for (let presses = 0; presses < MOST_TABS; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  assert.fail("Tab does not reach it");
}

/** Goes to the element, and presses a key on it. */
export async function press(page, target, key = "Enter") {
  await tabTo(page, target);
  await page.keyboard.press(key);
}

/** Goes to the field, and types in the place of what stands there. */
export async function type(page, target, text) {
  await tabTo(page, target);
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
}

/** Goes to the select, and chooses by typing what the choice begins with. */
export async function choose(page, target, text) {
  await tabTo(page, target);
  await page.keyboard.type(text);
  const chosen = await target.evaluate((select) => select.selectedOptions[0].label);
  assert.equal(chosen, text);
}

/** Goes to the field for a file, and opens the way to choose one. */
export async function chooseFile(page, target, path) {
  const chooser = page.waitForEvent("filechooser");
  await press(page, target, "Enter");
  await (await chooser).setFiles(path);
}
