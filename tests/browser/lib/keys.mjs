// Files that somebody may take for a public key.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const openssl = (...args) => run("openssl", args);

/** Makes one of each kind in a folder; answers their paths. */
export async function keyFiles(folder) {
  await mkdir(folder, { recursive: true });
  const at = (name) => join(folder, name);
  const subject = ["-subj", "/CN=Konto for test"];
  await openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("privat.pem"), "-out", at("god.pem"), "-days", "365", ...subject);
  await openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("privat-2.pem"), "-out", at("god-2.pem"), "-days", "365", ...subject);
  await openssl("pkcs12", "-export", "-inkey", at("privat.pem"), "-in", at("god.pem"), "-passout", "pass:changeit", "-out", at("lager.p12"));
  await openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at("ec.key.pem"));
  await openssl("req", "-x509", "-new", "-key", at("ec.key.pem"), "-out", at("ec.pem"), "-days", "365", ...subject);
  // A certificate of the past takes a register of an authority; its own key is authority enough.
  await openssl("req", "-new", "-key", at("privat.pem"), "-out", at("utlopt.csr"), ...subject);
  await writeFile(at("index.txt"), "");
  await writeFile(at("serial"), "01\n");
  await writeFile(
    at("ca.cnf"),
    `[ca]\ndefault_ca=a\n[a]\ndatabase=${at("index.txt")}\nserial=${at("serial")}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\nemail_in_dn=no\n[p]\ncommonName=supplied\n`,
  );
  const days = ["-startdate", "20240101000000Z", "-enddate", "20250101120000Z"];
  await openssl("ca", "-batch", "-notext", "-selfsign", "-config", at("ca.cnf"), "-keyfile", at("privat.pem"), "-in", at("utlopt.csr"), "-out", at("utlopt.pem"), ...days);
  await writeFile(at("stor.pem"), Buffer.alloc(65 * 1024 + 1, "A"));
  return {
    good: at("god.pem"),
    other: at("god-2.pem"),
    privateKey: at("privat.pem"),
    p12: at("lager.p12"),
    ec: at("ec.pem"),
    expired: at("utlopt.pem"),
    large: at("stor.pem"),
  };
}
