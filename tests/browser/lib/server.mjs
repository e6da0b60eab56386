// A Knutepunkt of its own for each test file: `knutepunkt dev` on free ports with temporary data.
import { execFile, spawn } from "node:child_process";
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const program = process.env.KNUTEPUNKT;
/** What `dev` prints before this is there to be pasted, passwords and all. What comes after is the log. */
const READY = "Knutepunkt er klar";
const DEADLINE_MS = 60_000;

export class Server {
  /** What must not stand in the log: passwords, tokens, cookies, fødselsnummer. */
  secrets = new Set();
  /** What ends the clients of this server. */
  klienter = new Set();
  #output = "";
  /** What it said before it was last started. */
  #before = "";

  static async start() {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "knutepunkt-nettleser-"));
    server.data = join(server.folder, "data");
    try {
      await server.#start({ http: 0, https: 0, amqps: 0 });
      server.klient = JSON.parse(await readFile(join(server.data, "klient.json"), "utf8"));
    } catch (error) {
      server.process.kill("SIGKILL");
      await rm(server.folder, { recursive: true, force: true });
      throw error;
    }
    server.url = server.klient.httpUrl;
    for (const konto of server.klient.kontoer) server.secrets.add(konto.integrasjonPassord);
    return server;
  }

  async #start(ports) {
    const command = [program, "dev", "--data", this.data];
    for (const [name, port] of Object.entries(ports)) command.push(`--${name}-port`, String(port));
    // All that the log can say, so that what it must not say would show.
    const env = { ...process.env, RUST_LOG: process.env.RUST_LOG ?? "debug" };
    // A file that may not grow is an error to the server, as a full disk is, and not the end of it.
    const shell = ["-c", 'trap "" XFSZ; exec "$0" "$@"', ...command];
    this.process = spawn("sh", shell, { stdio: ["ignore", "pipe", "pipe"], env });
    await this.#ready();
  }

  /**
   * Ends the process and starts another on the same data and ports. One whose queue log is out of use cannot close it in
   * order, and says so by its exit code.
   */
  async restart({ code: expected = 0 } = {}) {
    const code = await this.#end();
    if (code !== expected) throw new Error(`the server ended with ${code}`);
    this.#before += this.log;
    this.#output = "";
    const { httpUrl, httpsUrl, amqp } = this.klient;
    await this.#start({ http: new URL(httpUrl).port, https: new URL(httpsUrl).port, amqps: amqp.port });
  }

  /** Asks the process to end, and answers the code it ends with. */
  async #end() {
    const ended = new Promise((resolve) => this.process.on("exit", (code, signal) => resolve(code ?? signal)));
    if (this.process.exitCode === null) this.process.kill("SIGTERM");
    return this.process.exitCode ?? ended;
  }

  #ready() {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the server is not ready after ${DEADLINE_MS} ms`)), DEADLINE_MS);
      const take = (chunk) => {
        this.#output += chunk;
        if (!this.#output.includes(READY)) return;
        clearTimeout(timer);
        resolve();
      };
      for (const stream of [this.process.stdout, this.process.stderr]) stream.setEncoding("utf8").on("data", take);
      this.process.on("exit", (code) => {
        clearTimeout(timer);
        reject(new Error(`the server ended with ${code}:\n${this.#output}`));
      });
    });
  }

  /** What the server has said since it was ready. */
  get log() {
    return this.#before + this.#output.slice(this.#output.indexOf(READY));
  }

  /** Ends the server; an error if its log holds a secret, or if it did not end well. */
  async stop() {
    for (const stop of this.klienter) await stop();
    const code = await this.#end();
    await rm(this.folder, { recursive: true, force: true });
    const told = [...this.secrets].filter((secret) => secret && this.log.includes(secret));
    if (told.length > 0) {
      const lines = this.log.split("\n").filter((line) => told.some((secret) => line.includes(secret)));
      throw new Error(`the log holds ${told.length} of ${this.secrets.size} secrets:\n${lines.join("\n")}`);
    }
    if (/ panicked at /.test(this.log)) throw new Error(`the server panicked:\n${this.log}`);
    if (code !== 0) throw new Error(`the server ended with ${code}`);
  }

  organisasjon(navn) {
    return this.klient.organisasjoner.find((organisasjon) => organisasjon.navn === navn);
  }

  konto(navn) {
    return this.klient.kontoer.find((konto) => konto.navn === navn);
  }

  /** A virksomhetssertifikat from the test authority, and with `konto` a key pair for it. Answers the folder of both. */
  async sertifikat(orgnummer, konto) {
    await run(program, ["dev", "sertifikat", "--data", this.data, "--orgnr", orgnummer, "--konto", konto]);
    return join(this.data, "sertifikater");
  }

  /** An access token for an organisasjon, from Maskinporten. */
  async token(organisasjon) {
    const { maskinporten } = this.klient;
    const { certPem, keyPem } = organisasjon.sertifikat;
    const [, leaf] = /-----BEGIN CERTIFICATE-----([^-]+)/.exec(await readFile(certPem, "utf8"));
    const now = Math.floor(Date.now() / 1000);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = {
      aud: maskinporten.audience,
      iss: `nettleser-${organisasjon.orgnummer}`,
      scope: "ks:fiks",
      iat: now,
      exp: now + 100,
      jti: randomUUID(),
    };
    const signed = `${part({ alg: "RS256", x5c: [leaf.replace(/\s/g, "")] })}.${part(claims)}`;
    const signature = sign("sha256", Buffer.from(signed), createPrivateKey(await readFile(keyPem)));
    const answer = await fetch(maskinporten.tokenEndpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        assertion: `${signed}.${signature.toString("base64url")}`,
      }),
    });
    if (!answer.ok) throw new Error(`Maskinporten answered ${answer.status}: ${await answer.text()}`);
    const { access_token } = await answer.json();
    this.secrets.add(access_token);
    return access_token;
  }

  /** What the machine API answers somebody who logs in with this password. */
  async api(path, { organisasjon, integrasjonId, integrasjonPassord, method, body }) {
    return fetch(`${this.url}${path}`, {
      method,
      body,
      headers: { authorization: `Bearer ${await this.token(organisasjon)}`, integrasjonId, integrasjonPassord },
    });
  }
}
