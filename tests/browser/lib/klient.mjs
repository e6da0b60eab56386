// A real client: the arkiv among the examples of the Rust client, which answers what it gets.
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A client that listens for a konto. `sertifikat`: `{ chainPem, keyPem }` of its virksomhet. Ends with `stop`. */
export async function klient({ klient, folder, klienter }, konto, sertifikat) {
  const https = new URL(klient.httpsUrl);
  const settings = join(folder, `klient-${konto.kontoId}.json`);
  await writeFile(
    settings,
    JSON.stringify({
      kontoId: konto.kontoId,
      privateKeyFiles: [konto.privateKeyPem],
      integrasjonId: konto.integrasjonId,
      integrasjonPassord: konto.integrasjonPassord,
      virksomhetssertifikatFile: sertifikat.chainPem,
      virksomhetssertifikatKeyFile: sertifikat.keyPem,
      maskinportenClientId: "min-klient",
      maskinportenTokenEndpoint: klient.maskinporten.tokenEndpoint,
      maskinportenAudience: klient.maskinporten.audience,
      apiScheme: "https",
      apiHost: https.hostname,
      apiPort: Number(https.port),
      amqpHost: klient.amqp.host,
      amqpPort: klient.amqp.port,
      caCertificatesFile: klient.caPem,
    }),
  );
  return running(klienter, spawn(process.env.EKKO, [settings], { stdio: ["ignore", "pipe", "pipe"] }), "ekko lytter på");
}

/** A client that is started by what the portal shows to be pasted in a terminal. */
export function pasteInTerminal({ klienter }, command) {
  // The shell makes way for the client, so that it is the client that is stopped.
  const child = spawn("sh", ["-c", `exec ${command}`], { stdio: ["ignore", "pipe", "pipe"] });
  return running(klienter, child, "Testklienten er koblet til");
}

/** Waits until a client says that it is there. */
async function running(klienter, child, greeting) {
  const ended = new Promise((resolve) => child.on("exit", resolve));
  let told = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => (told += chunk));
  const listens = new Promise((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      told += chunk;
      if (told.includes(greeting)) resolve(true);
    });
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  klienter.add(stop);
  if ((await Promise.race([listens, ended])) !== true) throw new Error(`the client ended: ${told}`);
  return { stop, told: () => told };
}

/** The same for a konto that is there from the start. */
export function ekko(server, konto) {
  return klient(server, konto, server.klient.organisasjoner.find(({ fiksOrgId }) => fiksOrgId === konto.fiksOrgId).sertifikat);
}
