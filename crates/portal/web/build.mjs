// Bundles the portal's styles and script. Run by the crate's build script:
//   node build.mjs <folder of node_modules> <folder for the result>
// Writes app.css, app.js and ikon.svg, each also as .gz, and assets.rs, which embeds them under the hash of their content.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const [modules, out] = process.argv.slice(2);
const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const { buildSync } = createRequire(join(modules, "package.json"))("esbuild");

buildSync({
  absWorkingDir: here,
  entryPoints: { app: "src/app.js", styles: "styles/app.css" },
  nodePaths: [modules],
  bundle: true,
  minify: true,
  format: "esm",
  // What the law asks of a public service is met by browsers of the last years; older ones get the pages without script.
  target: ["chrome115", "edge115", "firefox115", "safari16.4"],
  supported: { nesting: false },
  external: ["data:*"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  outdir: out,
  entryNames: "[name]",
});

const files = [
  ["CSS", "app.css", "text/css; charset=utf-8", readFileSync(join(out, "styles.css"))],
  ["JS", "app.js", "text/javascript; charset=utf-8", readFileSync(join(out, "app.js"))],
  ["ICON", "ikon.svg", "image/svg+xml", readFileSync(join(here, "ikon.svg"))],
];

const assets = files.map(([constant, name, type, content]) => {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const plain = join(out, `embedded-${name}`);
  writeFileSync(plain, content);
  writeFileSync(`${plain}.gz`, gzipSync(content, { level: 9 }));
  return `const ${constant}: Asset = Asset {
    path: "/static/${hash}/${name}",
    content_type: "${type}",
    plain: include_bytes!(${JSON.stringify(plain)}),
    gzip: include_bytes!(${JSON.stringify(`${plain}.gz`)}),
};
`;
});
writeFileSync(join(out, "assets.rs"), assets.join("\n"));
