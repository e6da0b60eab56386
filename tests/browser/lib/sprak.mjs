// What is left of another language on a page.
import assert from "node:assert/strict";
import { check } from "./browser.mjs";

/** Matches any of these as whole words. The word boundary of JavaScript knows of no letter but a to z. */
const words = (list) => new RegExp(`(?<![\\p{L}\\p{N}_])(${list.join("|")})(?![\\p{L}\\p{N}_])`, "iu");

/** What is bokmål and not nynorsk, and what is neither of them English. */
const BOKMAL = {
  nn: [
    "ikke|hva|hvem|hvor|hvordan|fra|noen|noe|jeg|ennå|nå|uten|flere|selv|siden|bare|mangler|koblet|kobling|forrige",
    "opprettet|slettet|endret|lagret|laget|mottatt|mottaker|mottakeren|avsender|avsenderen|bekreftet",
    "gjøre|gjør|velg|vises|slettes|må fylles|valgfritt|pålogging|innlogget|gi tilgang|navn|navnet",
    "meldinger|meldingen|systemene|kontoer|systemer|nøkler|hendelser|tilganger|forespørsler|forespørsel|forespørselen",
    "forespurt|forespurte|beskrivelse|beskrivelsen|konsumenter|eier|parter|virksomhet\\p{L}*",
  ],
  en: [
    "og|ikke|ikkje|du|er|på|til|med|som|av|for å|ingen|alle|velg|vel|søk|lagre|endre|slett|opprett|bytt|logg ut|enno",
    "konto|kontoer|kontoar|navn|namn|beskrivelse|omtale|hendelser|hendingar|tilgang|tilganger|tilgangar|nøkkel|nøkler",
    "melding|meldinger|meldingar|meldingen|kobling|kopling|sporing|mottaker|avsender|bekreftet|forespørsel|førespurnad",
    "språk|innlogging|hjelp|personvern|informasjonskapsler|passord|passordet|oversikt|konfigurasjon|systemer|tjenester",
  ],
};

/** Addresses, names, and what was written of the small world: nobody translates them. */
const NOT_TRANSLATED = new RegExp(
  [
    "https?:\\S+",
    "no\\.(ks|nav)\\.\\S+",
    "(sesjon|innlogging)-uten-tls-\\d+",
    "C=NO, O=Knutepunkt.*",
    "CN=Konto for test",
    "Saksbehandling som sender dokumenter til arkivet",
    "Arkiv som tar imot dokumenter",
    "Arkivsystem som både tar imot arkivering og svarer på søk og henting",
    "Mitt fagsystem",
    "Mitt arkiv",
    "(Storevik|Lillefjord) kommune",
    "Kari Storevik",
    "Fiks Protokoll",
    // A code that was drawn at random: a hyphen in it may set apart what looks like a word.
    "[\\w-]{32,}",
  ].join("|"),
  "g",
);

/** The texts of the portal on this page that are bokmål, and neither nynorsk nor English. */
export async function bokmalLeft(page, sprak) {
  const texts = await page.evaluate(ownTexts, sprak);
  const bokmal = words(BOKMAL[sprak]);
  return texts.filter((text) => bokmal.test(text.replace(NOT_TRANSLATED, "…")));
}

/** For `Bruker`: each page is in this language and no other, and has a picture of its own. */
export const iSprak = (sprak) => async (page, tittel, bilde) => {
  assert.equal(await page.evaluate(() => document.documentElement.lang), sprak);
  const title = await page.title();
  if (tittel) assert.ok(title.startsWith(`${tittel} – `), `the page «${tittel}» has the title «${title}»`);
  assert.deepEqual(await bokmalLeft(page, sprak), [], tittel);
  if (bilde) await check(page, `${bilde}-${sprak}`);
};

/** The texts of a page that are the portal's own: not in another language on purpose, not what somebody has written. */
function ownTexts(sprak) {
  const out = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    const other = element.closest("[lang]");
    if (other && other.lang !== sprak) continue;
    if (element.closest("script, style, option")) continue;
    out.push(node.textContent.trim());
  }
  for (const element of document.querySelectorAll("[aria-label]")) out.push(element.getAttribute("aria-label"));
  return out.filter(Boolean);
}
