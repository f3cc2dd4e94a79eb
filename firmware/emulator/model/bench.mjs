// A board on the bench: the two images as they are built, outside of it nothing pressed, 12 V, 20 degrees, daylight.
import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import path from 'node:path';
import { Board, Elf } from './board.mjs';
import { Host, crc32 } from './host.mjs';

const folder = process.env.FIRMWARE_IMAGES ?? path.join(import.meta.dirname, '../../target/thumbv6m-none-eabi/release');
export const boot = new Elf(path.join(folder, 'boot'));
export const firmware = new Elf(path.join(folder, 'firmware'));

export const ms = (n) => n * 1e6;
export const PIN = { keys: [2, 3, 4, 5, 6], presence: 7, headphones: 8, door: 9, tamper: 10, ring: 11, buzzer: 12, drawer: 13, hostOff: 14, fan: 15, led: 25 };
export const RUNNING = 0x10000;
const PROVISION = 0x8000;

// For tests alone: RFC 8410's wrapping around 32 bytes that everybody knows.
const SEED = Buffer.alloc(32, 7);
const KEY = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), SEED]), format: 'der', type: 'pkcs8' });
export const publicKey = () => createPublicKey(KEY).export({ format: 'der', type: 'spki' }).subarray(-32);
export const signed = (image) => sign(null, image, KEY);

export function provision(board) {
  const page = Buffer.concat([Buffer.from('KEY1'), publicKey()]);
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(page));
  board.mcu.flash.set(Buffer.concat([page, crc]), PROVISION);
}

/** A board that was given power 100 ms ago. */
export function bench({ keyed = false, fill = 0 } = {}) {
  const board = new Board([boot, firmware]);
  board.mcu.sram.fill(fill);
  for (const pin of [...PIN.keys, PIN.headphones]) board.drive(pin, true);
  for (const pin of [PIN.door, PIN.tamper, PIN.presence]) board.drive(pin, false);
  board.adc(0, 4095);
  board.adc(1, 2278);
  board.adc(2, 2686);
  if (keyed) provision(board);
  board.run(ms(100));
  return board;
}

/** The same with a host that has said hello. */
export function met(options = {}) {
  const board = bench(options);
  const host = new Host(board, options.port ?? 'uart');
  if (options.port === 'usb') board.run(ms(100));
  const greeting = host.greet(options.features);
  return { board, host, ...greeting };
}

/** Times at which a pin changed, from now on. */
export function edges(board, pin) {
  const seen = [];
  const before = board.onPin;
  board.onPin = (p, high, at) => {
    before(p, high, at);
    if (p === pin) seen.push({ high, at });
  };
  return seen;
}

/** Pictures of the light ring, decoded from the waveform: [{ at, lights: [[r, g, b] x 16] }]. */
export function pictures(seen) {
  const frames = [];
  let bits = [], last = null;
  for (let i = 0; i + 1 < seen.length; i++) {
    if (!seen[i].high) continue;
    if (last !== null && seen[i].at - last > 50_000) bits = [];
    const high = seen[i + 1].at - seen[i].at;
    last = seen[i + 1].at;
    bits.push(high > 600 ? 1 : 0);
    if (bits.length === 16 * 24) {
      const lights = [];
      for (let n = 0; n < 16; n++) {
        const [g, r, b] = [0, 8, 16].map((from) => parseInt(bits.slice(n * 24 + from, n * 24 + from + 8).join(''), 2));
        lights.push([r, g, b]);
      }
      frames.push({ at: last, lights });
      bits = [];
    }
  }
  return frames;
}
