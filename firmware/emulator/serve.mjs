#!/usr/bin/env node
// The emulated board for a real kiosk, in real time: its UART behind a terminal device that somebody else has made.
//
//     FIRMWARE_IMAGES=… node serve.mjs /dev/pts/7
//
// Lines in: `key up|down|select|back|help`, `presence on|off`, `headphones on|off`, `quit`; each is answered by `ok` or
// `error: <why>`, as kiosk-sim's board does. Lines out besides: `drawer <ms>`, `host off`, `host on`, `reset <reason>`.
import fs from 'node:fs';
import readline from 'node:readline';
import { PIN, bench, ms } from './model/bench.mjs';

const [tty] = process.argv.slice(2);
if (!tty) {
  console.error('usage: node serve.mjs TTY');
  process.exit(2);
}
const fd = fs.openSync(tty, fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK);
const board = bench();
const KEYS = ['up', 'down', 'select', 'back', 'help'];

let out = [];
board.onUart = (byte) => out.push(byte);
board.onReset = (reason) => console.log(`reset ${reason}`);
let pulsed = 0;
board.onPin = (pin, high, at) => {
  if (pin === PIN.hostOff) console.log(high ? 'host off' : 'host on');
  if (pin === PIN.drawer && high) pulsed = at;
  if (pin === PIN.drawer && !high && pulsed) console.log(`drawer ${((at - pulsed) / 1e6).toFixed(0)}`);
};

/** Things to be done at a simulated time, nearest first. */
const later = [];
function obey(line) {
  const [what, word] = line.trim().split(/\s+/);
  const on = { on: true, off: false }[word];
  if (what === 'quit') process.exit(0);
  if (what === 'key' && KEYS.includes(word)) {
    const pin = PIN.keys[KEYS.indexOf(word)];
    board.drive(pin, false);
    later.push({ at: board.nanos + ms(80), act: () => board.drive(pin, true) });
  } else if (what === 'presence' && on !== undefined) board.drive(PIN.presence, on);
  else if (what === 'headphones' && on !== undefined) board.drive(PIN.headphones, !on);
  else return `error: '${line}' is not known here: key, presence, headphones, quit`;
  return 'ok';
}
readline.createInterface({ input: process.stdin }).on('line', (line) => console.log(obey(line)));

/** Bytes that wait at the device; none if nobody has it open. */
function pending() {
  const chunk = Buffer.alloc(256);
  try {
    return chunk.subarray(0, fs.readSync(fd, chunk));
  } catch {
    return [];
  }
}

const began = process.hrtime.bigint();
let slipped = board.nanos;
(function turn() {
  let ahead = board.nanos - slipped - Number(process.hrtime.bigint() - began);
  if (ahead < -50e6) {
    slipped += ahead; // too far behind: let the simulated clock slip
    ahead = 0;
  }
  if (ahead < 1e6) {
    board.uartSend(pending());
    board.run(1e6);
    while (later.length && later[0].at <= board.nanos) later.shift().act();
    if (out.length) {
      try {
        fs.writeSync(fd, Buffer.from(out));
      } catch {
        // Nobody reads: the bytes are lost, as on a wire.
      }
      out = [];
    }
  }
  if (ahead > 1e6) setTimeout(turn, ahead / 1e6);
  else setImmediate(turn);
})();
console.log('ready');
