// PIO in simulated time: clock dividers with their fractions, and delays, both of which rp2040js 1.4.1 leaves out. A state
// machine that waits for its FIFO costs nothing, and one that does not is stepped from instruction to instruction.

const NS_PER_CYCLE = 8; // 125 MHz

/** Nanoseconds that one step of machine `m` takes. */
const stepNs = (m) => ((m.clockDivInt || 65536) + m.clockDivFrac / 256) * NS_PER_CYCLE;

/** True if nothing happens in `m` until somebody writes to it. */
const asleep = (m) => !m.enabled || (m.waiting && m.txFIFO.empty);

export class PioClock {
  constructor(mcu) {
    this.machines = mcu.pio.flatMap((pio) => pio.machines.map((machine) => ({ pio, machine, due: null })));
  }
  /** Nanoseconds from `now` to the next instruction of any machine. */
  next(now) {
    let next = Infinity;
    for (const slot of this.machines) {
      if (asleep(slot.machine)) slot.due = null;
      else next = Math.min(next, (slot.due ??= now + stepNs(slot.machine)) - now);
    }
    return next;
  }
  /** Runs every instruction that is due at `now`. */
  run(now, setTime) {
    for (const slot of this.machines) {
      const { machine, pio } = slot;
      if (asleep(machine)) {
        slot.due = null;
        continue;
      }
      slot.due ??= now + stepNs(machine);
      while (slot.due !== null && slot.due <= now) {
        const before = machine.cycles;
        setTime(slot.due);
        machine.step();
        pio.checkChangedPins();
        slot.due += Math.max(1, machine.cycles - before) * stepNs(machine);
        if (asleep(machine)) slot.due = null;
      }
    }
  }
}
