// What script adds to pages that work without it. Each part finds its own elements by data attributes and takes its texts from them.
import { setUpCopying, clearSecrets } from "./copy.js";
import { setUpCounters } from "./counter.js";
import { setUpDialogs } from "./dialog.js";
import { setUpBlocks, setUpNarrowing } from "./choices.js";
import { setUpFileZones } from "./file.js";
import { focusFirst } from "./focus.js";
import { setUpLive } from "./live.js";
import { setUpSession } from "./session.js";
import { setUpSubmits } from "./submit.js";
import { showCurrentTab } from "./tabs.js";

setUpDialogs();
setUpSubmits();
setUpCopying();
setUpCounters();
// Before the narrowing, which takes choices out of the page.
setUpBlocks();
setUpNarrowing();
setUpFileZones();
setUpLive();
setUpSession();
showCurrentTab();
focusFirst();
addEventListener("pagehide", clearSecrets);
