// A stand-in boot ROM: the two-letter function table of the RP2040's ROM, each entry a BKPT that calls
// JavaScript. No Raspberry Pi code in it; enough for embassy-rp's flash driver, reset_to_usb_boot and mem functions.
const LOOKUP = 0x200, FUNCS = 0x204, TABLE = 0x400;
const FLASH = 0x10000000;
export function installRom(board) {
  const { mcu } = board, core = mcu.core, flash = mcu.flash;
  const r = (n) => core.registers[n];
  const span = (a) => (a & 0x0fffffff) % flash.length;
  const fns = {
    IF: () => {}, EX: () => {}, FC: () => {}, CX: () => {},   // flash stays readable all the time
    RE: () => { const o = span(r(0)), n = r(1); flash.fill(0xff, o, o + n); board.stats.erased += n; board.clock.tick((n / 4096) * 45e6); },
    RP: () => { const o = span(r(0)), n = r(2); for (let i = 0; i < n; i++) flash[o + i] &= mcu.readUint8(r(1) + i); board.stats.programmed += n; board.clock.tick((n / 256) * 0.7e6); },
    MS: () => { for (let i = 0; i < r(2); i++) mcu.writeUint8(r(0) + i, r(1) & 255); },
    MC: () => { for (let i = 0; i < r(2); i++) mcu.writeUint8(r(0) + i, mcu.readUint8(r(1) + i)); },
    S4: () => fns.MS(), C4: () => fns.MC(),
    L3: () => { core.registers[0] = Math.clz32(r(0)); },
    T3: () => { const x = r(0); core.registers[0] = x ? 31 - Math.clz32(x & -x) : 32; },
    P3: () => { let x = r(0), n = 0; for (; x; x &= x - 1) n++; core.registers[0] = n; },
    R3: () => { let x = r(0), y = 0; for (let i = 0; i < 32; i++) y = (y << 1) | ((x >>> i) & 1); core.registers[0] = y; },
    UB: () => { board.halted = true; board.haltCode = 'usb boot'; },
  };

  const names = Object.keys(fns), rom = mcu.bootrom, v = new DataView(rom.buffer);
  v.setUint32(0, 0x20041f00, true); v.setUint32(4, 0x100 | 1, true); v.setUint16(0x100, 0xe7fe, true);
  v.setUint32(0x10, 0x03 << 24 | 0x01 << 16 | 0x754d, true);            // 'Mu', 1, ROM version 3
  v.setUint16(0x14, TABLE, true); v.setUint16(0x16, TABLE + 0x300, true); v.setUint16(0x18, LOOKUP | 1, true);
  const stub = (at, n) => { v.setUint16(at, 0xbe00 | n, true); v.setUint16(at + 2, 0x4770, true); };   // bkpt #n; bx lr
  stub(LOOKUP, 0);
  names.forEach((nm, i) => stub(FUNCS + i * 4, i + 1));
  const bkpt = mcu.onBreak;
  mcu.onBreak = (code) => {
    if (core.PC >= 0x4000) return bkpt(code);
    if (code === 0) {
      const tag = String.fromCharCode(r(1) & 255, (r(1) >> 8) & 255), i = names.indexOf(tag);
      if (r(0) !== TABLE || i < 0) { board.halted = true; board.haltCode = `no '${tag}' in the stand-in ROM`; }
      else core.registers[0] = (FUNCS + i * 4) | 1;
    } else fns[names[code - 1]]();
  };
}
