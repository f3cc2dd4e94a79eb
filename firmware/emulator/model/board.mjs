// The board in one class: images in flash, UART 0 and USB CDC as byte streams, pins, and real watchdog resets, all in
// simulated time. Two runs of the same test are the same to the nanosecond.
import fs from 'node:fs';
import { RP2040, LogLevel, ConsoleLogger } from 'rp2040js';

import { installUarts } from './pl011.mjs';
import { CdcHost } from './usbhost.mjs';
import { installRom } from './rom.mjs';
import { installExtras } from './extras.mjs';
import { PioClock } from './pio.mjs';

const FLASH = 0x10000000;
const RAM = 0x20000000;
const NS_PER_CYCLE = 8; // 125 MHz
const WATCHDOG = 0x40058;

/** An ELF32 for ARM: what goes to flash, by load address, and its symbols. */
export class Elf {
  constructor(file) {
    const b = fs.readFileSync(file);
    if (b.readUInt32BE(0) !== 0x7f454c46 || b[4] !== 1) throw new Error(`${file} is not an ELF32`);
    this.parts = [];
    this.staticRam = 0;
    this.symbols = new Map();
    this.#segments(b);
    this.#sections(b);
  }
  #segments(b) {
    const at = b.readUInt32LE(28), size = b.readUInt16LE(42), n = b.readUInt16LE(44);
    for (let i = 0; i < n; i++) {
      const [type, offset, vaddr, paddr, filesz, memsz] = [0, 4, 8, 12, 16, 20].map((k) => b.readUInt32LE(at + i * size + k));
      if (type !== 1) continue;
      if (filesz) this.parts.push([paddr - FLASH, b.subarray(offset, offset + filesz)]);
      if (vaddr >= RAM && vaddr < RAM + 0x42000) this.staticRam += memsz;
    }
  }
  #sections(b) {
    const at = b.readUInt32LE(32), n = b.readUInt16LE(48);
    const section = (i) => {
      const [, type, , , offset, size, link] = [0, 4, 8, 12, 16, 20, 24].map((k) => b.readUInt32LE(at + i * 40 + k));
      return { type, offset, size, link };
    };
    for (let i = 0; i < n; i++) {
      const s = section(i);
      if (s.type !== 2) continue;
      const names = section(s.link).offset;
      for (let o = s.offset; o < s.offset + s.size; o += 16) {
        const from = names + b.readUInt32LE(o);
        this.symbols.set(b.toString('latin1', from, b.indexOf(0, from)), b.readUInt32LE(o + 4) & ~1);
      }
    }
  }
  /** The address of the first symbol that matches. */
  symbol(pattern) {
    for (const [name, address] of this.symbols) if (pattern.test(name)) return address;
    throw new Error(`no symbol matches ${pattern}`);
  }
  /** What lies in flash from `from` on, gaps filled with ones. */
  image(from, limit) {
    const parts = this.parts.filter(([offset]) => offset >= from && offset < from + limit);
    const end = Math.max(...parts.map(([offset, bytes]) => offset + bytes.length));
    const image = Buffer.alloc(end - from, 0xff);
    for (const [offset, bytes] of parts) bytes.copy(image, offset - from);
    return image;
  }
}

export class Board {
  /** `elfs` are put into flash in order. */
  constructor(elfs, { log = LogLevel.Error } = {}) {
    this.log = log;
    this.flash = new Uint8Array(2 * 1024 * 1024).fill(0xff);
    for (const elf of elfs) for (const [offset, bytes] of elf.parts) this.flash.set(bytes, offset);
    this.resets = [];
    this.base = 0; // simulated nanoseconds before the last reset
    this.instructions = 0;
    this.asleepNs = 0;
    this.stats = { erased: 0, programmed: 0 };
    this.levels = new Map(); // pins driven from outside, kept over resets
    this.volts = [0, 0, 0, 0, 0];
    this.onUart = () => {}; // (byte)
    this.onUsb = () => {}; // (Uint8Array)
    this.onUsbConnected = () => {};
    this.onPin = () => {}; // (pin, high, ns)
    this.onReset = () => {}; // (reason)
    this.#boot(0, null, null);
  }
  #boot(reason, scratch, ram) {
    const mcu = new RP2040();
    this.mcu = mcu;
    this.clock = mcu.clock;
    this.halted = false;
    this.pendingReset = undefined;
    // rp2040js only logs SEV; embassy's executor sleeps in WFE and wakes itself by SEV.
    mcu.logger = new (class extends ConsoleLogger {
      info(name, message) {
        if (message === 'SEV') mcu.core.eventRegistered = true;
        else super.info(name, message);
      }
    })(this.log, false);
    mcu.flash.set(this.flash);
    if (ram) mcu.sram.set(ram); // a watchdog reset does not clear it
    const watchdog = mcu.peripherals[WATCHDOG];
    watchdog.reason = reason;
    if (scratch) watchdog.scratchData.set(scratch);
    // At zero rp2040js would schedule its alarm again for the same instant, for ever.
    watchdog.onWatchdogTrigger = () => {
      watchdog.alarm.enable = false;
      this.pendingReset = watchdog.reason;
    };
    mcu.onBreak = (code) => {
      this.halted = true;
      this.haltCode = code;
    };
    installRom(this);
    installExtras(mcu);
    installUarts(mcu);
    this.pio = new PioClock(mcu);
    this.pioTime = null;
    mcu.uart[0].onByte = (byte) => this.onUart(byte);
    mcu.gpio.forEach((pin, i) => pin.addListener((state) => this.onPin(i, state === 1, this.base + (this.pioTime ?? this.clock.nanos))));
    this.cdc = new CdcHost(mcu.usbCtrl, this.clock);
    this.cdc.onData = (bytes) => this.onUsb(bytes);
    this.cdc.onConnected = (ok) => this.onUsbConnected(ok);
    for (const [pin, high] of this.levels) mcu.gpio[pin].setInputValue(high);
    this.volts.forEach((value, channel) => (mcu.adc.channelValues[channel] = value));
    // As the chip's own boot ROM does: run the 256-byte second stage at the beginning of flash.
    Object.assign(mcu.core, { SP: 0x20041f00, LR: 0, PC: FLASH });
  }
  /** 0: power comes on; else as the watchdog resets, with this reason. */
  reset(reason = 0) {
    this.flash = this.mcu.flash;
    this.base += this.clock.nanos;
    const scratch = reason ? this.mcu.peripherals[WATCHDOG].scratchData : null;
    this.#boot(reason, scratch, reason ? this.mcu.sram : null);
    this.resets.push(reason);
    this.onReset(reason);
  }
  /** Simulated nanoseconds since power came on for the first time. */
  get nanos() {
    return this.base + this.clock.nanos;
  }
  uartSend(bytes) {
    this.mcu.uart[0].send(bytes);
  }
  usbSend(bytes) {
    this.cdc.send(bytes);
  }
  /** Drives an input pin from outside. */
  drive(pin, high) {
    this.levels.set(pin, high);
    this.mcu.gpio[pin].setInputValue(high);
  }
  /** Sets what the ADC reads, 12 bits. */
  adc(channel, value) {
    this.volts[channel] = value;
    this.mcu.adc.channelValues[channel] = value;
  }
  pin(number) {
    return this.mcu.gpio[number].value === 1;
  }
  /** Reads or writes flash behind the program's back. */
  poke(address, bytes) {
    this.mcu.flash.set(bytes, address - FLASH);
  }
  /** Runs for `ns` of simulated time; stops early at a breakpoint. */
  run(ns) {
    const end = this.nanos + ns;
    while (this.nanos < end && !this.halted) {
      const { core } = this.mcu;
      const { clock } = this;
      let step;
      if (core.waiting) {
        const alarm = clock.nextAlarm ? clock.nanosToNextAlarm : Infinity;
        step = Math.min(alarm, end - this.nanos, this.pio.next(clock.nanos));
        this.asleepNs += step;
      } else {
        step = core.executeInstruction() * NS_PER_CYCLE;
        this.instructions++;
      }
      clock.tick(step);
      this.pio.run(clock.nanos, (at) => (this.pioTime = at));
      this.pioTime = null;
      if (this.pendingReset !== undefined) this.reset(this.pendingReset);
    }
  }
}
