// What is left of another language on a page.

/** What is bokmål and neither nynorsk nor English. */
const BOKMAL = {
  nn: /\b(ikke|hva|hvem|hvor|hvordan|fra og med|noen|noe|opprettet|slettet|endret|lagret|gjøre|gjør|bare|mangler|kobling|meldinger|systemene|kontoer|systemer|forespørsler|forespørsel|innlogget|pålogging|beskrivelsen|velg|vises|gi tilgang|ennå|uten|forrige|må fylles|valgfritt|nøkler|hendelser|tilganger|koblet|gyldig til og)\b/i,
  en: /\b(og|ikke|ikkje|du|er|på|til|med|som|konto|kontoer|navn|beskrivelse|søk|lagre|endre|slett|opprett|hendelser|tilganger|meldinger|kobling|nøkkel|velg|ingen|språk|innlogging|hjelp|personvern|informasjonskapsler|bytt|logg ut)\b/i,
};

/** The texts of the portal on this page that are bokmål, and neither nynorsk nor English. */
export async function bokmalLeft(page, sprak) {
  const texts = await page.evaluate(ownTexts, sprak);
  return texts.filter((text) => BOKMAL[sprak].test(text));
}

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
  // Addresses, names, and what was written of the small world: nobody translates them.
  return out.filter(Boolean).map((text) => text.replace(/https?:\S+|(sesjon|innlogging)-uten-tls-\d+|C=NO, O=Knutepunkt.*|CN=Konto for test|Saksbehandling som sender dokumenter til arkivet|Mitt fagsystem|Mitt arkiv|Arkivsystem som både tar imot arkivering og svarer på søk og henting|(Storevik|Lillefjord) kommune|Kari Storevik|Fiks Protokoll|no\.ks\.\S+/g, "…"));
}
