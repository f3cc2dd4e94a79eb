// What the board does when something goes wrong: in its program or in its host.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host } from '../model/host.mjs';
import { PIN, bench, edges, firmware, met, ms } from '../model/bench.mjs';

const FLASH = 0x10000000;
const HANG = [0xfe, 0xe7]; // b .

/** The running program's bytes at an address, taken back afterwards. */
function hangAt(board, address, ns) {
  const at = address - FLASH;
  const before = board.mcu.flash.slice(at, at + 2);
  board.mcu.flash.set(HANG, at);
  board.run(ns);
  board.mcu.flash.set(before, at);
}

test('a hung program is reset by its watchdog within 2.2 s and says so', () => {
  const { board, host } = met();
  host.live(1_000);
  const at = board.nanos;
  let reset = null;
  board.onReset = () => (reset ??= board.nanos);
  hangAt(board, firmware.symbol(/peripheral_logic5board5Board4step|firmware5brain5Brain4step/), ms(2_300));
  assert.ok(reset !== null && reset - at < ms(2_200), `${(reset - at) / 1e6} ms`);
  board.run(ms(100));
  host.greet();
  assert.equal(host.wait('Started').cause, 'Watchdog');
  assert.equal(host.wait('Fault').fault, 'WatchdogReset');
});

test('a task that alone stops making progress is enough', () => {
  const { board, host } = met();
  host.live(1_000);
  // The ring's DMA never ends: its task waits for ever while all others live.
  for (const machine of board.mcu.pio[0].machines.slice(0, 1)) machine.enabled = false;
  board.mcu.pio[0].machines[0].step = () => {};
  host.send('Show', { signal: 'TapHere' });
  const before = board.resets.length;
  for (let i = 0; i < 8 && board.resets.length === before; i++) host.live(500);
  assert.deepEqual(board.resets, [1]);
});

test('a panic is kept over the reset and reported with its place', () => {
  const { board, host } = met();
  host.live(1_000);
  // As if an index had been out of bounds in a file of ours: the real panic handler with a Location made by hand.
  const { core, sram } = board.mcu;
  const name = Buffer.from('src/brain.rs');
  const place = 0x20020000;
  sram.set(name, place - 0x20000000 + 64);
  const location = Buffer.alloc(16);
  [place + 64, name.length, 4711, 7].forEach((word, i) => location.writeUInt32LE(word, i * 4));
  sram.set(location, place - 0x20000000);
  Object.assign(core, { PC: firmware.symbol(/core9panicking18panic_bounds_check/), waiting: false });
  core.registers[0] = 9;
  core.registers[1] = 5;
  core.registers[2] = place;
  board.run(ms(200));
  assert.deepEqual(board.resets, [2]);
  host.greet();
  assert.equal(host.wait('Started').cause, 'Panic');
  assert.equal(host.wait('Fault').fault, 'Panic');
  const words = [0, 1, 2].flatMap((part) => host.wait((m) => m.kind === 'LastWords' && m.part === part).bytes);
  assert.equal(Buffer.from(words).toString().replace(/\0+$/, ''), 'src/brain.rs:4711');
  // Said once: after the next start there is nothing to say.
  board.reset(0);
  board.run(ms(100));
  host.greet();
  assert.equal(host.wait('Started').cause, 'Power');
});

test('session ids are never used twice, not even over resets', () => {
  const board = bench();
  const host = new Host(board);
  const seen = new Set();
  for (let i = 0; i < 12; i++) {
    host.greet();
    assert.ok(!seen.has(host.session), `session ${host.session} again`);
    seen.add(host.session);
    if (i % 3 === 2) {
      board.reset(i % 2);
      board.run(ms(100));
    }
  }
});

test('a host that stops breathing loses its power for five seconds, and a payment buys it time', () => {
  const { board, host } = met();
  host.live(2_000);
  const supply = edges(board, PIN.hostOff);
  host.send('AskTime', { grace: 'Payment' });
  assert.equal(host.wait('Time').granted_ms, 180_000);
  host.send('AskTime', { grace: 'Payment' });
  assert.equal(host.wait('Time').granted_ms, 0);
  const silent = board.nanos;
  board.run(ms(179_500));
  assert.equal(supply.length, 0);
  board.run(ms(6_500));
  assert.deepEqual(supply.map((e) => e.high), [true, false]);
  assert.ok(Math.abs(supply[0].at - silent - ms(180_000)) < ms(300));
  assert.ok(Math.abs(supply[1].at - supply[0].at - ms(5_000)) < ms(10));
  host.greet();
  assert.equal(host.wait((m) => m.kind === 'Fault').fault, 'HostPowerCycled');
});

test('a reset of the board leaves its host on', () => {
  const { board } = met();
  const supply = edges(board, PIN.hostOff);
  board.reset(1);
  board.run(ms(500));
  assert.deepEqual(supply.filter((e) => e.high), []);
});
