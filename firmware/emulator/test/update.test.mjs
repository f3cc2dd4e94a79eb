// A new program: over the link, signed, on trial, and back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Board } from '../model/board.mjs';
import { Host, crc32 } from '../model/host.mjs';
import { RUNNING, bench, boot, firmware, met, ms, signed } from '../model/bench.mjs';

const FLASH = 0x10000000;
const JOURNAL = 0x6000;
const ARRIVING = 0x20000;
const HANG = [0xfe, 0xe7]; // b .

/** The running image with another version number in it. */
function nextImage(patch = 1) {
  const image = Buffer.from(firmware.image(RUNNING, 0x10000));
  image[firmware.symbol(/^FIRMWARE_VERSION$/) - FLASH - RUNNING + 2] = patch;
  return image;
}

function upload(host, image, { signature = signed(image), crc = crc32(image) } = {}) {
  const answer = (state) => {
    const got = host.wait('Update', 2_000);
    assert.equal(got.state, state);
    return got;
  };
  host.live(60);
  host.heard = [];
  host.send('UpdateBegin', { length: image.length, crc });
  answer('Ready');
  for (let offset = 0; offset < image.length; offset += 32) {
    const bytes = Buffer.alloc(32, 0);
    image.copy(bytes, 0, offset, offset + 32);
    host.send('UpdateData', { offset, bytes });
    assert.equal(answer('Ready').offset, Math.min(offset + 32, image.length));
  }
  for (const half of [0, 1]) {
    host.send('UpdateSignature', { half, bytes: signature.subarray(half * 32, half * 32 + 32) });
    answer('Ready');
  }
  host.send('UpdateCommit');
  const asked = host.board.nanos;
  const verdict = host.wait('Update', 3_000);
  return { ...verdict, took: (verdict.at - asked) / 1e6 };
}

/** Puts a program where an accepted upload leaves it: into the arriving slot, and into the journal. */
function stage(board, image) {
  const { flash } = board.mcu;
  flash.fill(0xff, ARRIVING, ARRIVING + 0x10000);
  flash.set(image, ARRIVING);
  let newest = { sequence: 0 };
  for (let at = JOURNAL; at < JOURNAL + 2 * 4096; at += 32) {
    const record = Buffer.from(flash.slice(at, at + 32));
    const sequence = record.readUInt32LE(0);
    if (record.readUInt32LE(28) === crc32(record.subarray(0, 28)) && sequence > newest.sequence) newest = { sequence, at };
  }
  const record = Buffer.alloc(32);
  [newest.sequence + 1, 1, 1, image.length, crc32(image)].forEach((word, i) => record.writeUInt32LE(word, i * 4));
  record.writeUInt32LE(crc32(record.subarray(0, 28)), 28);
  flash.set(record, newest.at + 32);
}

const start = (board, host) => {
  for (let i = 0; i < 100 && board.resets.length === 0; i++) board.run(ms(100));
  board.run(ms(4_000));
  return host.greet().hello.firmware;
};

test('a signed program is taken over USB, runs on trial, and stays once it has proved itself', (t) => {
  const { board, host } = met({ port: 'usb', keyed: true });
  const began = board.nanos;
  const image = nextImage();
  const accepted = upload(host, image);
  assert.equal(accepted.state, 'Accepted');
  t.diagnostic(`${image.length} bytes in ${((board.nanos - began) / 1e9).toFixed(1)} s simulated, checked in ${accepted.took.toFixed(0)} ms`);
  assert.deepEqual(start(board, host), [0, 1, 1]);
  assert.equal(host.wait('Started').cause, 'Own');
  assert.equal(host.wait('Update').state, 'Trial');
  host.live(10_500);
  assert.equal(host.wait('Update').state, 'Confirmed');
  board.reset(0);
  board.run(ms(300));
  assert.deepEqual(host.greet().hello.firmware, [0, 1, 1]);
});

test('a program without a valid signature is refused, and so is any on a board without a key', () => {
  const image = nextImage().subarray(0, 4096);
  for (const [keyed, options, verdict] of [
    [true, { signature: Buffer.alloc(64, 1) }, 'WrongSignature'],
    [true, { signature: signed(nextImage()) }, 'WrongSignature'],
    [true, { crc: 1 }, 'WrongCrc'],
    [false, {}, 'WrongSignature'],
  ]) {
    const { board, host } = met({ port: 'usb', keyed });
    assert.equal(upload(host, image, options).state, verdict);
    board.run(ms(500));
    assert.deepEqual(board.resets, []);
  }
});

test('a program that hangs is gone and the old one back within 120 s, without a host', () => {
  const board = bench();
  const image = nextImage(9);
  image.set(HANG, image.readUInt32LE(4) - 1 - FLASH - RUNNING);
  stage(board, image);
  board.reset(0);
  const began = board.nanos;
  while (board.resets.length < 2 && board.nanos - began < ms(120_000)) board.run(ms(100));
  assert.deepEqual(board.resets, [0, 1]);
  board.run(ms(4_000));
  const host = new Host(board);
  assert.deepEqual(host.greet().hello.firmware, [0, 1, 0]);
  host.wait((m) => m.state === 'RolledBack');
  host.wait((m) => m.fault === 'UpdateRolledBack' && m.detail === crc32(image));
});

test('a program that never meets a host gives up by itself', () => {
  const board = bench();
  stage(board, nextImage(9));
  board.reset(0);
  const began = board.nanos;
  while (board.resets.length < 2 && board.nanos - began < ms(120_000)) board.run(ms(500));
  assert.deepEqual(board.resets, [0, 2]);
  board.run(ms(4_000));
  assert.deepEqual(new Host(board).greet().hello.firmware, [0, 1, 0]);
});

test('power cut while a program is on trial brings the old one back', () => {
  const board = bench();
  stage(board, nextImage(9));
  board.reset(0);
  board.run(ms(4_000));
  assert.deepEqual(new Host(board).greet().hello.firmware, [0, 1, 9]);
  board.reset(0);
  board.run(ms(4_000));
  assert.deepEqual(new Host(board).greet().hello.firmware, [0, 1, 0]);
});

test('a board with no program at all shows the chip its own boot loader', () => {
  const board = new Board([boot]);
  board.run(ms(100));
  assert.equal(board.haltCode, 'usb boot');
});
