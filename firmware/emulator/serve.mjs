#!/usr/bin/env node
// The emulated board for a real kiosk, in real time: its UART behind a terminal device that somebody else has made.
//
//     FIRMWARE_IMAGES=… node serve.mjs /dev/pts/7 [--control SOCKET]
//
// Lines in, on standard input or a Unix socket: `key up|down|select|back|help`, `presence on|off`, `headphones on|off`,
// `quit`; each is answered by `ok` or `error: <why>`, as kiosk-sim's board does. Lines out besides: `drawer <ms>`, `host off`,
// `host on`, `reset <reason>`.
import fs from 'node:fs';
import net from 'node:net';
import readline from 'node:readline';
import { PIN, bench, ms } from './model/bench.mjs';

const [tty, option, control] = process.argv.slice(2);
if (!tty || (option && (option !== '--control' || !control))) {
  console.error('usage: node serve.mjs TTY [--control SOCKET]');
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

/** Things to be done at a simulated time. */
const later = [];
const after = (n, act) => later.push({ at: board.nanos + ms(n), act });

/** Obeys a line; `answer` is called when the board has had time to tell its host. */
function obey(line, answer) {
  const [what, word] = line.trim().split(/\s+/);
  const on = { on: true, off: false }[word];
  if (what === 'quit') process.exit(0);
  if (what === 'key' && KEYS.includes(word)) {
    const pin = PIN.keys[KEYS.indexOf(word)];
    board.drive(pin, false);
    after(60, () => {
      board.drive(pin, true);
      after(30, () => answer('ok'));
    });
    return;
  }
  if (what === 'presence' && on !== undefined) board.drive(PIN.presence, on);
  else if (what === 'headphones' && on !== undefined) board.drive(PIN.headphones, !on);
  else return answer(`error: '${line}' is not known here: key, presence, headphones, quit`);
  after(30, () => answer('ok'));
}
readline.createInterface({ input: process.stdin }).on('line', (line) => obey(line, console.log));
if (control) {
  // As kiosk-sim's boards do it: each line is answered by one line.
  const serve = (stream) => {
    stream.on('error', () => stream.destroy());
    readline.createInterface({ input: stream }).on('line', (line) => obey(line, (answer) => stream.write(`${answer}\n`)));
  };
  net.createServer(serve).listen(control, () => console.log('ready'));
}

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
    for (const due of later.filter(({ at }) => at <= board.nanos)) {
      later.splice(later.indexOf(due), 1);
      due.act();
    }
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
if (!control) console.log('ready');
