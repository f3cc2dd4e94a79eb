// The real image: handshake, keys, presence, ring, buzzer, drawer, replay.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Host, crc32 } from '../model/host.mjs';
import { PIN, bench, edges, firmware, met, ms, pictures } from '../model/bench.mjs';

test('a host that says hello is told how everything is', () => {
  const { board, host, hello } = met();
  assert.deepEqual([hello.version, hello.features, hello.firmware], [1, 0x3fff, [0, 1, 0]]);
  assert.deepEqual(host.wait('Started').cause, 'Power');
  assert.equal(host.wait('Presence').near, false);
  assert.equal(host.wait('Headphones').there, false);
  const climate = host.wait('Climate');
  assert.deepEqual([climate.centi_celsius, climate.fan_percent, climate.supply_mv], [2000, 0, 12003]);
  assert.equal(host.wait('Update').state, 'Confirmed');
  board.run(ms(10));
  assert.ok(board.pin(PIN.led));
  assert.equal(host.bad, 0);
});

test('the pins that it says are the pins that it uses', () => {
  const { host } = met();
  const order = [0, 1, ...PIN.keys, PIN.presence, PIN.headphones, PIN.door, PIN.tamper, PIN.ring, PIN.buzzer, PIN.drawer, PIN.hostOff, PIN.fan, 26, 27, 28];
  assert.equal(host.wait('Layout').pins, crc32(order.flatMap((gpio, part) => [part, gpio])));
});

test('the board keeps the time for a host that loses it', () => {
  const { board, host } = met();
  host.send('SetTime', { utc_s: 1_795_253_460 });
  host.live(3_000);
  board.run(ms(12_000));
  host.greet();
  const clock = host.wait('Clock');
  assert.ok(Math.abs(clock.age_s - 15) <= 1 && clock.utc_s === 1_795_253_460 + clock.age_s, JSON.stringify(clock));
});

test('USB and UART are interchangeable, and the last to say hello is the host', () => {
  const { board, host: usb } = met({ port: 'usb' });
  usb.send('Ping', { token: 77 });
  assert.equal(usb.wait('Pong').token, 77);
  const uart = new Host(board, 'uart');
  uart.greet();
  uart.send('Ping', { token: 78 });
  assert.equal(uart.wait('Pong').token, 78);
  usb.heard = [];
  usb.send('Ping', { token: 79 });
  board.run(ms(50));
  assert.deepEqual(usb.heard, []);
});

test('a key is told within 18 ms of its first contact, bounces and all', (t) => {
  const { board, host } = met();
  const delays = [];
  PIN.keys.forEach((pin, i) => {
    board.run(ms(37));
    const pressed = board.nanos;
    for (const low of [true, false, true]) {
      board.drive(pin, !low);
      board.run(ms(0.4));
    }
    const told = host.wait('Key');
    assert.deepEqual([told.key, told.down], [['Up', 'Down', 'Select', 'Back', 'Help'][i], true]);
    delays.push((told.at - pressed) / 1e6);
    assert.ok(delays.at(-1) < 18, `${delays.at(-1)} ms`);
    board.drive(pin, true);
    assert.equal(host.wait('Key').down, false);
  });
  t.diagnostic(`from contact to the last byte at the host: ${delays.map((d) => d.toFixed(1)).join(', ')} ms, over UART`);
});

test('a held key repeats', () => {
  const { board, host } = met();
  board.drive(PIN.keys[1], false);
  host.wait('Key');
  host.live(900);
  const repeats = host.heard.filter((m) => m.kind === 'KeyRepeat').map((m) => m.at);
  assert.equal(repeats.length, 4);
  assert.ok(Math.abs(repeats[1] - repeats[0] - ms(120)) < ms(2));
});

test('presence comes fast, goes slowly and does not flicker', () => {
  const { board, host } = met();
  host.wait('Presence');
  board.drive(PIN.presence, true);
  const here = host.wait('Presence', 400);
  assert.equal(here.near, true);
  board.drive(PIN.presence, false);
  host.live(3_000);
  board.drive(PIN.presence, true);
  host.live(400);
  assert.ok(!host.heard.some((m) => m.kind === 'Presence'));
  board.drive(PIN.presence, false);
  host.live(4_200);
  assert.equal(host.wait('Presence').near, false);
});

test('contacts of the case and the headphone socket are told', () => {
  const { board, host } = met();
  host.wait((m) => m.contact === 'Tamper' && !m.open);
  board.drive(PIN.tamper, true);
  host.wait((m) => m.contact === 'Tamper' && m.open);
  board.drive(PIN.headphones, false);
  host.wait((m) => m.kind === 'Headphones' && m.there);
});

test('the drawer gets one pulse of the length asked for, and a replay opens nothing', () => {
  const { board, host, bytes: hello } = met();
  host.live(1_000);
  const coil = edges(board, PIN.drawer);
  const command = host.send('OpenDrawer', { id: 5, pulse_ms: 100 });
  assert.equal(host.wait('Drawer').state, 'Pulsed');
  host.live(2_000);
  assert.equal(coil.length, 2);
  const length = (coil[1].at - coil[0].at) / 1e6;
  assert.ok(length > 99 && length < 101, `${length} ms`);
  // The frame itself, many times; the whole recorded session; the frame in the session after it.
  for (let i = 0; i < 20; i++) host.write(command);
  host.live(1_000);
  host.write([...hello, ...command]);
  host.live(100);
  host.greet();
  host.write(command);
  host.live(1_000);
  assert.equal(coil.length, 2);
  host.send('OpenDrawer', { id: 6, pulse_ms: 501 });
  assert.equal(host.wait('Nack').reason, 1);
});

test('a coil that was pulsed rests, whatever is commanded', () => {
  const { board, host } = met();
  host.live(1_000);
  const coil = edges(board, PIN.drawer);
  const states = [];
  for (let id = 0; id < 40; id++) {
    host.send('OpenDrawer', { id, pulse_ms: 500 });
    states.push(host.wait('Drawer').state);
    host.live(100);
  }
  assert.ok(states.filter((s) => s === 'Pulsed').length <= 2);
  for (let i = 1; i + 1 < coil.length; i += 2) assert.ok(coil[i + 1].at - coil[i].at > ms(500));
});

test('a program that goes mad cannot hold the coil longer than 515 ms', () => {
  const { board, host } = met();
  host.live(1_000);
  const coil = edges(board, PIN.drawer);
  // Straight into the one-shot's FIFO, as a wild pointer would.
  for (let i = 0; i < 4; i++) board.mcu.pio[0].machines[1].writeFIFO(0xffffffff);
  host.live(5_000);
  assert.equal(coil.length, 8);
  for (let i = 0; i < 8; i += 2) assert.ok(coil[i + 1].at - coil[i].at < ms(515));
  for (let i = 1; i < 7; i += 2) assert.ok(coil[i + 1].at - coil[i].at > ms(510));
});

test('the light ring shows what is meant, decoded from its waveform', () => {
  const { board, host } = met();
  host.live(600);
  const line = edges(board, PIN.ring);
  host.send('Show', { signal: 'Approved' });
  host.live(600);
  host.send('Show', { signal: 'Declined' });
  host.live(300);
  const shown = pictures(line);
  const lit = (lights) => lights.filter((l) => l.some((c) => c > 0)).length;
  const grown = shown.filter((p) => p.lights[0][1] > p.lights[0][0] && p.lights[0][2] < 80);
  assert.ok(grown.some((p) => lit(p.lights) === 8 || lit(p.lights) === 7), 'approved runs round the ring');
  assert.ok(grown.some((p) => lit(p.lights) === 16), 'and fills it');
  const last = shown.at(-1).lights;
  assert.equal(lit(last), 4);
  assert.ok([2, 6, 10, 14].every((i) => last[i][0] > 100 && last[i][1] < 30));
  // The waveform itself: 0.3 to 0.45 µs for a zero, 0.8 to 0.95 for a one, 1.25 a bit.
  for (let i = 0; i + 2 < line.length; i++) {
    if (!line[i].high) continue;
    const high = line[i + 1].at - line[i].at, period = line[i + 2].at - line[i].at;
    assert.ok((high > 300 && high < 450) || (high > 800 && high < 950), `${high} ns`);
    assert.ok(period > 50_000 || (period > 1200 && period < 1300), `${period} ns`);
  }
});

test('with reduced motion the ring stands still', () => {
  const { board, host } = met();
  host.live(6_000); // the brightness has followed the daylight
  host.send('Comfort', { reduced_motion: true, volume: 0 });
  host.send('Show', { signal: 'TapHere' });
  host.live(1_000);
  const line = edges(board, PIN.ring);
  host.live(2_000);
  const shown = pictures(line).map((p) => JSON.stringify(p.lights));
  assert.ok(shown.length >= 3);
  assert.equal(new Set(shown).size, 1);
});

test('the buzzer sounds the approval once', () => {
  const { board, host } = met();
  const buzzer = edges(board, PIN.buzzer);
  host.send('Show', { signal: 'Approved' });
  host.live(600);
  const rising = buzzer.filter((e) => e.high).map((e) => e.at);
  const early = rising.filter((at) => at - rising[0] < ms(60));
  const hz = (early.length - 1) / ((early.at(-1) - early[0]) / 1e9);
  assert.ok(Math.abs(hz - 880) < 10, `${hz} Hz`);
  assert.ok(rising.at(-1) - rising[0] < ms(300));
});

test('the fan follows the temperature, and a brown-out switches it off', () => {
  const { board, host } = met();
  board.adc(1, 1081);
  board.run(ms(50));
  const fan = edges(board, PIN.fan);
  board.run(ms(2));
  const up = fan.filter((e) => e.high), down = fan.filter((e) => !e.high);
  assert.ok(Math.abs(up.length - 50) <= 2, `${up.length} periods in 2 ms: 25 kHz`);
  const on = down.find((e) => e.at > up[0].at).at - up[0].at;
  assert.ok(Math.abs(on / 40_000 - 0.65) < 0.02, `${on} ns of 40 µs`);
  board.adc(2, 1900);
  const fault = host.wait('Fault');
  assert.deepEqual([fault.fault, fault.detail], ['BrownOut', 8490]);
  board.run(ms(10));
  fan.length = 0;
  board.run(ms(2));
  assert.equal(fan.length, 0);
});

test('silence closes the session, darkens the ring to one dot, and releases everything', () => {
  const { board, host } = met();
  host.live(1_000);
  const line = edges(board, PIN.ring);
  board.run(ms(2_600));
  assert.equal(board.pin(PIN.led), false);
  assert.equal(pictures(line).at(-1).lights.filter((l) => l.some((c) => c > 0)).length, 1);
  host.heard = [];
  host.send('Ping', { token: 1 });
  board.run(ms(50));
  assert.deepEqual(host.heard, []);
  host.greet();
});

test('two runs are the same to the nanosecond', () => {
  const story = () => {
    const { board, host } = met();
    host.send('Show', { signal: 'TapHere' });
    host.live(700);
    return JSON.stringify([board.nanos, board.instructions, host.heard]);
  };
  assert.equal(story(), story());
});

test('the image is within its budgets, on the stack too', (t) => {
  const flash = firmware.image(0x10000, 0x10000).length;
  const board = bench({ fill: 0xa5 });
  const host = new Host(board);
  host.greet();
  host.live(1_000);
  host.send('OpenDrawer', { id: 1, pulse_ms: 100 });
  host.send('Show', { signal: 'Approved' });
  const asleep = board.asleepNs, began = board.nanos;
  host.live(10_000);
  const idle = (board.asleepNs - asleep) / (board.nanos - began);
  const touched = board.mcu.sram.subarray(firmware.staticRam + 64, 0x40000).findIndex((byte) => byte !== 0xa5);
  const stack = 0x40000 - firmware.staticRam - 64 - touched;
  t.diagnostic(`flash ${flash} bytes, static RAM ${firmware.staticRam}, stack ${stack}, asleep ${(idle * 100).toFixed(1)} % with a session`);
  assert.ok(flash <= 64 * 1024);
  assert.ok(firmware.staticRam <= 16 * 1024);
  assert.ok(stack < 16 * 1024, `${stack}`);
  assert.ok(idle > 0.9);
});

test('a message is a third of what it would be in JSON', (t) => {
  const { host } = met();
  host.live(11_000);
  const said = host.heard.filter((m) => m.kind !== 'Hello');
  const json = said.reduce((sum, { at, bytes: _, ...message }) => sum + JSON.stringify({ session: host.session, ...message }).length + 1, 0);
  const ours = said.reduce((sum, m) => sum + m.size, 0);
  t.diagnostic(`${said.length} messages: ${(ours / said.length).toFixed(1)} bytes each, ${(json / said.length).toFixed(1)} as lines of JSON without a CRC`);
  assert.ok(ours * 3 < json);
});
