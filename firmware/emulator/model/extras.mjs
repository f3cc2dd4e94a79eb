// Small peripherals that rp2040js 1.4.1 lacks or runs on wall time.
import { BasePeripheral } from 'rp2040js';

/** XIP_CTRL (0x14000000): embassy-rp's flash driver waits until the streaming FIFO is idle. */
class XipCtrl extends BasePeripheral {
  readUint32(offset) {
    return offset === 0x08 || offset === 0x00 ? 0x3 : 0; // STAT: FIFO empty, flush ready
  }
  writeUint32() {}
}

export function installExtras(mcu) {
  mcu.peripherals[0x14000] = new XipCtrl(mcu, 'XIP_CTRL');
  const { adc, dma } = mcu;
  const adcWrite = adc.writeUint32.bind(adc);
  const dmaRead = dma.readUint32.bind(dma);
  adc.writeUint32 = (offset, value) => {
    adcWrite(offset, value);
    adc.cs &= ~4; // START_ONCE clears itself
  };
  dma.readUint32 = (offset) => (offset === 0x444 ? 0 : dmaRead(offset)); // CHAN_ABORT: nothing left to abort
  for (const pio of mcu.pio) pio.run = () => {}; // model/pio.mjs steps it in simulated time
}
