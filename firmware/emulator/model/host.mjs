// The host's end of peripheral-icd, written a second time so that the board is not judged by its own code: CRC-32, COBS
// and postcard by hand, as the documentation of firmware/icd states them.

const TABLE = Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c >>> 0;
});
export const crc32 = (bytes) => ~bytes.reduce((crc, b) => (crc >>> 8) ^ TABLE[(crc ^ b) & 255], 0xffffffff) >>> 0;

const le32 = (n) => [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255];
const varint = (n) => {
  const out = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return [...out, n];
};

export function cobs(bytes) {
  const out = [0];
  let code = 0;
  for (const b of bytes) {
    if (b === 0) {
      out[code] = out.length - code;
      code = out.length;
      out.push(0);
    } else out.push(b);
  }
  out[code] = out.length - code;
  return out;
}

function uncobs(bytes) {
  const out = [];
  for (let i = 0; i < bytes.length; ) {
    const end = i + bytes[i];
    if (bytes[i] === 0 || end > bytes.length) return null;
    out.push(...bytes.slice(i + 1, end));
    i = end;
    if (i < bytes.length) out.push(0);
  }
  return out;
}

export const SIGNALS = ['Idle', 'TapHere', 'Thinking', 'Approved', 'Declined', 'CallStaff', 'Ready'];
export const KEYS = ['Up', 'Down', 'Select', 'Back', 'Help'];
const DRAWER = ['Pulsed', 'TooSoon', 'NotFitted'];
const FAULTS = ['KeyStuck', 'PresenceSensor', 'LightRing', 'BrownOut', 'WatchdogReset', 'Overheat', 'Panic', 'HostPowerCycled', 'UpdateRolledBack'];
export const GRACE = ['Boot', 'Update', 'Payment'];
const CAUSES = ['Power', 'Watchdog', 'Panic', 'Own'];
const UPDATES = ['Ready', 'Accepted', 'Refused', 'WrongCrc', 'WrongSignature', 'FlashFault', 'Trial', 'Confirmed', 'RolledBack'];

const TO_MCU = {
  Hello: ({ min = 1, max = 1, features = 0x3fff, nonce }) => [0, min, max, ...varint(features), ...varint(nonce)],
  Ping: ({ token }) => [1, ...varint(token)],
  Show: ({ signal }) => [2, SIGNALS.indexOf(signal)],
  OpenDrawer: ({ id, pulse_ms }) => [3, ...varint(id), ...varint(pulse_ms)],
  AskTime: ({ grace }) => [4, GRACE.indexOf(grace)],
  Comfort: ({ reduced_motion, volume }) => [5, Number(reduced_motion), volume],
  UpdateBegin: ({ length, crc }) => [6, ...varint(length), ...varint(crc)],
  UpdateData: ({ offset, bytes }) => [7, ...varint(offset), ...bytes],
  UpdateSignature: ({ half, bytes }) => [8, half, ...bytes],
  UpdateCommit: () => [9],
  SetTime: ({ utc_s }) => [10, ...varint(utc_s)],
};

/** Reads postcard values one after the other. */
function reader(bytes) {
  let at = 0;
  const byte = () => bytes[at++];
  const int = () => {
    let n = 0, scale = 1, b;
    do {
      b = byte();
      n += (b & 127) * scale;
      scale *= 128;
    } while (b & 128);
    return n;
  };
  const signed = () => {
    const n = int();
    return n % 2 ? -(n + 1) / 2 : n / 2;
  };
  return { byte, int, signed, bool: () => byte() === 1, take: (n) => bytes.slice(at, (at += n)) };
}

const TO_HOST = [
  (r) => ({ kind: 'Hello', version: r.byte(), min: r.byte(), max: r.byte(), features: r.int(), nonce: r.int(), firmware: r.take(3) }),
  (r) => ({ kind: 'Pong', token: r.int(), uptime_ms: r.int() }),
  (r) => ({ kind: 'Key', key: KEYS[r.byte()], down: r.bool() }),
  (r) => ({ kind: 'Presence', near: r.bool() }),
  (r) => ({ kind: 'Headphones', there: r.bool() }),
  (r) => ({ kind: 'Drawer', id: r.int(), state: DRAWER[r.byte()] }),
  (r) => ({ kind: 'Fault', fault: FAULTS[r.byte()], detail: r.int() }),
  (r) => ({ kind: 'Nack', sequence: r.int(), reason: r.byte() }),
  (r) => ({ kind: 'Time', grace: GRACE[r.byte()], granted_ms: r.int() }),
  (r) => ({ kind: 'Started', cause: CAUSES[r.byte()], boots: r.int() }),
  (r) => ({ kind: 'LastWords', part: r.byte(), bytes: r.take(32) }),
  (r) => ({ kind: 'Climate', centi_celsius: r.signed(), fan_percent: r.byte(), ambient: r.byte(), supply_mv: r.int() }),
  (r) => ({ kind: 'Contact', contact: ['Door', 'Tamper'][r.byte()], open: r.bool() }),
  (r) => ({ kind: 'KeyRepeat', key: KEYS[r.byte()] }),
  (r) => ({ kind: 'Update', state: UPDATES[r.byte()], offset: r.int() }),
  (r) => ({ kind: 'Clock', utc_s: r.int(), age_s: r.int() }),
  (r) => ({ kind: 'Layout', pins: r.int() }),
];

/** Bytes of a frame, both zeros included. */
export function frame(session, sequence, kind, fields = {}) {
  const body = [...le32(session), ...le32(sequence), ...TO_MCU[kind](fields)];
  return [0, ...cobs([...body, ...le32(crc32(body))]), 0];
}

const ms = (n) => n * 1e6;

/** A host on one port of a board. */
export class Host {
  constructor(board, port = 'uart') {
    Object.assign(this, { board, port, session: 0, sequence: 0, nonce: 1000, heard: [], bad: 0, open: false });
    this.buffer = [];
    if (port === 'uart') board.onUart = (byte) => this.#take(byte);
    else board.onUsb = (bytes) => bytes.forEach((byte) => this.#take(byte));
  }
  write(bytes) {
    if (this.port === 'uart') this.board.uartSend(bytes);
    else this.board.usbSend(bytes);
  }
  #take(byte) {
    if (byte !== 0) return void this.buffer.push(byte);
    const raw = uncobs(this.buffer);
    const got = this.buffer.length;
    this.buffer = [];
    if (got === 0) return;
    if (!raw || raw.length < 13 || le32(crc32(raw.slice(0, -4))).some((b, i) => b !== raw[raw.length - 4 + i])) return void this.bad++;
    const [session, sequence] = [0, 4].map((at) => Buffer.from(raw).readUInt32LE(at));
    const payload = raw.slice(8, -4);
    const message = TO_HOST[payload[0]](reader(payload.slice(1)));
    if (message.kind === 'Hello') Object.assign(this, { session, sequence: 0, open: message.version !== 0, hello: message });
    else if (session !== this.session) return void this.bad++;
    this.heard.push({ ...message, sequence, at: this.board.nanos, size: got + 2 });
  }
  /** Sends a message of this session and returns its bytes. */
  send(kind, fields) {
    const bytes = frame(this.session, ++this.sequence, kind, fields);
    this.write(bytes);
    return bytes;
  }
  /** Runs until a message of `kind` (or one that `kind`, a function, accepts) has come that was not there before. */
  wait(kind, patience = 200) {
    const fits = typeof kind === 'function' ? kind : (m) => m.kind === kind;
    const end = this.board.nanos + ms(patience);
    for (;;) {
      const at = this.heard.findIndex(fits);
      if (at >= 0) return this.heard.splice(at, 1)[0];
      if (this.board.nanos >= end || this.board.halted) throw new Error(`no ${kind} within ${patience} ms; heard ${JSON.stringify(this.heard)}`);
      this.board.run(ms(0.25));
    }
  }
  greet(features) {
    this.heard = [];
    const bytes = frame(0, 0, 'Hello', { nonce: ++this.nonce, features });
    this.write(bytes);
    const hello = this.wait('Hello');
    if (hello.nonce !== this.nonce) throw new Error('a foreign nonce');
    return { hello, bytes };
  }
  /** Lets `n` milliseconds pass with a ping every half second. */
  live(n) {
    const end = this.board.nanos + ms(n);
    while (this.board.nanos < end) {
      this.send('Ping', { token: 1 });
      this.board.run(Math.min(ms(500), end - this.board.nanos));
    }
  }
}
