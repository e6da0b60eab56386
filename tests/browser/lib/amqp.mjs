// How the broker answers a login, without a client in between.
import { readFile } from "node:fs/promises";
import { connect } from "node:tls";

/** The methods of AMQP 0-9-1 that end a login: class and method. */
const TUNE = "10.30";
const CLOSE = "10.50";
const START = "10.10";
const START_OK = [10, 11];

/** «tune» where the broker lets this integrasjon in, and otherwise the code it closes the connection with. */
export async function amqpLogin({ klient }, { integrasjonId, integrasjonPassord }, token) {
  const { host, port } = klient.amqp;
  const socket = connect({ host, port, servername: host, ca: await readFile(klient.caPem) });
  try {
    const frames = read(socket);
    socket.write(Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1]));
    for await (const { method, rest } of frames) {
      if (method === START) socket.write(startOk(`\0${integrasjonId}\0${integrasjonPassord} ${token}`));
      else if (method === TUNE) return "tune";
      else if (method === CLOSE) return rest.readUInt16BE(0);
      else throw new Error(`the broker sent ${method}`);
    }
    throw new Error("the broker ended the connection without a word");
  } finally {
    socket.destroy();
  }
}

/** The method frames that come. */
async function* read(socket) {
  let buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 7 && buffer.length >= buffer.readUInt32BE(3) + 8) {
      const size = buffer.readUInt32BE(3);
      const payload = buffer.subarray(7, 7 + size);
      buffer = buffer.subarray(size + 8);
      yield { method: `${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}`, rest: payload.subarray(4) };
    }
  }
}

function startOk(response) {
  const u32 = (n) => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n].map((byte) => byte & 0xff));
  const short = (text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const long = (text) => Buffer.concat([u32(Buffer.byteLength(text)), Buffer.from(text)]);
  const table = (...fields) => long(Buffer.concat(fields));
  // Says that a login that is refused may be told so.
  const capabilities = table(short("authentication_failure_close"), Buffer.from("t\x01"));
  const properties = table(short("capabilities"), Buffer.from("F"), capabilities);
  const [klass, method] = START_OK;
  const payload = Buffer.concat([Buffer.from([0, klass, 0, method]), properties, short("PLAIN"), long(response), short("en_US")]);
  return Buffer.concat([Buffer.from([1, 0, 0]), u32(payload.length), payload, Buffer.from([0xce])]);
}
